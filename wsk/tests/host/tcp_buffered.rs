//! Streams of slices: nothing is lost, nothing is sent twice, and nothing is allocated once it is warm.

use std::time::Duration;

use test_support::connection::{buffer, receive_all, streams};
use test_support::futures::{join, poll_times};
use test_support::scenario::{last_under_miri, on, on_host, passive, timings, with_all_timings};
use wsk::net::{BufferedReader, BufferedStream, BufferedWriter};
use wsk::time::{sleep, timeout};
use wsk::{Buffer, ErrorKind, Provider, Result, Runtime, TcpStream};
use wsk_host::{Config, Faults, Host, Timing};

use crate::sweep::sweep;

const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Bytes to be sent. Miri takes long for each.
const MANY: usize = if cfg!(miri) { 200 } else { 1000 };

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 251).to_le_bytes()[0]).collect()
}

/// A connection with small buffers on both sides.
async fn buffered(wsk: &Provider) -> Result<(BufferedStream, BufferedStream)> {
    let (client, server) = streams(wsk).await?;
    Ok((BufferedStream::with_capacity(client, 7, 5), BufferedStream::with_capacity(server, 11, 3)))
}

/// Reads to the end, with slices of many sizes.
async fn read_all(reader: &mut BufferedReader) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut slice = [0; 20];
    for size in (1..=20).cycle() {
        match reader.read(&mut slice[..size]).await? {
            0 => break,
            count => all.extend_from_slice(&slice[..count]),
        }
    }
    Ok(all)
}

