#![allow(unused_imports)]

use wsk::sys::*;
use wsk_macros::provider_table;

use wsk::dispatch::ListenDispatch;

unsafe fn connect(listener: ListenDispatch, address: PSOCKADDR, irp: PIRP) -> NTSTATUS {
    unsafe { listener.connect(address, irp) }
}

fn main() {}
