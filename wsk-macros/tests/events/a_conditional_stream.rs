#![allow(unused_imports)]

use wsk::events::*;
use wsk::socket::{Family, StreamSocket};

struct Inspector;

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        inspection.accept();
    }
}

#[wsk::events]
impl ConnectionEvents for Inspector {}

async fn make(wsk: &wsk::Provider) {
    let _ = StreamSocket::builder(wsk, Family::INET).events(Inspector);
}

fn main() {}
