//! TCP.

use core::fmt::Debug;
use core::net::SocketAddr;

use wsk::{Buffer, Provider, Slice, TcpListener, TcpStream};

type Wsk = &'static Provider;

futures! {
    "TcpListener::bind": |(wsk, local): (Wsk, SocketAddr)| TcpListener::bind(wsk, local);
    "TcpListener::accept": |listener: &'static mut TcpListener| listener.accept();
    "TcpListener::local_addr": |listener: &'static TcpListener| listener.local_addr();
    "TcpListener::close": |listener: TcpListener| listener.close();
}

futures! {
    "TcpStream::connect": |(wsk, remote): (Wsk, SocketAddr)| TcpStream::connect(wsk, remote);
    "TcpStream::recv": |(stream, buffer): (&'static TcpStream, Buffer)| stream.recv(buffer);
    "TcpStream::recv<Slice>": |(stream, buffer): (&'static TcpStream, Slice)| stream.recv(buffer);
    "TcpStream::send": |(stream, buffer): (&'static TcpStream, Buffer)| stream.send(buffer);
    "TcpStream::send<Slice>": |(stream, buffer): (&'static TcpStream, Slice)| stream.send(buffer);
    "TcpStream::send_all": |(stream, buffer): (&'static TcpStream, Buffer)| stream.send_all(buffer);
    "TcpStream::send_all<Slice>": |(stream, buffer): (&'static TcpStream, Slice)| {
        stream.send_all(buffer)
    };
    "TcpStream::shutdown": |stream: &'static TcpStream| stream.shutdown();
    "TcpStream::local_addr": |stream: &'static TcpStream| stream.local_addr();
    "TcpStream::peer_addr": |stream: &'static TcpStream| stream.peer_addr();
    "TcpStream::close": |stream: TcpStream| stream.close();
}

drops! {
    "TcpListener::drop": TcpListener;
    "TcpStream::drop": TcpStream;
}

formats! {
    "TcpListener::fmt<Debug>": TcpListener as Debug;
    "TcpStream::fmt<Debug>": TcpStream as Debug;
}