/// Writes with slices of many sizes, flushes now and then, and finishes.
async fn write_all(writer: &mut BufferedWriter, bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    for size in (1..=17).cycle() {
        let (slice, after) = rest.split_at(size.min(rest.len()));
        writer.write_all(slice).await?;
        match size {
            6 => writer.flush().await?,
            13 => writer.push()?,
            _ => {}
        }
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    writer.shutdown().await
}

#[test]
fn bytes_travel_both_ways_through_small_buffers() {
    with_all_timings(async |wsk| {
        let (mut client, mut server) = buffered(&wsk).await?;
        let bytes = pattern(MANY);
        let exchange = async |stream: &mut BufferedStream| {
            let (reader, writer) = stream.split();
            let (read, wrote) = join(read_all(reader), write_all(writer, &bytes)).await;
            wrote.and(read)
        };
        let (one, other) = join(exchange(&mut client), exchange(&mut server)).await;
        assert!(one? == bytes && other? == bytes, "other bytes arrived");
        client.close().await;
        Ok(())
    });
}

/// What borrows a stream can be in a task, which threads take turns with.
#[test]
fn futures_move_between_threads() {
    fn is_send<T: Send>(_: impl FnOnce(&'static mut BufferedStream, &'static mut [u8]) -> T) {}
    fn is_shared<T: Sync>() {}
    is_send(BufferedStream::read);
    is_send(|stream, slice| stream.write_all(slice));
    is_send(|stream, _| stream.flush());
    is_send(|stream, _| stream.abort());
    is_send(|stream, _| stream.peer_addr());
    is_shared::<BufferedStream>();
}

/// Dropping futures loses nothing, however often it happens.
#[test]
fn no_byte_is_lost_or_sent_twice_when_futures_are_dropped() {
    for timing in timings() {
        let run = async |wsk: Provider| {
            let (client, server) = buffered(&wsk).await?;
            let bytes = pattern(MANY / 2);
            let (_, mut writer) = client.into_split();
            let (mut reader, _) = server.into_split();
            let write = async {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    // Dropped unless it is ready at once; then all the same again.
                    match poll_times(writer.write(&rest[..rest.len().min(4)]), 1).await {
                        Some(count) => rest = &rest[count?..],
                        None => sleep(MILLISECOND).await?,
                    }
                    if rest.len() % 3 == 0 {
                        poll_times(writer.flush(), 1).await.unwrap_or(Ok(()))?;
                    }
                }
                while poll_times(writer.flush(), 1).await.transpose()?.is_none() {
                    sleep(MILLISECOND).await?;
                }
                writer.shutdown().await
            };
            let read = async {
                let (mut all, mut slice) = (Vec::new(), [0; 5]);
                loop {
                    match poll_times(reader.read(&mut slice), 1).await.transpose()? {
                        Some(0) => return Ok::<_, wsk::Error>(all),
                        Some(count) => all.extend_from_slice(&slice[..count]),
                        None => sleep(MILLISECOND).await?,
                    }
                }
            };
            let (wrote, read) = join(write, read).await;
            wrote?;
            assert!(read? == bytes, "other bytes arrived");
            Ok(())
        };
        on(Config::default().timing(timing).window(20), run)
            .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// Both directions lose no byte when each read and write has a timeout that races with the arriving data.
#[test]
fn a_time_out_of_a_buffered_stream_loses_no_byte() {
    with_all_timings(async |wsk| {
        let (mut client, mut server) = buffered(&wsk).await?;
        server.set_read_timeout(Some(MILLISECOND))?;
        let bytes = pattern(if cfg!(miri) { 10 } else { 100 });
        let write = async {
            for byte in &bytes {
                client.write_all(&[*byte]).await?;
                client.push()?;
                sleep(MILLISECOND).await?;
            }
            client.shutdown().await
        };
        let read = async {
            let (mut all, mut slice) = (Vec::new(), [0; 5]);
            loop {
                match server.read(&mut slice).await {
                    Ok(0) => return all,
                    Ok(count) => all.extend_from_slice(&slice[..count]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
                }
            }
        };
        let (wrote, read) = join(write, read).await;
        wrote?;
        assert_eq!(read, bytes);
        Ok(())
    });
}

/// A future that is forgotten is as one that is dropped: its request is the stream's.
#[test]
fn nothing_is_lost_when_futures_are_forgotten() {
    with_all_timings(async |wsk| {
        let (mut client, mut server) = buffered(&wsk).await?;
        let mut slice = [0; 5];
        for _ in 0..3 {
            let mut reading = Box::pin(server.read(&mut slice));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(std::future::Future::poll(reading.as_mut(), &mut context).is_pending());
            // Its memory, and nothing of the crate's.
            std::mem::forget(reading);
        }
        client.write_all(b"hello").await?;
        client.shutdown().await?;
        server.read_exact(&mut slice).await?;
        assert_eq!(&slice, b"hello");
        assert_eq!(server.read(&mut slice).await?, 0);
        Ok(())
    });
}

#[test]
fn unflushed_bytes_are_not_sent() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut client = client.buffered();
        client.write_all(b"one").await?;
        let quiet = timeout(HOUR, server.recv(Buffer::new(10)?)).await;
        assert_eq!(quiet.unwrap_err().kind(), ErrorKind::TimedOut);
        client.push()?;
        server.recv_exact(Buffer::new(3)?).await.into_result()?;
        // A buffer that is full is sent by itself.
        client.write_all(&vec![1; BufferedStream::CAPACITY]).await?;
        let full = Buffer::new(BufferedStream::CAPACITY)?;
        server.recv_exact(full).await.into_result()?;
        client.write_all(b"two").await?;
        client.flush().await?;
        assert_eq!(server.recv_exact(Buffer::new(3)?).await.into_result()?.1[..], *b"two");
        client.write_all(b"lost").await?;
        drop(client);
        let error = server.recv(Buffer::new(3)?).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        Ok(())
    });
}

