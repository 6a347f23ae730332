//! What is no method of the trait.

use wsk::events::*;

struct A;
struct B;
struct C;

macro_rules! receive_from {
    () => {
        fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
            Disposition::Accepted
        }
    };
}

#[wsk::events]
impl DatagramEvents for A {
    receive_from!();
}

#[wsk::events]
impl DatagramEvents for B {
    const LIMIT: usize = 3;

    type WskEventsAttribute = wsk::events::methods::Methods<0>;

    fn receive(&self, _data: Data<'_>) -> Receipt {
        Receipt::All
    }
}

#[wsk::events]
impl DatagramEvents for C {
    #[cfg_attr(all(), cfg(any()))]
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

fn main() {}
