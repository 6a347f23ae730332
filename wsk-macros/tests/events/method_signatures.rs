//! Methods that differ from the trait's in more than types. Each is reported.

use wsk::events::*;

struct A;
struct B;
struct C;
struct D;
struct E;
struct F;

#[wsk::events]
impl ConnectionEvents for A {
    async fn receive(&self, _data: Data<'_>) -> Receipt {
        Receipt::All
    }

    unsafe fn disconnected(&self, _abortive: bool, _level: CallbackIrql) {}

    const fn send_backlog(&self, _ideal: usize) {}

    extern "C" fn dead(&self) {}
}

#[wsk::events]
impl ConnectionEvents for B {
    fn receive(&mut self, _data: Data<'_>) -> Receipt {
        Receipt::All
    }

    fn disconnected(self, _abortive: bool, _level: CallbackIrql) {}

    fn send_backlog(_ideal: usize) {}

    fn dead(self: Box<Self>) {}
}

#[wsk::events]
impl ConnectionEvents for C {
    fn receive<T>(&self, _data: T) -> Receipt {
        Receipt::All
    }

    fn disconnected(&self, _abortive: bool) {}

    fn send_backlog(&self) {}

    fn dead(&self, _level: CallbackIrql) {}
}

#[wsk::events]
impl DatagramEvents for D {
    fn receive_from(&self, _datagrams: impl Iterator<Item = u8>) -> Disposition {
        Disposition::Accepted
    }
}

#[wsk::events]
impl DatagramEvents for E {
    fn receive_from<const N: usize>(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

#[wsk::events]
impl DatagramEvents for F {
    fn receive_from(_handler: &Self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

fn main() {}