#[test]
fn fill_buf_returns_the_unread_bytes() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut server = BufferedStream::from(server);
        assert!(!server.read_ready()?, "nothing has come");
        assert!(!server.read_ready()?, "still nothing");
        client.send_all(buffer(b"hello")?).await.into_result()?;
        client.shutdown().await?;
        let mut seen = Vec::new();
        while seen.len() < 5 {
            let part = server.fill_buf().await?;
            seen.push(part[0]);
            assert!(!part.is_empty());
            assert_eq!(server.fill_buf().await?[0], *seen.last().unwrap(), "it is still there");
            server.consume(1);
        }
        assert_eq!(seen, b"hello");
        sleep(HOUR).await?;
        // The end has come: a read does not have to wait for it.
        server.read_ready()?;
        sleep(HOUR).await?;
        assert!(server.read_ready()?);
        assert!(server.fill_buf().await?.is_empty());
        server.consume(usize::MAX);
        let error = server.read_exact(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        server.read_exact(&mut []).await?;
        assert_eq!(server.read(&mut []).await?, 0);
        Ok(())
    });
}

/// A writer whose peer does not read waits, when all of its buffers are under way.
#[test]
fn writes_wait_and_time_out() {
    for timing in timings() {
        let run = async |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            let (_reader, writer) = client.into_split();
            let mut client = BufferedWriter::new(writer, 10);
            client.set_write_timeout(Some(HOUR))?;
            let mut taken = 0;
            while client.write_ready()? {
                taken += client.write(&pattern(100)[taken..]).await?;
            }
            // The first is sent partly, into the window; the others wait behind it.
            let most = 10 * BufferedWriter::SENDS + 10;
            assert!((10 * BufferedWriter::SENDS..=most).contains(&taken), "{taken}");
            let error = client.write(b"no room").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_eq!(client.flush().await.unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!(client.shutdown().await.unwrap_err().kind(), ErrorKind::TimedOut);
            // Nothing was taken, and nothing is lost.
            let read = async {
                let (count, bytes) = server.recv_full(Buffer::new(200)?).await.into_result()?;
                Ok::<_, wsk::Error>(bytes[..count].to_vec())
            };
            let (wrote, read) = join(client.shutdown(), read).await;
            wrote?;
            assert_eq!(read?, pattern(100)[..taken]);
            Ok(())
        };
        on(Config::default().timing(timing).window(3), run)
            .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// Bytes after a failed send are not sent, and every further write returns the error.
#[test]
fn a_background_error_is_reported_and_stays() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut client = BufferedStream::with_capacity(client, 10, 10);
        client.write_all(b"unread").await?;
        client.flush().await?;
        drop(server);
        sleep(HOUR).await?;
        // It fails in the background, if not at once.
        let first = async {
            loop {
                client.write_all(b"more").await?;
                client.flush().await?;
            }
        };
        let error: wsk::Error = Result::<()>::unwrap_err(first.await);
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(client.write(b"more").await.unwrap_err(), error);
        assert_eq!(client.write_ready().unwrap_err(), error);
        assert_eq!(client.push().unwrap_err(), error);
        assert_eq!(client.flush().await.unwrap_err(), error);
        assert_eq!(client.shutdown().await.unwrap_err(), error);
        assert_eq!(client.write(b"").await?, 0);
        Ok(())
    });
}

/// Whatever fails: what arrives is a beginning of what was written, without a gap.
#[test]
fn received_bytes_have_no_gaps() {
    let mut failures = 0;
    for timing in timings() {
        for faults in [
            Faults { reset: 20, ..Faults::default() },
            Faults { forced_close: 5, ..Faults::default() },
        ] {
            let bytes = pattern(MANY / 2);
            let host = Host::new(Config::default().timing(timing).faults(faults).window(50));
            let result = on_host(&host, async |wsk| {
                let (mut client, mut server) = buffered(&wsk).await?;
                let (reader, _) = server.split();
                let read = async {
                    let (mut all, mut slice) = (Vec::new(), [0; 9]);
                    loop {
                        match reader.read(&mut slice).await {
                            Ok(0) => return (all, true),
                            Ok(count) => all.extend_from_slice(&slice[..count]),
                            Err(_) => return (all, false),
                        }
                    }
                };
                let write = async {
                    let result = write_all(client.split().1, &bytes).await;
                    if result.is_err() {
                        // The peer receives the end of the stream, if the connection still exists.
                        drop(client);
                    }
                    result
                };
                let (wrote, read) = join(write, timeout(HOUR, read)).await;
                let (read, has_ended) = read?;
                assert!(bytes.starts_with(&read), "there is a gap");
                assert!(!has_ended || read == bytes, "an end was reached that is none");
                wrote
            });
            failures += usize::from(result.is_err());
            assert_eq!(host.outstanding_allocations(), 0, "{timing:?}, {faults:?}");
        }
    }
    assert!(cfg!(miri) || failures > 0, "the faults did nothing");
}

