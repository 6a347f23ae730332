//! Memory that others have lent to requests.
//!
//! # Safety
//!
//! An owner keeps its memory and its MDLs until it is dropped, and its bytes are read only when no request has it.

#![expect(unsafe_code, reason = "see Safety")]

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use test_support::connection::{LOCAL, receive_all, sockets, streams};
use test_support::foreign::{ForeignMemory, UNTOUCHED};
use test_support::futures::{join, poll_and_forget, poll_times};
use test_support::scenario::{on_host, timings, with_all_timings, with_whole_receives};
use wsk::pool::PoolBox;
use wsk::socket::{ConnectionSocket, Family};
use wsk::{
    BufResult, Buffer, Chain, Error, ErrorKind, IoBuf, Lent, LentAccess, Result, TcpListener,
    TcpStream, UdpSocket, time,
};
use wsk_host::{Config, Host, Timing};

use crate::sweep::sweep;

/// Pieces of memory, one of which is larger than a page.
const PIECES: &[usize] = &[7, 5000, 1, 300];
const SIZE: usize = 5308;

/// The number of an allocation that is not made.
const NEVER: usize = 1 << 20;

/// Bytes that differ from their neighbors.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n ^ (n >> 8)).to_le_bytes()[0]).collect()
}

fn lend_as(memory: ForeignMemory, access: LentAccess) -> Result<Lent<ForeignMemory>> {
    let (mdl, size) = (memory.mdl(), memory.size());
    // SAFETY: the owner keeps the MDLs until it is dropped, and its bytes are not accessed meanwhile.
    unsafe { Lent::from_raw(mdl, 0, size, access, memory) }.map_err(|(error, _)| error)
}

fn lend(memory: ForeignMemory) -> Result<Lent<ForeignMemory>> {
    lend_as(memory, LentAccess::ReadWrite)
}

/// Lends memory with the bytes of [`pattern`].
fn lend_filled(sizes: &[usize]) -> Result<Lent<ForeignMemory>> {
    let mut memory = ForeignMemory::locked(sizes);
    memory.fill(&pattern(memory.size()));
    lend(memory)
}

fn owner(lent: Lent<ForeignMemory>) -> ForeignMemory {
    lent.into_owner().expect("the system has not kept it")
}

fn first<T, B>((error, _): (Error, Lent<B>)) -> Result<T> {
    Err(error)
}

#[test]
fn lent_memory_is_sent_and_filled() {
    with_all_timings(async |wsk| {
        let (client, server) = sockets(&wsk).await?;
        let sent = async {
            let (sent, lent) = client.send_all(lend_filled(PIECES)?).await.into_result()?;
            assert_eq!((sent, owner(lent).bytes() == pattern(SIZE)), (SIZE, true));
            // In parts, each of which is a range of the memory.
            let mut lent = lend_filled(PIECES)?;
            while !lent.is_empty() {
                let (sent, part) = client.send(lent).await.into_result()?;
                lent = part.slice(sent..)?;
            }
            assert_eq!(lent.whole().len(), SIZE);
            client.shutdown_with(lend_filled(&[2, 3])?).await.into_result()
        };
        let received = async {
            let room = lend(ForeignMemory::locked(&[1, SIZE - 2, 1]))?;
            let ((), lent) = server.receive_exact(room).await.into_result()?;
            assert!(owner(lent).bytes() == pattern(SIZE));
            let mut room = lend(ForeignMemory::new(&[4, SIZE]))?.slice(2..SIZE + 2)?;
            while !room.is_empty() {
                let (received, part) = server.receive(room).await.into_result()?;
                assert!(received > 0);
                room = part.slice(received..)?;
            }
            let bytes = owner(room).bytes();
            assert!(bytes[2..SIZE + 2] == pattern(SIZE));
            assert_eq!((bytes[1], bytes[SIZE + 2]), (UNTOUCHED, UNTOUCHED));
            let last = lend(ForeignMemory::new(&[3, 3]))?;
            let (received, last) = server.receive_full(last).await.into_result()?;
            assert_eq!((received, &owner(last).bytes()[..5]), (5, &pattern(5)[..]));
            Ok::<_, Error>(())
        };
        let (sent, received) = join(sent, received).await;
        sent?;
        received
    });
}

