//! IRPs and their completion.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use test_support::connection::{buffer, receive_all, streams};
use test_support::futures::join;
use test_support::scenario::{on, on_host, passive, with_all_timings};
use wsk::sys::{
    IO_STACK_LOCATION, IRP, IoSizeOfIrp, MDL, MDL_SOURCE_IS_NONPAGED_POOL, PAGE_SIZE, size_of_mdl,
};
use wsk::{Buffer, ErrorKind, Provider, Result, TcpListener, TcpStream, rt};
use wsk_host::{Config, Host, Timing};

/// The completion routine runs before the call returns, and it runs when the call fails: the result is the
/// same, and the request is there for the next call.
#[test]
fn pitfall_01_a_completion_before_the_call_returns() {
    on(Config::default().timing(Timing::Inline), async |wsk| {
        for _ in 0..3 {
            let refused = TcpStream::connect(&wsk, ([127, 0, 0, 1], 9)).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        }
        let (client, server) = streams(&wsk).await?;
        client.shutdown().await?;
        // After a shutdown every send fails, in the call itself.
        for _ in 0..3 {
            assert!(client.send(buffer(b"too late")?).await.into_result().is_err());
        }
        assert_eq!(receive_all(&server).await?, b"");
        Ok(())
    })
    .unwrap();
}

/// A wake left over from a completion inside a call does not end the next wait.
#[test]
fn pitfall_02_an_event_that_is_left_over() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        for _ in 0..3 {
            // Wakes its own task, and completes without a wait: the executor's event is set.
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                std::task::Poll::Ready(())
            })
            .await;
            let (received, sent) =
                join(server.recv(Buffer::new(1)?), client.send_all(buffer(b"x")?)).await;
            sent.into_result()?;
            let (count, byte) = received.into_result()?;
            assert_eq!((count, &byte[..]), (1, &b"x"[..]));
        }
        Ok(())
    });
}

/// The same across two runs of the executor.
#[test]
fn pitfall_02_each_wake_causes_one_poll() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    for round in 0..3 {
        let woken = rt::block_on(passive(), async move {
            let mut polls = 0;
            std::future::poll_fn(|context| {
                polls += 1;
                context.waker().wake_by_ref();
                if polls > round { std::task::Poll::Ready(polls) } else { std::task::Poll::Pending }
            })
            .await
        });
        assert_eq!(woken.unwrap(), round + 1);
    }
}

/// A buffer whose future was dropped stays until its request has completed.
#[test]
fn pitfall_03_a_buffer_outlives_its_future() {
    let host = Host::new(Config::default().timing(Timing::Deferred));
    let counted = host.clone();
    on_host(&host, async move |wsk: Provider| {
        let (_client, server) = streams(&wsk).await?;
        // Memory left by the creation is freed first.
        counted.settle();
        let before = counted.outstanding_allocations();
        let mut receive = Box::pin(server.recv(Buffer::new(PAGE_SIZE)?));
        let mut context = Context::from_waker(Waker::noop());
        assert!(receive.as_mut().poll(&mut context).is_pending());
        assert_eq!(counted.outstanding_allocations(), before + 2, "a request and its buffer");
        drop(receive);
        // The cancellation is requested. The socket owns the memory: the next receive takes what the request may have
        // brought. The host would have stopped if it had been freed in flight.
        counted.settle();
        assert_eq!(
            counted.outstanding_allocations(),
            before + 2,
            "the kept request and its buffer"
        );
        drop(server);
        counted.settle();
        assert!(counted.outstanding_allocations() < before, "they end with their socket");
        Ok(())
    })
    .unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}

/// A second poll is no completion: only the request's own state is.
#[test]
fn pitfall_04_a_second_poll_reads_no_result() {
    on(Config::default().timing(Timing::Deferred).partial_receives(false), async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut receive = pin!(server.recv(Buffer::new(5)?));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            assert!(receive.as_mut().poll(&mut context).is_pending());
        }
        client.send_all(buffer(b"hello")?).await.into_result()?;
        let (count, bytes) = receive.await.into_result()?;
        assert_eq!((count, &bytes[..]), (5, &b"hello"[..]));
        Ok(())
    })
    .unwrap();
}

/// The socket is dropped before its requests have completed, which still use its memory.
#[test]
fn pitfall_05_a_completion_after_its_socket() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut context = Context::from_waker(Waker::noop());
        let mut receives = [client, server].map(|stream| {
            Box::pin(async move { stream.recv(Buffer::new(10)?).await.into_result() })
        });
        for receive in &mut receives {
            assert!(receive.as_mut().poll(&mut context).is_pending());
        }
        // Each future owns its socket, and both go at once, from within.
        drop(receives);
        Ok(())
    });
}

/// An IRP and an MDL are as large as the kernel says, for sizes on both sides of a page.
#[test]
fn pitfall_06_sizes_of_irps_and_mdls() {
    assert_eq!(usize::from(IoSizeOfIrp(1)), size_of::<IRP>() + size_of::<IO_STACK_LOCATION>());
    for (size, pages) in [(1, 1), (PAGE_SIZE, 1), (PAGE_SIZE + 1, 2), (3 * PAGE_SIZE, 3)] {
        // A buffer may begin anywhere in a page, and so touch one more.
        assert!(size_of_mdl(size) >= size_of::<MDL>() + pages * size_of::<usize>());
    }
    on(Config::default(), async |wsk| {
        let (client, server) = streams(&wsk).await?;
        for size in [1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 16 * PAGE_SIZE + 1] {
            let mut bytes = Buffer::new(size)?;
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = at.to_le_bytes()[0];
            }
            let (sent, received) =
                join(client.send_all(bytes), receive_exactly(&server, size)).await;
            let (_, bytes) = sent.into_result()?;
            assert_eq!(received?, bytes[..]);
        }
        Ok(())
    })
    .unwrap();
}

async fn receive_exactly(stream: &TcpStream, size: usize) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = Buffer::new(size)?;
    while all.len() < size {
        let (count, filled) = stream.recv(buffer).await.into_result()?;
        assert_ne!(count, 0);
        all.extend_from_slice(&filled[..count]);
        buffer = filled;
    }
    Ok(all)
}

/// A close with requests in flight ends them all, each once, and only then frees what they share.
#[test]
fn pitfall_07_a_close_with_requests_in_flight() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
        let (server, _) = listener.accept().await?;
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut receives: Vec<_> = (0..6)
                .map(|_| Ok(Box::pin(server.recv(Buffer::new(1)?))))
                .collect::<Result<_>>()?;
            for receive in &mut receives {
                assert!(receive.as_mut().poll(&mut context).is_pending());
            }
            // More requests than a socket keeps: the rest was allocated, and is freed.
        }
        server.close().await;
        client.close().await;
        listener.close().await;
        Ok(())
    });
}

/// Buffers are nonpaged pool from the beginning: nothing is locked for a request, neither by this crate nor
/// by a provider.
#[test]
fn pitfall_08_no_pages_are_locked() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk: Provider| {
        let (client, server) = streams(&wsk).await?;
        client.send_all(buffer(b"hello")?).await.into_result()?;
        client.shutdown().await?;
        assert_eq!(receive_all(&server).await?, b"hello");
        Ok(())
    })
    .unwrap();
    // What a buffer is described by says so: a provider that sees the flag has nothing to lock.
    const { assert!(MDL_SOURCE_IS_NONPAGED_POOL != 0) };
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for file in crate::files(sources.as_ref()) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("MmProbeAndLockPages("), "{}", file.display());
    }
}