/// Sends and receives in both directions.
async fn round(client: &mut BufferedStream, server: &mut BufferedStream) -> Result<()> {
    let send = async {
        // Everything that a writer has is needed.
        client.write_all(&[1; 40]).await?;
        client.flush().await
    };
    let mut slice = [0; 40];
    let (sent, received) = join(send, server.read_exact(&mut slice)).await;
    sent.and(received)?;
    server.write_all(b"pong").await?;
    server.push()?;
    client.read_exact(&mut slice[..4]).await?;
    assert_eq!(&slice[..4], b"pong");
    Ok(())
}

/// Each buffer is allocated once, and so is each request and each timer.
#[test]
fn a_warm_stream_allocates_nothing() {
    for timing in
        last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)])
    {
        let host = Host::new(Config::default().timing(timing));
        let counted = host.clone();
        let run = async move |wsk: Provider| {
            let (mut client, mut server) = buffered(&wsk).await?;
            for stream in [&client, &server] {
                stream.set_read_timeout(Some(HOUR))?;
                stream.set_write_timeout(Some(HOUR))?;
            }
            let mut last = counted.allocations();
            let mut rounds = Vec::new();
            for _ in 0..24 {
                round(&mut client, &mut server).await?;
                let now = counted.allocations();
                rounds.push(now - last);
                last = now;
            }
            // Warm after two rounds without an allocation, which the order of completions delays, and not for long.
            let warm = rounds.windows(2).position(|pair| pair == [0, 0]);
            let warm =
                warm.filter(|warm| *warm <= 10).expect("the stream is warm after ten rounds");
            Ok(rounds[warm..].iter().sum::<usize>())
        };
        assert_eq!(on_host(&host, run).unwrap(), 0, "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

#[test]
fn reads_and_writes_of_slices_survive_failed_allocations() {
    sweep(15, async |wsk| {
        let (mut client, mut server) = buffered(&wsk).await?;
        server.set_read_timeout(Some(HOUR))?;
        client.set_write_timeout(Some(HOUR))?;
        client.write_all(b"hello there").await?;
        client.flush().await?;
        let mut slice = [0; 11];
        server.read_exact(&mut slice).await?;
        assert_eq!(&slice, b"hello there");
        client.shutdown().await?;
        assert!(!server.read_ready()? || server.read(&mut slice).await? == 0);
        Ok(())
    });
}

/// A failed allocation is an error that the stream recovers from.
#[test]
fn a_stream_recovers_from_a_failed_allocation() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(9)]) {
        let host = Host::new(Config::default().timing(timing));
        let failing = host.clone();
        let run = async move |wsk: Provider| {
            let (mut client, mut server) = buffered(&wsk).await?;
            for number in [1, 2] {
                failing.fail_allocation(number);
                let error = client.write(b"hello").await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::OutOfMemory);
                failing.fail_allocation(number);
                let error = server.read(&mut [0; 5]).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::OutOfMemory);
            }
            client.write_all(b"hello").await?;
            client.shutdown().await?;
            let mut slice = [0; 5];
            server.read_exact(&mut slice).await?;
            assert_eq!(&slice, b"hello");
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// The requests of both directions are cancelled before the socket is closed.
#[test]
fn a_stream_can_be_dropped_with_everything_in_flight() {
    for timing in timings() {
        let run = async |wsk: Provider| {
            for parts in [false, true] {
                let (mut client, mut server) = buffered(&wsk).await?;
                for stream in [&mut client, &mut server] {
                    while stream.write_ready()? {
                        stream.write(&[1; 100]).await?;
                    }
                    // They have something to read; so this is soon in flight.
                    let mut slice = [0; 100];
                    while poll_times(stream.read(&mut slice), 1).await.is_some() {}
                }
                if parts {
                    drop(client.into_split());
                    drop(server.into_inner());
                } else {
                    client.close().await;
                    drop(server);
                }
            }
            Ok(())
        };
        on(Config::default().timing(timing).window(4), run)
            .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn parts_are_reunited_with_their_buffers() {
    with_all_timings(async |wsk| {
        let (client, server) = buffered(&wsk).await?;
        let (mut reader, mut writer) = client.into_split();
        let (other_reader, other_writer) = server.into_split();
        writer.write_all(b"ab").await?;
        assert!(!reader.read_ready()?);
        let mut client = BufferedStream::reunite(reader, writer).unwrap();
        let mut server = BufferedStream::reunite(other_reader, other_writer).unwrap();
        client.write_all(b"c").await?;
        client.shutdown().await?;
        server.write_all(b"xyz").await?;
        server.shutdown().await?;
        let mut slice = [0; 3];
        client.read_exact(&mut slice).await?;
        assert_eq!(&slice, b"xyz");
        server.read_exact(&mut slice).await?;
        assert_eq!(&slice, b"abc");
        // Those of different streams come apart.
        let ((reader, writer), (other_reader, other_writer)) =
            (client.into_split(), server.into_split());
        let wsk::net::ReuniteError(reader, other_writer) =
            BufferedStream::reunite(reader, other_writer).unwrap_err();
        let (writer, other_reader) = (writer.into_inner(), other_reader.into_inner());
        let client: TcpStream = reader.reunite(writer).unwrap();
        let server: TcpStream = other_reader.reunite(other_writer).unwrap();
        client.close().await;
        server.close().await;
        Ok(())
    });
}

#[test]
fn halves_of_a_buffered_stream_move_to_different_tasks() {
    for timing in timings().take(20) {
        let host = Host::new(Config::default().timing(timing).window(100));
        let outside = host.clone();
        let run = async |wsk: Provider| {
            let runtime = Runtime::new(passive(), 3)?;
            let (client, server) = buffered(&wsk).await?;
            let (done, finished) = std::sync::mpsc::channel();
            for stream in [client, server] {
                let (mut reader, mut writer) = stream.into_split();
                let done = done.clone();
                runtime.spawner().spawn(async move {
                    write_all(&mut writer, &pattern(MANY / 2)).await.unwrap();
                })?;
                runtime.spawner().spawn(async move {
                    done.send(read_all(&mut reader).await.unwrap()).unwrap();
                })?;
            }
            let results: Vec<_> = outside.blocking(|| finished.iter().take(2).collect());
            assert!(results.iter().all(|bytes| *bytes == pattern(MANY / 2)));
            runtime.shutdown(passive());
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// The methods that bypass the buffers: the stream's own requests, and its addresses.
#[test]
fn the_inner_stream_can_be_taken_back() {
    with_all_timings(async |wsk| {
        let (client, server) = buffered(&wsk).await?;
        assert_eq!(client.local_addr().await?, server.peer_addr().await?);
        client.stream().send_all(buffer(b"hello")?).await.into_result()?;
        server.stream().recv_exact(Buffer::new(5)?).await.into_result()?;
        let client = client.into_inner();
        client.shutdown().await?;
        assert!(receive_all(&server.into_inner()).await?.is_empty());
        let (client, server) = buffered(&wsk).await?;
        client.abort().await?;
        let error = server.stream().recv(Buffer::new(5)?).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        Ok(())
    });
}

#[test]
fn futures_can_be_sent() {
    fn is_send<T: Send>(_: T) {}
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        let (mut client, _server) = buffered(&wsk).await?;
        is_send(client.read(&mut []));
        is_send(client.fill_buf());
        is_send(client.write(&[]));
        is_send(client.flush());
        is_send(client.shutdown());
        is_send(client);
        Ok(())
    })
    .unwrap();
}