/// A header, memory that does not begin at its first MDL, and a trailer.
fn message(lent: Lent<ForeignMemory>) -> Result<Chain> {
    let mut message = Chain::from(Buffer::try_from(b"head")?);
    message.push_back_lent(lent).or_else(first)?;
    message.push_back(Buffer::try_from(b"end")?).expect("it has bytes");
    Ok(message)
}

#[test]
fn lent_memory_is_a_part_of_a_chain() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let part = || lend_filled(PIECES)?.slice(3..SIZE - 10);
        let sent = async {
            let (sent, mut sent_back) = client.send_all(message(part()?)?).await.into_result()?;
            assert_eq!(sent, 4 + SIZE - 13 + 3);
            assert_eq!(&sent_back.pop_front().expect("the header")[..], b"head");
            let lent = sent_back.pop_front_lent::<ForeignMemory>().expect("the payload");
            assert!(owner(lent).bytes() == pattern(SIZE));
            assert_eq!(&sent_back.pop_front().expect("the trailer")[..], b"end");
            // The memory is the last part, or the first, or both.
            let mut message = Chain::from(Buffer::try_from(b"a")?);
            message.push_back_lent(lend_filled(&[3, 2])?).or_else(first)?;
            client.send_all(message).await.into_result()?;
            let mut message = Chain::from_lent(lend_filled(&[3, 2])?).or_else(first)?;
            client
                .send_all(Chain::from_lent(lend_filled(&[1])?).or_else(first)?)
                .await
                .into_result()?;
            message.push_back(Buffer::try_from(b"z")?).expect("it has bytes");
            client.send_all(message).await.into_result()?;
            client.shutdown().await
        };
        let received = async {
            let mut room = Chain::from(Buffer::new(4)?);
            room.push_back_lent(lend(ForeignMemory::locked(&[9, SIZE]))?.slice(9..)?)
                .or_else(first)?;
            let (received, mut filled) = server.recv_full(room).await.into_result()?;
            assert_eq!(
                (received, &filled.pop_front().expect("the header")[..]),
                (4 + SIZE, &b"head"[..])
            );
            let lent = filled.pop_front_lent::<ForeignMemory>().expect("the payload");
            let bytes = owner(lent).bytes();
            assert!(bytes[..9] == [UNTOUCHED; 9]);
            assert!(bytes[9..][..SIZE - 13] == pattern(SIZE)[3..SIZE - 10]);
            let rest = [&bytes[9 + SIZE - 13..], &receive_all(&server).await?].concat();
            let expected = [&b"enda"[..], &pattern(5), &pattern(1), &pattern(5), b"z"].concat();
            assert_eq!(rest, expected);
            Ok::<_, Error>(())
        };
        let (sent, received) = join(sent, received).await;
        sent?;
        received
    });
}

#[test]
fn lent_memory_is_sent_and_filled_as_a_datagram() {
    with_all_timings(async |wsk| {
        let receiver = UdpSocket::bind(&wsk, LOCAL).await?;
        let to = receiver.local_addr().await?;
        let sender = UdpSocket::bind(&wsk, LOCAL).await?;
        let (sent, _) = sender.send_to(lend_filled(&[4, 30])?, to).await.into_result()?;
        assert_eq!(sent, 34);
        let room = lend(ForeignMemory::locked(&[1, 40]))?;
        let ((received, _), lent) = receiver.recv_from(room).await.into_result()?;
        assert_eq!((received, &owner(lent).bytes()[..34]), (34, &pattern(34)[..]));
        sender.send_to(message(lend_filled(&[2])?)?, to).await.into_result()?;
        let ((received, _), buffer) = receiver.recv_from(Buffer::new(20)?).await.into_result()?;
        assert_eq!(&buffer[..received], [&b"head"[..], &pattern(2), b"end"].concat());
        Ok(())
    });
}

