//! Graceful ends: both sides finish, or a timeout expires.

use std::time::Duration;

use test_support::connection::{buffer, receive_all, streams};
use test_support::futures::join;
use test_support::scenario::{on, timings, with_all_timings};
use wsk::net::BufferedStream;
use wsk::{Buffer, ErrorKind, Provider};
use wsk_host::Config;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_second_shutdown_is_no_error() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.shutdown().await?;
        client.shutdown().await?;
        let mut client = client.buffered();
        client.shutdown().await?;
        client.shutdown().await?;
        assert!(receive_all(&server).await?.is_empty());
        // The other side can still send.
        server.send_all(buffer(b"more")?).await.into_result()?;
        server.shutdown_with(buffer(b" yet")?).await.into_result()?;
        server.shutdown().await?;
        let mut bytes = [0; 8];
        client.read_exact(&mut bytes).await?;
        assert_eq!(&bytes, b"more yet");
        Ok(())
    });
}

#[test]
fn streams_that_finish_lose_nothing() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.send_all(buffer(b"all of it")?).await.into_result()?;
        let serve = async {
            assert_eq!(receive_all(&server).await?, b"all of it");
            server.finish(HOUR).await
        };
        let (finished, served) = join(client.finish(HOUR), serve).await;
        finished.and(served)
    });
}

#[test]
fn a_buffered_stream_that_finishes_flushes() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut client = client.buffered();
        client.write_all(b"not flushed").await?;
        let serve = async {
            assert_eq!(receive_all(&server).await?, b"not flushed");
            server.finish(HOUR).await
        };
        let (finished, served) = join(client.finish(HOUR), serve).await;
        finished.and(served)
    });
}

/// The peer's last data is discarded, and does not reset the connection.
#[test]
fn a_stream_that_finishes_discards_what_the_peer_still_sends() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        server.send_all(Buffer::new(1000)?).await.into_result()?;
        let serve = async {
            assert!(receive_all(&server).await?.is_empty());
            server.send_all(Buffer::new(1000)?).await.into_result()?;
            server.finish(HOUR).await
        };
        let (finished, served) = join(client.finish(HOUR), serve).await;
        finished.and(served)
    });
}

#[test]
fn a_silent_peer_is_aborted_in_time() {
    for timing in timings() {
        let run = async |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            let error = client.finish(Duration::from_secs(5)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            // The end has arrived before the reset, or not.
            let error = server.send_all(Buffer::new(10)?).await.0.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            Ok(())
        };
        let config = Config { timing, ..Config::default() };
        on(config, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn a_system_without_disconnect_closes() {
    let config = Config { refuse_disconnect: true, ..Config::default() };
    let run = async |wsk: Provider| {
        let (client, _server) = streams(&wsk).await?;
        client.finish(HOUR).await
    };
    on(config, run).unwrap();
}

#[test]
fn lines_are_read_whatever_the_buffers_hold() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let send = async {
            client.send_all(buffer(b"one\r\n\ntwo two\nlast")?).await.into_result()?;
            client.shutdown().await
        };
        // A buffer that is shorter than a line.
        let mut server = BufferedStream::with_capacity(server, 3, 1);
        let receive = async {
            let mut room = [0; 10];
            for line in ["one\r\n", "\n", "two two\n", "last", "", ""] {
                assert_eq!(server.read_line(&mut room).await?, line);
            }
            Ok::<_, wsk::Error>(())
        };
        let (sent, received) = join(send, receive).await;
        sent.and(received)
    });
}

#[test]
fn a_line_that_does_not_fit_or_is_no_text_is_an_error() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.send_all(buffer(b"too long\nexact\n\xFF\xFE\na;b;")?).await.into_result()?;
        client.shutdown().await?;
        let mut server = server.buffered();
        let mut room = [0; 6];
        let error = server.read_line(&mut room).await.unwrap_err();
        assert_eq!((error.kind(), &room), (ErrorKind::InvalidSize, b"too lo"));
        // The rest is still unread.
        assert_eq!(server.read_line(&mut room).await?, "ng\n");
        assert_eq!(server.read_line(&mut room).await?, "exact\n");
        let error = server.read_line(&mut room).await.unwrap_err();
        assert_eq!(error.name(), Some("STATUS_DATA_NOT_ACCEPTED"));
        assert_eq!(room[..3], *b"\xFF\xFE\n");
        for part in [&b"a;"[..], b"b;", b""] {
            let count = server.read_until(b';', &mut room).await?;
            assert_eq!(&room[..count], part);
        }
        Ok(())
    });
}
