//! Clients with a bug each. Every one passes in the plainest run.

use std::sync::Arc;

use test_support::connection::{buffer, streams};
use test_support::futures::join;
use test_support::scenario::on_host;
use wsk::{Buffer, TcpListener, TcpStream, UdpSocket};
use wsk_host::Host;

use crate::threads::{Code, Shared, run_all};

/// A client of this many calls before the mistake, which returns whether it has worked.
pub(crate) type Client = fn(&Host, usize) -> bool;

const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// The clients of threads, by name. Each is run with several numbers of calls before its mistake.
pub(crate) const OF_THREADS: [(&str, Client); 11] = [
    ("lost update", lost_update),
    ("double release", double_release),
    ("lost wake-up", lost_wake_up),
    ("use after free", use_after_free),
    ("use after unload", use_after_unload),
    ("published before it is initialized", published_early),
    ("reference count without atomics", reference_count),
    ("two numbers read apart", torn_pair),
    ("two consumers take one item", two_consumers),
    ("three events in order", three_in_order),
    ("four events in order", four_in_order),
];

/// The clients of sockets, by name.
pub(crate) const OF_SOCKETS: [(&str, Client); 4] = [
    ("a receive is taken for the whole message", short_receive),
    ("datagrams are expected in order", datagram_order),
    ("connections are expected in order", accept_order),
    ("a receive is polled once", polled_once),
];

fn threads<const N: usize>(shared: &Arc<Shared>, codes: [fn(&Shared, usize); N], calls: usize) {
    let code = |code: fn(&Shared, usize)| -> Code {
        let shared = Arc::clone(shared);
        Box::new(move || code(&shared, calls))
    };
    run_all(codes.map(code).into());
}

/// A load and a store with a call between them.
fn add(shared: &Shared, calls: usize) {
    shared.calls(calls);
    let value = shared.get(0);
    shared.call();
    shared.set(0, value + 1);
    shared.calls(calls);
}

fn lost_update(_: &Host, calls: usize) -> bool {
    let shared = Shared::new();
    threads(&shared, [add, add], calls);
    shared.get(0) == 2
}

fn double_release(_: &Host, calls: usize) -> bool {
    fn release(shared: &Shared, calls: usize) {
        shared.calls(calls);
        if shared.get(0) == 0 {
            shared.call();
            shared.set(0, 1);
            shared.set(1, shared.get(1) + 1);
        }
    }
    let shared = Shared::new();
    threads(&shared, [release, release], calls);
    shared.get(1) == 1
}

/// The waiter clears the event after it has looked, not before.
fn lost_wake_up(_: &Host, calls: usize) -> bool {
    fn waiter(shared: &Shared, calls: usize) {
        shared.calls(calls);
        if shared.get(0) == 0 {
            shared.call();
            shared.clear();
            shared.require(shared.wait());
        }
    }
    fn waker(shared: &Shared, calls: usize) {
        shared.calls(calls);
        shared.set(0, 1);
        shared.signal();
    }
    let shared = Shared::new();
    threads(&shared, [waiter, waker], calls);
    !shared.has_failed()
}

/// The user looks whether the object lives, and uses it a call later.
fn use_after_free(_: &Host, calls: usize) -> bool {
    fn user(shared: &Shared, calls: usize) {
        shared.calls(calls);
        if shared.get(0) == 0 {
            shared.call();
            shared.require(shared.get(0) == 0);
        }
    }
    fn frees(shared: &Shared, calls: usize) {
        shared.calls(calls);
        shared.call();
        shared.set(0, 1);
    }
    let shared = Shared::new();
    threads(&shared, [user, frees], calls);
    !shared.has_failed()
}

/// The worker reports its end, and makes one more step.
fn use_after_unload(_: &Host, calls: usize) -> bool {
    fn worker(shared: &Shared, calls: usize) {
        shared.calls(calls);
        shared.signal();
        shared.require(shared.get(0) == 0);
    }
    fn unload(shared: &Shared, _calls: usize) {
        shared.wait();
        shared.set(0, 1);
    }
    let shared = Shared::new();
    threads(&shared, [worker, unload], calls);
    !shared.has_failed()
}

fn published_early(_: &Host, calls: usize) -> bool {
    fn publishes(shared: &Shared, calls: usize) {
        shared.calls(calls);
        shared.set(0, 1);
        shared.call();
        shared.set(1, 7);
    }
    fn reads(shared: &Shared, calls: usize) {
        shared.calls(calls);
        shared.require(shared.get(0) == 0 || shared.get(1) == 7);
    }
    let shared = Shared::new();
    threads(&shared, [publishes, reads], calls);
    !shared.has_failed()
}