#[test]
fn lent_memory_is_the_first_data_of_a_connection() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, LOCAL).await?;
        let to = listener.local_addr().await?;
        let socket = ConnectionSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
        let connects = socket.connect_with_data(to, lend_filled(&[3, 2])?);
        let (connected, accepted) = join(connects, listener.accept()).await;
        let (client, lent) = connected.into_result()?;
        assert_eq!(owner(lent).bytes(), pattern(5));
        let ((), received) = accepted?.0.recv_exact(Buffer::new(5)?).await.into_result()?;
        assert_eq!(&received[..], pattern(5));
        drop(client);
        Ok(())
    });
}

/// Each kind of receive returns the memory with the error, and writes nothing.
#[test]
fn memory_that_is_only_read_is_not_received_into() {
    with_whole_receives(async |wsk| {
        fn refused<T, B: IoBuf>(BufResult(result, buffer): BufResult<T, B>) -> B {
            assert_eq!(result.err().map(Error::kind), Some(ErrorKind::PermissionDenied));
            buffer
        }
        let (client, server) = streams(&wsk).await?;
        client.send_all(Buffer::try_from(b"hello")?).await.into_result()?;
        let lent = lend_as(ForeignMemory::new(&[2, 3]), LentAccess::ReadOnly)?;
        let lent = refused(server.recv(lent).await);
        let lent = refused(server.recv_exact(lent).await);
        let lent = refused(server.recv_full(lent).await);
        let chain = message(lent)?;
        let chain = refused(server.recv(chain).await);
        let mut chain = refused(server.recv_exact(chain).await);
        chain.pop_front();
        let lent = chain.pop_front_lent().expect("the payload");

        let socket = UdpSocket::bind(&wsk, LOCAL).await?;
        let lent = refused(socket.recv_from(lent).await);

        // Also where it would get the data of a receive that was dropped.
        let dropped = server.recv(Buffer::new(1)?);
        assert!(poll_times(dropped, 1).await.is_none_or(|result| result.0.is_ok()));
        let lent = refused(server.recv(lent).await);
        let lent = refused(server.recv_exact(lent).await);
        assert_eq!(owner(lent).bytes(), [UNTOUCHED; 5]);
        Ok(())
    });
}

