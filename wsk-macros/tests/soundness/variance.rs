//! A type with a handler or an option's type in it does not become one with a subtype or a supertype: the table would
//! be one type's, and the mask another's.

use wsk::BufResult;
use wsk::events::Incoming;
use wsk::options::{AllSockets, BufferIoctl, Ioctl, SocketOption};
use wsk::rt::JoinHandle;
use wsk::socket::{
    Accepted, Builder, ConnectionSocket, Datagram, DatagramSocket, ListenSocket, StreamSocket,
};

type Sub = for<'a> fn(&'a u8);
type Super = fn(&'static u8);
struct H<F>(#[allow(dead_code)] F);

fn datagram(socket: DatagramSocket<H<Sub>>) -> DatagramSocket<H<Super>> {
    socket
}

fn datagram_back(socket: DatagramSocket<H<Super>>) -> DatagramSocket<H<Sub>> {
    socket
}

fn connection(socket: ConnectionSocket<H<Sub>>) -> ConnectionSocket<H<Super>> {
    socket
}

fn listener(socket: ListenSocket<H<Sub>>) -> ListenSocket<H<Super>> {
    socket
}

fn stream(socket: StreamSocket<H<Sub>>) -> StreamSocket<H<Super>> {
    socket
}

fn incoming(incoming: Incoming<'_, H<Super>>) -> Incoming<'_, H<Sub>> {
    incoming
}

fn incoming_back(incoming: Incoming<'_, H<Sub>>) -> Incoming<'_, H<Super>> {
    incoming
}

fn accepted(accepted: Accepted<H<Sub>>) -> Accepted<H<Super>> {
    accepted
}

fn value(option: SocketOption<H<Sub>, AllSockets>) -> SocketOption<H<Super>, AllSockets> {
    option
}

fn applies(option: SocketOption<u32, H<Sub>>) -> SocketOption<u32, H<Super>> {
    option
}

fn ioctl_in(ioctl: Ioctl<H<Sub>, (), AllSockets>) -> Ioctl<H<Super>, (), AllSockets> {
    ioctl
}

fn ioctl_out(ioctl: Ioctl<(), H<Sub>, AllSockets>) -> Ioctl<(), H<Super>, AllSockets> {
    ioctl
}

fn ioctl_applies(ioctl: BufferIoctl<H<Sub>>) -> BufferIoctl<H<Super>> {
    ioctl
}

/// A task's output may: it is moved out, and nothing is taken from its type again.
fn output(handle: JoinHandle<H<Sub>>) -> JoinHandle<H<Super>> {
    handle
}

/// A builder may: nothing was taken from the handler's type.
fn builder(builder: Builder<'_, Datagram, H<Sub>>) -> Builder<'_, Datagram, H<Super>> {
    builder
}

/// A plain value may.
fn result(result: BufResult<H<Sub>, ()>) -> BufResult<H<Super>, ()> {
    result
}

fn main() {}
