#![allow(unused_imports)]

use wsk::sys::*;
use wsk_macros::provider_table;

use wsk::dispatch::ConnectionDispatch;
use wsk::flags::ReceiveFlags;

unsafe fn send(connection: ConnectionDispatch, buffer: PWSK_BUF, irp: PIRP) -> NTSTATUS {
    unsafe { connection.send(buffer, ReceiveFlags::WAIT_ALL, irp) }
}

fn main() {}