/// The owner is dropped when the request has returned the memory, whatever became of the future. The host stops a driver that
/// frees the MDLs of a request in flight.
#[test]
fn a_dropped_request_returns_the_memory_to_its_owner() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let mut all = Vec::new();
        on_host(&host, async |wsk| {
            let mut memory = || {
                let memory = ForeignMemory::locked(&[100, 60_000]);
                all.push(memory.drops());
                lend(memory)
            };
            let (client, server) = streams(&wsk).await?;
            drop(poll_times(server.recv(memory()?), 1).await);
            drop(poll_times(server.recv_exact(memory()?), 1).await);
            drop(poll_times(server.recv_full(message(memory()?)?), 1).await);
            drop(poll_times(client.send_all(memory()?), 1).await);
            drop(poll_times(client.send_all(message(memory()?)?), 1).await);
            drop(poll_times(client.shutdown_with(memory()?), 1).await);
            let socket = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
            drop(poll_times(socket.recv_from(memory()?), 1).await);
            drop(poll_times(socket.recv_from(message(memory()?)?), 1).await);
            drop(memory()?);
            drop(message(memory()?)?);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        let drops: Vec<_> = all.iter().map(|drops| drops.load(Ordering::SeqCst)).collect();
        assert_eq!((drops.len(), &drops[..]), (10, &[1; 10][..]), "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// Requests that have memory are in flight while their sockets are closed: one whose future is dropped with its socket, and one
/// whose future was forgotten.
#[test]
fn a_close_returns_the_memory_of_requests_in_flight() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let drops = on_host(&host, async |wsk| {
            let memory = [(); 2].map(|()| ForeignMemory::locked(&[50, 50]));
            let drops = memory.each_ref().map(ForeignMemory::drops);
            let [first, second] = memory;
            let (_client, server) = streams(&wsk).await?;
            let mut receive = Box::pin(async move { server.recv(lend(first)?).await.0 });
            let mut context = Context::from_waker(Waker::noop());
            assert!(receive.as_mut().poll(&mut context).is_pending());
            assert_eq!(drops[0].load(Ordering::SeqCst), 0);
            drop(receive);

            let (_client, server) = streams(&wsk).await?;
            poll_and_forget(server.recv(lend(second)?));
            assert_eq!(drops[1].load(Ordering::SeqCst), 0);
            drop(server);
            Ok(drops)
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(drops.map(|drops| drops.load(Ordering::SeqCst)), [1, 1], "{timing:?}");
    }
}

/// What a dropped receive has got is copied out of the memory, also into other lent memory. If it cannot be mapped, the next
/// receive says so, and no byte is lost.
#[test]
fn a_dropped_receive_loses_no_byte_of_lent_memory() {
    // With other timings, the receive may be cancelled before it has got data.
    /// Memory that needs no allocation any more: from here on, they fail.
    fn lend_in(host: &Host) -> Result<Lent<ForeignMemory>> {
        let lent = lend(ForeignMemory::locked(&[8]))?;
        host.fail_allocations_from(1);
        Ok(lent)
    }
    let host = Host::new(Config::default().timing(Timing::Inline).partial_receives(false));
    let run = async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let memory = ForeignMemory::locked(&[2, 30]);
        let drops = memory.drops();
        {
            let mut receive = pin!(server.recv(lend(memory)?));
            let mut context = Context::from_waker(Waker::noop());
            assert!(receive.as_mut().poll(&mut context).is_pending());
            client.send_all(Buffer::try_from(&pattern(20)[..])?).await.into_result()?;
        }
        assert_eq!(drops.load(Ordering::SeqCst), 0, "its data was not taken yet");
        for _ in 0..2 {
            let BufResult(result, buffer) = server.recv(lend_in(&host)?).await;
            host.fail_allocation(NEVER);
            assert_eq!(result.err().map(Error::kind), Some(ErrorKind::OutOfMemory));
            drop(buffer);
        }
        let room = lend(ForeignMemory::locked(&[1, 2, 3]))?;
        let (received, lent) = server.recv(room).await.into_result()?;
        assert_eq!((received, owner(lent).bytes()), (6, pattern(6)));
        let ((), rest) = server.recv_exact(Buffer::new(14)?).await.into_result()?;
        assert_eq!((&rest[..], drops.load(Ordering::SeqCst)), (&pattern(20)[6..], 1));
        Ok(())
    };
    on_host(&host, run).unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}

/// An owner that itself has lent memory, a chain and sockets with requests in flight, dropped by a completion routine.
#[test]
fn owners_have_owners() {
    struct Nested {
        _memory: ForeignMemory,
        _lent: Lent<PoolBox<[u8; 9]>>,
        _chain: Chain,
        _stream: TcpStream,
    }
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let (other, _peer) = streams(&wsk).await?;
        let memory = ForeignMemory::locked(&[100]);
        let (mdl, drops) = (memory.mdl(), memory.drops());
        let pool = || Lent::from_pool(PoolBox::new([0; 9])?).map_err(|(error, _)| error);
        let nested = Nested {
            _memory: memory,
            _lent: pool()?,
            _chain: message(lend(ForeignMemory::new(&[3]))?)?,
            _stream: other,
        };
        // SAFETY: the owner keeps the MDL until it is dropped, and its bytes are not accessed meanwhile.
        let lent = unsafe { Lent::from_raw(mdl, 1, 99, LentAccess::ReadWrite, nested) };
        let lent = lent.map_err(|(error, _)| error)?;
        drop(poll_times(server.recv(lent), 1).await);
        drop(server);
        drop(client);
        while drops.load(Ordering::SeqCst) == 0 {
            time::sleep(Duration::from_millis(1)).await?;
        }
        Ok(())
    });
}

