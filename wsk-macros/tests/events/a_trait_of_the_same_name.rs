//! A trait is `wsk`'s by its path, not by its name.

use wsk::events::{ConnectionEvents, Data, Incoming, Receipt};

struct Receives;

#[wsk::events]
impl ConnectionEvents for Receives {
    fn receive(&self, _data: Data<'_>) -> Receipt {
        Receipt::All
    }
}

mod mine {
    pub trait ListenEvents {
        type Connection;

        fn accept(&self, _incoming: ()) {}
    }
}

struct Server;

#[wsk::events]
impl mine::ListenEvents for Server {
    type Connection = Receives;

    fn accept(&self, _incoming: ()) {}
}

/// The real one, without the attribute.
impl wsk::events::ListenEvents for Server {
    type Connection = ();

    fn accept(&self, _incoming: Incoming<'_, ()>) {}
}

fn main() {}
