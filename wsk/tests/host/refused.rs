//! Systems that lack a function, as Wine does: its call returns an error, and never completes the request.

use test_support::connection::{buffer, sockets, streams};
use test_support::scenario::{on, on_host, timings};
use wsk::flags::NameInfoFlags;
use wsk::options;
use wsk::socket::{BasicSocket, ConnectionSocket, Family};
use wsk::{ErrorKind, Provider, Result, TcpListener};
use wsk_host::{Config, Host};

const MANY: usize = if cfg!(miri) { 20 } else { 500 };

/// Makes a call that the system refuses many times: only the first keeps memory, and only it allocates.
async fn keeps_memory_once(host: &Host, call: impl AsyncFn() -> Result<()>) {
    let error = call().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let (allocations, outstanding) = (host.allocations(), host.outstanding_allocations());
    for _ in 0..MANY {
        let error = call().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    assert_eq!(host.allocations(), allocations, "a call that was refused before allocates");
    assert_eq!(host.outstanding_allocations(), outstanding);
}

fn few(config: Config, scenario: &impl AsyncFn(&Host, Provider) -> Result<()>) {
    for timing in timings().take(4) {
        let host = Host::new(Config { timing, ..config });
        let run = async |wsk| scenario(&host, wsk).await;
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}: not all memory was freed");
    }
}

#[test]
fn refused_name_lookups_keep_memory_once() {
    few(Config { refuse_name_info: true, ..Config::default() }, &async |host, wsk| {
        let address = ([127, 0, 0, 1], 80);
        let name_of = async || wsk.name_of(address, NameInfoFlags::empty()).await.map(drop);
        keeps_memory_once(host, name_of).await;
        Ok(())
    });
}

#[test]
fn refused_disconnects_keep_memory_once() {
    few(Config { refuse_disconnect: true, ..Config::default() }, &async |host, wsk| {
        let (client, server) = streams(&wsk).await?;
        keeps_memory_once(host, async || client.shutdown().await).await;
        // It is remembered of the provider.
        let allocations = host.allocations();
        assert_eq!(server.abort().await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(host.allocations(), allocations);
        let (result, last) = {
            let result = server.shutdown_with(buffer(b"last")?).await;
            (result.0, result.1)
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(&last[..], b"last", "the buffer of a call that is not made comes back");
        Ok(())
    });
}

#[test]
fn a_refused_last_send_is_remembered() {
    few(Config { refuse_disconnect: true, ..Config::default() }, &async |host, wsk| {
        let (client, _server) = streams(&wsk).await?;
        assert!(client.shutdown_with(buffer(b"last")?).await.0.is_err());
        let allocations = host.allocations();
        assert_eq!(client.shutdown().await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(host.allocations(), allocations);
        Ok(())
    });
}

#[test]
fn refused_controls_keep_memory_once() {
    few(Config { refuse_control: true, ..Config::default() }, &async |host, wsk| {
        let (client, server) = sockets(&wsk).await?;
        keeps_memory_once(host, async || client.set(options::KEEP_ALIVE, true).await).await;
        keeps_memory_once(host, async || client.ideal_send_backlog().await.map(drop)).await;
        keeps_memory_once(host, async || server.local_addresses_changed().await).await;
        keeps_memory_once(host, async || wsk.transports_changed().await).await;
        // Futures that are never polled have made their calls, too.
        let allocations = host.allocations();
        for _ in 0..MANY {
            drop(client.local_addresses_changed());
            drop(wsk.transports_changed());
        }
        assert_eq!(host.allocations(), allocations);
        Ok(())
    });
}

#[test]
fn the_first_refused_call_may_be_one_whose_future_is_dropped() {
    few(Config { refuse_control: true, ..Config::default() }, &async |host, wsk| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        drop(socket.local_addresses_changed());
        let allocations = host.allocations();
        let error = socket.set(options::ip::TTL, 5).await.unwrap_err();
        assert_eq!((error.kind(), host.allocations()), (ErrorKind::Unsupported, allocations));
        Ok(())
    });
}

#[test]
fn refused_addresses_keep_memory_once() {
    let config = Config { refuse_addresses: true, ..Config::default() };
    few(config, &async |host, wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 4711)).await?;
        keeps_memory_once(host, async || listener.local_addr().await.map(drop)).await;
        let to = ([127, 0, 0, 1], 4711);
        let client = ConnectionSocket::builder(&wsk, Family::INET).connect(to).await?;
        keeps_memory_once(host, async || client.peer_addr().await.map(drop)).await;
        Ok(())
    });
}

#[test]
fn refused_new_connections_keep_memory_once() {
    few(Config { refuse_socket_connect: true, ..Config::default() }, &async |host, wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let (any, to) = (([127, 0, 0, 1], 0), listener.local_addr().await?);
        let connect = async || ConnectionSocket::connect_new(&wsk, any, to, ()).await.map(drop);
        keeps_memory_once(host, connect).await;
        Ok(())
    });
}

/// One witness says that Windows does not support `TCP_NODELAY`. A flag of each send has the same effect.
#[test]
fn a_stream_sends_at_once_where_the_option_is_missing() {
    for refusal in [
        Config { refuse_nodelay: true, ..Config::default() },
        Config { refuse_nodelay: true, refuse_control: true, ..Config::default() },
    ] {
        few(refusal, &async |host, wsk| {
            let (client, server) = streams(&wsk).await?;
            let flagged =
                || host.trace().iter().filter(|line| line.contains("WSK_FLAG_NODELAY")).count();
            assert!(!client.nodelay().await?);
            client.send_all(buffer(b"waits")?).await.into_result()?;
            assert_eq!(flagged(), 0);
            client.set_nodelay(true).await?;
            assert!(client.nodelay().await? && !server.nodelay().await?);
            client.send(buffer(b"at once")?).await.into_result()?;
            client.send_all(buffer(b"at once")?).await.into_result()?;
            assert_eq!(flagged(), 2);
            server.send(buffer(b"waits")?).await.into_result()?;
            assert_eq!(flagged(), 2);
            // Both halves are of one connection.
            let (reader, writer) = client.into_split();
            writer.send(buffer(b"at once")?).await.into_result()?;
            assert_eq!(flagged(), 3);
            let client =
                reader.reunite(writer).map_err(|_| wsk::Error::from_status(-1)).expect("a pair");
            client.set_nodelay(false).await?;
            assert!(!client.nodelay().await?);
            client.send(buffer(b"waits")?).await.into_result()?;
            assert_eq!(flagged(), 3);
            Ok(())
        });
    }
}

#[test]
fn a_stream_sets_the_option_where_there_is_one() {
    let run = async |wsk: Provider| {
        let (client, _server) = streams(&wsk).await?;
        client.set_nodelay(true).await?;
        assert!(client.as_socket().get(options::tcp::NODELAY).await?);
        client.set_nodelay(false).await?;
        assert!(!client.as_socket().get(options::tcp::NODELAY).await?);
        Ok(())
    };
    on(Config::default(), run).unwrap();
}