#[test]
fn warm_lent_memory_allocates_nothing() {
    for timing in timings().take(2) {
        let host = Host::new(Config::default().timing(timing).partial_receives(false));
        on_host(&host, async |wsk| {
            let (client, server) = streams(&wsk).await?;
            let mut sends = message(lend_filled(&[7, 20])?.slice(2..)?)?;
            let mut receives = lend(ForeignMemory::new(&[32]))?;
            let mut warm = 0;
            for round in 0..10 {
                if round == 3 {
                    warm = host.allocations();
                }
                sends = client.send_all(sends).await.into_result()?.1;
                receives = server.recv_exact(receives).await.into_result()?.1;
            }
            assert_eq!(host.allocations(), warm);
            assert_eq!(owner(receives).bytes(), [b"head", &pattern(27)[2..], b"end"].concat());
            let calls = |name| host.trace().iter().filter(|line| line.contains(name)).count();
            assert_eq!((calls("WskSend"), calls("WskReceive")), (10, 10));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// The MDLs of some memory, with the addresses and the sizes of what they describe.
fn described(memory: &ForeignMemory) -> Vec<(usize, usize, usize)> {
    let mut all = Vec::new();
    let mut next = memory.mdl();
    // SAFETY: the MDLs are the memory's, which is borrowed.
    while let Some(mdl) = unsafe { next.as_ref() } {
        let address = mdl.StartVa.addr() + mdl.ByteOffset as usize;
        all.push((next.addr(), address, mdl.ByteCount as usize));
        next = mdl.Next;
    }
    all
}

/// WSK is given the MDLs that are lent, and in a chain with others, partial MDLs of the same bytes.
#[test]
fn lent_memory_is_not_copied() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing).partial_receives(false));
        on_host(&host, async |wsk| {
            let (client, server) = streams(&wsk).await?;
            let (sent, room) =
                (ForeignMemory::locked(&[7, 500]), ForeignMemory::locked(&[300, 207]));
            let (of_sent, of_room) = (described(&sent), described(&room));
            host.record_memory();
            let sent = client.send_all(lend(sent)?).await.into_result()?.1;
            let room = server.recv_exact(lend(room)?).await.into_result()?.1;
            let passed = host.recorded_memory();
            let of = |function| {
                let of_function = passed.iter().filter(move |passed| passed.function == function);
                of_function.map(|passed| (passed.mdl, passed.address, passed.length))
            };
            assert_eq!(of("WskSend").collect::<Vec<_>>(), of_sent);
            assert_eq!(of("WskReceive").collect::<Vec<_>>(), of_room);
            drop(room);

            let chain = client.send_all(message(sent)?).await.into_result()?.1;
            let passed = host.recorded_memory();
            let bytes = passed.iter().filter(|passed| passed.function == "WskSend");
            let bytes: Vec<_> = bytes.map(|passed| (passed.address, passed.length)).collect();
            let of_sent: Vec<_> =
                of_sent.iter().map(|(_, address, length)| (*address, *length)).collect();
            assert_eq!(bytes[1..bytes.len() - 1], of_sent, "between the header and the trailer");
            drop(chain);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn lent_memory_survives_each_failing_allocation() {
    sweep(12, async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let sector = Lent::from_pool(PoolBox::new(*b"hello")?).map_err(|(error, _)| error)?;
        let mut message = Chain::from(Buffer::try_from(b"12")?);
        message.push_back_lent(sector).or_else(first)?;
        client.send_all(message).await.into_result()?;
        let room = Lent::from_pool(PoolBox::new([0; 7])?).map_err(|(error, _)| error)?;
        let ((), room) = server.recv_exact(room).await.into_result()?;
        assert_eq!(&room.into_owner().expect("it was not kept")[..], b"12hello");
        Ok(())
    });
}

#[test]
fn requests_with_lent_memory_are_ordered_like_others() {
    let host = Host::new(Config::default().timing(Timing::Mixed(7)));
    on_host(&host, async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let sends =
            (client.send_all(lend_filled(&[5])?), client.send_all(Buffer::try_from(b"and")?));
        let (first, second) = join(sends.0, sends.1).await;
        first.into_result()?;
        second.into_result()?;
        let ((), received) = server.recv_exact(Buffer::new(8)?).await.into_result()?;
        assert_eq!(&received[..], [&pattern(5)[..], b"and"].concat());
        Ok(())
    })
    .unwrap();
}
