//! Memory: requests allocate nothing once a socket is warm, and failing allocations are errors.

use test_support::connection::{buffer, streams};
use test_support::futures::join;
use test_support::scenario::{last_under_miri, on_host};
use wsk::{Buffer, ErrorKind, Provider, TcpListener, TcpStream};
use wsk_host::{Config, Host, Timing, Windows};

use crate::sweep::conversation;

/// The requests of a warm connection allocate nothing.
#[test]
fn a_warm_connection_allocates_nothing() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1)]) {
        let config = Config::default().timing(timing).partial_receives(false);
        let host = Host::new(config);
        let counted = host.clone();
        let run = async move |wsk: Provider| {
            let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
            let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
            let (server, _) = listener.accept().await?;
            let mut to_send = buffer(b"ping")?;
            let mut to_fill = Buffer::new(4)?;
            let mut before = 0;
            for round in 0..20 {
                if round == 1 {
                    before = counted.allocations();
                }
                let (sent, received) = join(client.send_all(to_send), server.recv(to_fill)).await;
                (_, to_send) = sent.into_result()?;
                (_, to_fill) = received.into_result()?;
                assert_eq!(&to_fill[..], b"ping");
                client.local_addr().await?;
                server.peer_addr().await?;
            }
            Ok(counted.allocations() - before)
        };
        assert_eq!(on_host(&host, run).unwrap(), 0, "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// On systems with `ExAllocatePool2`, and on those that have only its predecessor.
#[test]
fn every_windows_has_a_function_that_allocates() {
    for windows in [Windows::TEN_1803, Windows::TEN_2004, Windows::ELEVEN] {
        let host = Host::new(Config::default().windows(windows));
        on_host(&host, conversation).unwrap();
        assert_eq!(host.outstanding_allocations(), 0, "{windows:?}");
    }
}

/// A driver that names no tag of its own has this crate's.
#[test]
fn allocations_have_the_crates_tag_by_default() {
    let host = Host::new(Config::default());
    let counted = host.clone();
    let run = async move |wsk: Provider| {
        let _pair = streams(&wsk).await?;
        Ok(counted.outstanding_by_tag())
    };
    let tags = on_host(&host, run).unwrap();
    assert_eq!(tags.into_keys().collect::<Vec<_>>(), [*b"WskR"]);
}

/// A request that could not be made gives its buffer back, too, and the next one is made.
#[test]
fn a_buffer_comes_back_if_its_request_cannot_allocate() {
    let host = Host::new(Config::default());
    let failing = host.clone();
    let run = async move |wsk: Provider| {
        // An accepted socket has made no request yet.
        let (_client, server) = streams(&wsk).await?;
        let kept = buffer(b"kept")?;
        failing.fail_allocation(1);
        let result = server.send(kept).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::OutOfMemory);
        let (sent, kept) = server.send(result.1).await.into_result()?;
        assert_eq!((sent, &kept[..]), (4, &b"kept"[..]));
        Ok(())
    };
    on_host(&host, run).unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}