fn reference_count(_: &Host, calls: usize) -> bool {
    fn releases(shared: &Shared, calls: usize) {
        shared.calls(calls);
        let count = shared.get(0) - 1;
        shared.call();
        shared.set(0, count);
        if count == 0 {
            shared.set(1, shared.get(1) + 1);
        }
    }
    let shared = Shared::new();
    shared.set(0, 3);
    threads(&shared, [releases, releases, releases], calls);
    shared.get(1) == 1
}

fn torn_pair(_: &Host, calls: usize) -> bool {
    fn writes(shared: &Shared, calls: usize) {
        shared.calls(calls);
        shared.set(0, 1);
        shared.call();
        shared.set(1, 1);
    }
    fn reads(shared: &Shared, calls: usize) {
        shared.calls(calls);
        let first = shared.get(0);
        shared.call();
        shared.require(first == shared.get(1));
    }
    let shared = Shared::new();
    threads(&shared, [writes, reads], calls);
    !shared.has_failed()
}

fn two_consumers(_: &Host, calls: usize) -> bool {
    fn takes(shared: &Shared, calls: usize) {
        shared.calls(calls);
        while shared.get(0) > 0 {
            shared.call();
            let left = shared.get(0) - 1;
            shared.require(left >= 0);
            shared.set(0, left);
        }
    }
    let shared = Shared::new();
    shared.set(0, 3);
    threads(&shared, [takes, takes], calls);
    !shared.has_failed()
}

/// The second thread must run between two steps of the first, and the third between two of the second.
fn three_in_order(_: &Host, calls: usize) -> bool {
    fn first(shared: &Shared, calls: usize) {
        shared.calls(calls);
        shared.set(0, 1);
        shared.call();
        shared.require(shared.get(0) != 3);
        shared.set(0, 9);
    }
    fn second(shared: &Shared, calls: usize) {
        shared.calls(calls);
        if shared.get(0) == 1 {
            shared.set(0, 2);
            shared.call();
            shared.set(1, 1);
        }
    }
    fn third(shared: &Shared, calls: usize) {
        shared.calls(calls);
        if shared.get(0) == 2 && shared.get(1) == 0 {
            shared.set(0, 3);
        }
    }
    let shared = Shared::new();
    threads(&shared, [first, second, third], calls);
    !shared.has_failed()
}

/// Two threads step in turns: 1, 2, 3, 4.
fn four_in_order(_: &Host, calls: usize) -> bool {
    fn odd(shared: &Shared, calls: usize) {
        shared.calls(calls);
        shared.set(0, 1);
        shared.call();
        if shared.get(0) == 2 {
            shared.set(0, 3);
            shared.call();
            shared.require(shared.get(0) != 4);
        }
    }
    fn even(shared: &Shared, calls: usize) {
        shared.calls(calls);
        if shared.get(0) == 1 {
            shared.set(0, 2);
            shared.call();
            if shared.get(0) == 3 {
                shared.set(0, 4);
            }
        }
    }
    let shared = Shared::new();
    threads(&shared, [odd, even], calls);
    !shared.has_failed()
}

fn short_receive(host: &Host, _calls: usize) -> bool {
    let result = on_host(host, async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.send_all(buffer(b"a message")?).await.into_result()?;
        let (received, _) = server.recv(Buffer::new(9)?).await.into_result()?;
        client.close().await;
        server.close().await;
        Ok(received == 9)
    });
    result.unwrap_or(false)
}

fn datagram_order(host: &Host, _calls: usize) -> bool {
    let result = on_host(host, async |wsk| {
        let receiver = UdpSocket::bind(&wsk, LOCAL).await?;
        let sender = UdpSocket::bind(&wsk, LOCAL).await?;
        let to = receiver.local_addr().await?;
        for byte in [1, 2] {
            sender.send_to(buffer(&[byte])?, to).await.into_result()?;
        }
        let mut first = [0];
        receiver.recv_from_into(&mut first).await?;
        let mut second = [0];
        receiver.recv_from_into(&mut second).await?;
        Ok((first, second) == ([1], [2]))
    });
    result.unwrap_or(false)
}

fn accept_order(host: &Host, _calls: usize) -> bool {
    let result = on_host(host, async |wsk| {
        let listener = TcpListener::bind(&wsk, LOCAL).await?;
        let to = listener.local_addr().await?;
        let (one, other) = join(TcpStream::connect(&wsk, to), TcpStream::connect(&wsk, to)).await;
        let (one, other) = (one?, other?);
        let (_first, from) = listener.accept().await?;
        let (_second, _) = listener.accept().await?;
        let is_first = one.local_addr().await? == from;
        drop(other);
        Ok(is_first)
    });
    result.unwrap_or(false)
}

fn polled_once(host: &Host, _calls: usize) -> bool {
    let result = on_host(host, async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.send_all(buffer(b"x")?).await.into_result()?;
        let polled =
            test_support::futures::poll_times(server.recv(Buffer::new(1)?), 1).await.is_some();
        Ok(polled)
    });
    result.unwrap_or(false)
}
