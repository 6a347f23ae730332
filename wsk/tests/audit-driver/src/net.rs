//! TCP.

use core::fmt::Debug;
use core::net::SocketAddr;

use wsk::net::Relayed;
use wsk::socket::ListenSocket;
use wsk::{Buffer, Error, Provider, Slice, TcpListener, TcpStream};

type Wsk = &'static Provider;

futures! {
    "TcpListener::bind": |(wsk, local): (Wsk, SocketAddr)| TcpListener::bind(wsk, local);
    "TcpListener::bind_dual_stack": |(wsk, port): (Wsk, u16)| {
        TcpListener::bind_dual_stack(wsk, port)
    };
    "TcpListener::only_v6": |listener: &'static TcpListener| listener.only_v6();
    "TcpListener::accept": |listener: &'static TcpListener| listener.accept();
    "TcpListener::accept_retrying": |(listener, report): (&'static TcpListener, fn(Error))| {
        listener.accept_retrying(report)
    };
    "TcpListener::local_addr": |listener: &'static TcpListener| listener.local_addr();
    "TcpListener::close": |listener: TcpListener| listener.close();
}

futures! {
    "TcpStream::connect": |(wsk, remote): (Wsk, SocketAddr)| TcpStream::connect(wsk, remote);
    "TcpStream::recv": |(stream, buffer): (&'static TcpStream, Buffer)| stream.recv(buffer);
    "TcpStream::recv<Slice>": |(stream, buffer): (&'static TcpStream, Slice)| stream.recv(buffer);
    "TcpStream::recv_into": |(stream, room): (&'static TcpStream, &'static mut [u8])| {
        stream.recv_into(room)
    };
    "TcpStream::send": |(stream, buffer): (&'static TcpStream, Buffer)| stream.send(buffer);
    "TcpStream::send<Slice>": |(stream, buffer): (&'static TcpStream, Slice)| stream.send(buffer);
    "TcpStream::send_all": |(stream, buffer): (&'static TcpStream, Buffer)| stream.send_all(buffer);
    "TcpStream::send_all<Slice>": |(stream, buffer): (&'static TcpStream, Slice)| {
        stream.send_all(buffer)
    };
    "TcpStream::readable": |stream: &'static TcpStream| stream.readable();
    "copy": |(from, to): (&'static TcpStream, &'static TcpStream)| wsk::net::copy(from, to);
    "copy_bidirectional_with_sizes": |(a, b, sizes): (&'static TcpStream, &'static TcpStream, [usize; 2])| {
        wsk::net::copy_bidirectional_with_sizes(a, b, sizes[0], sizes[1])
    };
    "copy_bidirectional": |(a, b): (&'static TcpStream, &'static TcpStream)| {
        wsk::net::copy_bidirectional(a, b)
    };
    "relay": |(a, b): (TcpStream, TcpStream)| wsk::net::relay(a, b);
    "relay_with_limit": |(a, b, limit): (TcpStream, TcpStream, usize)| {
        wsk::net::relay_with_limit(a, b, limit)
    };
    "TcpStream::shutdown": |stream: &'static TcpStream| stream.shutdown();
    "TcpStream::local_addr": |stream: &'static TcpStream| stream.local_addr();
    "TcpStream::peer_addr": |stream: &'static TcpStream| stream.peer_addr();
    "TcpStream::close": |stream: TcpStream| stream.close();
}

// By the names of std: each a line of `wsk::options`.
futures! {
    "TcpStream::set_nodelay": |(stream, value): (&'static TcpStream, bool)| {
        stream.set_nodelay(value)
    };
    "TcpStream::nodelay": |stream: &'static TcpStream| stream.nodelay();
    "TcpStream::set_keepalive": |(stream, value): (&'static TcpStream, bool)| {
        stream.set_keepalive(value)
    };
    "TcpStream::keepalive": |stream: &'static TcpStream| stream.keepalive();
    "TcpStream::set_recv_buffer_size": |(stream, value): (&'static TcpStream, u32)| {
        stream.set_recv_buffer_size(value)
    };
    "TcpStream::recv_buffer_size": |stream: &'static TcpStream| stream.recv_buffer_size();
    "TcpStream::set_ttl": |(stream, value): (&'static TcpStream, u32)| stream.set_ttl(value);
    "TcpStream::ttl": |stream: &'static TcpStream| stream.ttl();
    "TcpListener::set_keepalive": |(listener, value): (&'static TcpListener, bool)| {
        listener.set_keepalive(value)
    };
    "TcpListener::keepalive": |listener: &'static TcpListener| listener.keepalive();
    "TcpListener::set_recv_buffer_size": |(listener, value): (&'static TcpListener, u32)| {
        listener.set_recv_buffer_size(value)
    };
    "TcpListener::recv_buffer_size": |listener: &'static TcpListener| listener.recv_buffer_size();
    "TcpListener::set_ttl": |(listener, value): (&'static TcpListener, u32)| {
        listener.set_ttl(value)
    };
    "TcpListener::ttl": |listener: &'static TcpListener| listener.ttl();
}

calls! {
    "TcpStream::try_recv": |(stream, room): (&'static TcpStream, &'static mut [u8])| {
        stream.try_recv(room)
    };
    "TcpStream::try_send": |(stream, bytes): (&'static TcpStream, &'static [u8])| {
        stream.try_send(bytes)
    };
    "TcpListener::as_socket": |listener: &'static TcpListener| listener.as_socket();
    "TcpListener::into_socket": |listener: TcpListener| listener.into_socket();
    "TcpListener::from": |socket: ListenSocket| TcpListener::from(socket);
    "ListenSocket::from": |listener: TcpListener| ListenSocket::from(listener);
}

drops! {
    "TcpListener::drop": TcpListener;
    "TcpStream::drop": TcpStream;
}

formats! {
    "TcpListener::fmt<Debug>": TcpListener as Debug;
    "TcpStream::fmt<Debug>": TcpStream as Debug;
}

calls! {
    "Relayed::into_result": |relayed: Relayed| relayed.into_result();
}
