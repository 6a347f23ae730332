//! `TcpStream`: its halves, its timeouts, and its socket.

use std::time::Duration;

use test_support::connection::{buffer, receive_all, streams};
use test_support::futures::{join, poll_times};
use test_support::scenario::{last_under_miri, on, on_host, passive, timings, with_all_timings};
use wsk::flags::SendFlags;
use wsk::net::ReuniteError;
use wsk::socket::ConnectionSocket;
use wsk::time::{sleep, timeout};
use wsk::{Buffer, ErrorKind, Provider, Runtime, TcpListener, TcpStream};
use wsk_host::{Config, Faults, Host, Timing};

use crate::sweep::sweep;

const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn borrowed_halves_work_concurrently() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let exchange = async |stream: &TcpStream, byte: u8| {
            let (reader, writer) = stream.split();
            let write = async {
                writer.send_all(buffer(&[byte; 1000])?).await.into_result()?;
                writer.send_with(buffer(&[byte; 10])?, SendFlags::NO_DELAY).await.into_result()?;
                writer.shutdown().await
            };
            let read = async {
                let ((), bytes) = reader.recv_exact(Buffer::new(1000)?).await.into_result()?;
                let (rest, _) = reader.recv_full(Buffer::new(20)?).await.into_result()?;
                Ok::<_, wsk::Error>((bytes, rest))
            };
            let (wrote, read) = join(write, read).await;
            wrote.and(read)
        };
        let (one, other) = join(exchange(&client, 1), exchange(&server, 2)).await;
        assert_eq!((&one?.0[..], other?.1), (&[2; 1000][..], 10));
        Ok(())
    });
}

/// In tasks of a runtime with several threads; the socket is closed with the last of them.
#[test]
fn owned_halves_move_to_different_tasks() {
    for timing in timings().take(20) {
        let host = Host::new(Config::default().timing(timing));
        let outside = host.clone();
        let run = async |wsk: Provider| {
            let runtime = Runtime::new(passive(), 3)?;
            let (client, server) = streams(&wsk).await?;
            let (reader, writer) = server.into_split();
            let (to_writer, chunks) = std::sync::mpsc::channel::<Option<Buffer>>();
            let (done, finished) = std::sync::mpsc::channel();
            let echo = done.clone();
            runtime.spawner().spawn(async move {
                loop {
                    let (count, filled) =
                        reader.recv(Buffer::new(100).unwrap()).await.into_result().unwrap();
                    if count == 0 {
                        break;
                    }
                    to_writer.send(Some(buffer(&filled[..count]).unwrap())).unwrap();
                }
                to_writer.send(None).unwrap();
                done.send(Vec::new()).unwrap();
            })?;
            runtime.spawner().spawn(async move {
                loop {
                    // There is no waiting among tasks in this crate.
                    match chunks.try_recv() {
                        Ok(Some(chunk)) => {
                            drop(writer.send_all(chunk).await.into_result().unwrap());
                        }
                        Ok(None) => break,
                        Err(_) => sleep(MILLISECOND).await.unwrap(),
                    }
                }
                writer.shutdown().await.unwrap();
            })?;
            runtime.spawner().spawn(async move {
                client.send_all(buffer(b"there and back").unwrap()).await.into_result().unwrap();
                client.shutdown().await.unwrap();
                echo.send(receive_all(&client).await.unwrap()).unwrap();
            })?;
            let results: Vec<_> = outside.blocking(|| finished.iter().take(2).collect());
            assert!(results.contains(&b"there and back".to_vec()), "{results:?}");
            runtime.shutdown(passive());
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// Dropping a half says nothing to the peer; dropping both closes, and aborts what has not ended.
#[test]
fn dropping_the_last_half_closes_the_stream() {
    with_all_timings(async |wsk| {
        for reader_first in [false, true] {
            let (client, server) = streams(&wsk).await?;
            let (reader, writer) = client.into_split();
            let quiet = async {
                let result = timeout(HOUR, server.recv(Buffer::new(1)?)).await;
                Ok::<_, wsk::Error>(result.unwrap_err().kind())
            };
            if reader_first {
                drop(reader);
                assert_eq!(quiet.await?, ErrorKind::TimedOut);
                writer.send_all(buffer(b"still there")?).await.into_result()?;
                server.recv_exact(Buffer::new(11)?).await.into_result()?;
                drop(writer);
            } else {
                drop(writer);
                assert_eq!(quiet.await?, ErrorKind::TimedOut);
                server.send_all(buffer(b"still there")?).await.into_result()?;
                reader.recv_exact(Buffer::new(11)?).await.into_result()?;
                drop(reader);
            }
            let error = server.recv(Buffer::new(1)?).await.0.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        Ok(())
    });
}

#[test]
fn halves_of_one_stream_are_reunited() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.set_read_timeout(Some(HOUR))?;
        client.set_write_timeout(Some(HOUR))?;
        let address = client.local_addr().await?;
        let (reader, writer) = client.into_split();
        assert_eq!(writer.as_ref().write_timeout(), Some(HOUR));
        reader.set_read_timeout(Some(MILLISECOND))?;
        writer.set_write_timeout(None)?;
        let (other_reader, other_writer) = server.into_split();
        assert!(reader.is_pair_of(&writer) && !reader.is_pair_of(&other_writer));
        let ReuniteError(reader, other_writer) = reader.reunite(other_writer).unwrap_err();
        let ReuniteError(other_reader, writer) = writer.reunite(other_reader).unwrap_err();
        let client = writer.reunite(reader).unwrap();
        assert_eq!(client.read_timeout(), Some(MILLISECOND));
        assert_eq!(client.write_timeout(), None);
        assert_eq!(client.local_addr().await?, address);
        let server = other_reader.reunite(other_writer).unwrap();
        client.send_all(buffer(b"hello")?).await.into_result()?;
        client.shutdown().await?;
        assert_eq!(receive_all(&server).await?, b"hello");
        // It is one stream again, whose close can be waited for.
        client.close().await;
        server.close().await;
        Ok(())
    });
}

#[test]
fn a_stream_is_a_socket_and_back() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let socket: ConnectionSocket = client.into();
        socket.send_all(buffer(b"hello")?).await.into_result()?;
        let client = TcpStream::from(socket);
        client.shutdown_with(buffer(b"!")?).await.into_result()?;
        assert_eq!(receive_all(&server).await?, b"hello!");
        assert!(server.as_socket().ideal_send_backlog().await? > 0);
        server.shutdown().await?;
        client.drain().await?;
        TcpStream::from_socket(server.into_socket()).close().await;
        Ok(())
    });
}

#[test]
fn a_stream_is_connected_from_a_local_address() {
    with_all_timings(async |wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let remote = listener.local_addr().await?;
        let stream = TcpStream::connect_from(&wsk, ([127, 0, 0, 1], 4000), remote).await?;
        assert_eq!(stream.local_addr().await?, ([127, 0, 0, 1], 4000).into());
        let v6 = (std::net::Ipv6Addr::LOCALHOST, 0);
        let error = TcpStream::connect_from(&wsk, v6, remote).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        let stream = TcpStream::connect_timeout(&wsk, remote, HOUR).await?;
        assert_eq!(stream.peer_addr().await?, remote);
        Ok(())
    });
}

#[test]
fn a_connect_that_hangs_times_out() {
    for timing in timings() {
        let faults = Faults { hold: 1000, ..Faults::default() };
        let run = async |wsk: Provider| {
            let peer = ([127, 0, 0, 1], 9);
            let error = TcpStream::connect_timeout(&wsk, peer, HOUR).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            Ok(())
        };
        on(Config::default().timing(timing).faults(faults), run).unwrap();
    }
}

/// A receive that has timed out gives its buffer back, and loses nothing.
#[test]
fn receives_can_time_out() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        client.set_read_timeout(Some(HOUR))?;
        let kept = buffer(b"kept")?;
        let result = client.recv(kept).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(&result.1[..], b"kept");
        assert_eq!(client.drain().await.unwrap_err().kind(), ErrorKind::TimedOut);
        let error = client.recv_exact(Buffer::new(3)?).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        server.send_all(buffer(b"late")?).await.into_result()?;
        let ((), late) = client.recv_exact(Buffer::new(4)?).await.into_result()?;
        assert_eq!(&late[..], b"late");
        client.set_read_timeout(None)?;
        let (received, slept) = join(client.recv(Buffer::new(4)?), async {
            sleep(2 * HOUR).await?;
            server.send_all(buffer(b"at last")?).await.into_result()
        })
        .await;
        slept?;
        assert!(received.into_result()?.0 > 0);
        Ok(())
    });
}

/// Timeouts race with what arrives: whatever is received was, and nothing is received twice.
#[test]
fn a_time_out_loses_no_byte() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let count = if cfg!(miri) { 10 } else { 100 };
        let send = async {
            for byte in 0..count {
                server.send_all(buffer(&[byte])?).await.into_result()?;
                sleep(MILLISECOND).await?;
            }
            server.shutdown().await
        };
        let receive = async {
            client.set_read_timeout(Some(MILLISECOND))?;
            let (mut all, mut to_fill) = (Vec::new(), Buffer::new(3)?);
            loop {
                let wsk::BufResult(result, back) = client.recv(to_fill).await;
                assert_eq!(back.len(), 3);
                match result {
                    Ok(0) => return Ok::<_, wsk::Error>(all),
                    Ok(count) => all.extend_from_slice(&back[..count]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
                }
                to_fill = back;
            }
        };
        let (sent, received) = join(send, receive).await;
        sent?;
        assert_eq!(received?, (0..count).collect::<Vec<_>>());
        Ok(())
    });
}

/// What is sent into a window that is full hangs, and so does the end (INV-50). Then there is the abort.
#[test]
fn sends_and_disconnects_can_time_out() {
    for timing in timings() {
        let run = async |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            client.set_write_timeout(Some(HOUR))?;
            let result = client.send(buffer(&[7; 1000])?).await;
            assert_eq!(result.0.unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!(&result.1[..], &[7; 1000]);
            let result = client.send_all(result.1).await;
            assert_eq!(result.0.unwrap_err().kind(), ErrorKind::TimedOut);
            let result = client.shutdown_with(result.1).await;
            assert_eq!(result.0.unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!(result.1.len(), 1000);
            client.abort().await?;
            drop(server);
            Ok(())
        };
        on(Config::default().timing(timing).window(10), run)
            .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn time_outs_behave_as_in_std() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        let (client, _server) = streams(&wsk).await?;
        assert_eq!((client.read_timeout(), client.write_timeout()), (None, None));
        for result in [
            client.set_read_timeout(Some(Duration::ZERO)),
            client.set_write_timeout(Some(Duration::ZERO)),
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        client.set_read_timeout(Some(Duration::from_nanos(1)))?;
        client.set_write_timeout(Some(Duration::MAX))?;
        assert_eq!(client.read_timeout(), Some(Duration::from_nanos(1)));
        assert_eq!(client.write_timeout(), Some(Duration::from_nanos(u64::MAX)));
        Ok(())
    })
    .unwrap();
}

/// Wine cancels nothing: the system keeps the buffer, and the call returns all the same.
#[test]
fn a_request_that_cannot_be_cancelled_keeps_the_buffer() {
    for timing in timings() {
        let config = Config { refuse_cancel: true, ..Config::default().timing(timing) };
        let host = Host::new(config);
        let clock = host.clone();
        let run = async |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            client.set_read_timeout(Some(HOUR))?;
            let before = clock.elapsed();
            let result = client.recv(Buffer::new(10)?).await;
            assert_eq!(result.0.unwrap_err().kind(), ErrorKind::TimedOut);
            assert!(result.1.is_empty(), "the system has it");
            let waited = clock.elapsed().checked_sub(before).unwrap();
            assert!((HOUR..HOUR + Duration::from_secs(5)).contains(&waited), "{waited:?}");
            // It may even use it.
            server.send_all(buffer(b"hello")?).await.into_result()?;
            client.close().await;
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "the close has ended the request");
    }
}

/// Timers are used again, like requests.
#[test]
fn a_warm_stream_allocates_nothing_for_its_time_outs() {
    for timing in
        last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)])
    {
        let host = Host::new(Config::default().timing(timing).partial_receives(false));
        let counted = host.clone();
        let run = async move |wsk: Provider| {
            let (client, server) = streams(&wsk).await?;
            for stream in [&client, &server] {
                stream.set_read_timeout(Some(HOUR))?;
                stream.set_write_timeout(Some(HOUR))?;
            }
            let (mut to_send, mut to_fill) = (buffer(b"ping")?, Buffer::new(4)?);
            let mut before = 0;
            for round in 0..20 {
                if round == 2 {
                    before = counted.allocations();
                }
                let (sent, received) = join(client.send_all(to_send), server.recv(to_fill)).await;
                (_, to_send) = sent.into_result()?;
                (_, to_fill) = received.into_result()?;
                // One that expires.
                let result = server.recv(to_fill).await;
                assert_eq!(result.0.unwrap_err().kind(), ErrorKind::TimedOut);
                to_fill = result.1;
            }
            Ok(counted.allocations() - before)
        };
        assert_eq!(on_host(&host, run).unwrap(), 0, "{timing:?}");
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

#[test]
fn everything_can_be_dropped_at_any_point_with_time_outs() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(MILLISECOND))?;
            stream.set_write_timeout(Some(MILLISECOND))?;
        }
        for polls in 0..4 {
            drop(poll_times(client.recv(Buffer::new(10)?), polls).await);
            drop(poll_times(client.send(Buffer::new(10)?), polls).await);
            drop(poll_times(server.recv_exact(Buffer::new(1000)?), polls).await);
            poll_times(server.drain(), polls).await;
        }
        poll_times(client.shutdown(), 2).await;
        Ok(())
    });
}

#[test]
fn streams_survive_failed_allocations() {
    sweep(10, async |wsk| {
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let remote = listener.local_addr().await?;
        let client = TcpStream::connect_timeout(&wsk, remote, HOUR).await?;
        client.set_read_timeout(Some(HOUR))?;
        client.set_write_timeout(Some(HOUR))?;
        let (reader, writer) = client.into_split();
        let wsk::BufResult(sent, back) = writer.send_all(buffer(b"hello")?).await;
        assert_eq!(&back[..], b"hello", "it comes back");
        sent?;
        let wsk::BufResult(received, back) = reader.recv(buffer(b"empty")?).await;
        assert_eq!(&back[..], b"empty");
        match received.unwrap_err() {
            error if error.kind() == ErrorKind::TimedOut => Ok(()),
            error => Err(error),
        }
    });
}

/// Requests go to tasks of any thread.
#[test]
fn futures_can_be_sent() {
    fn is_send<T: Send>(_: T) {}
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        let (stream, _peer) = streams(&wsk).await?;
        is_send(TcpStream::connect_timeout(&wsk, ([127, 0, 0, 1], 1), HOUR));
        is_send(stream.recv_exact(Buffer::empty()));
        is_send(stream.drain());
        is_send(stream.send_all(Buffer::empty()));
        is_send(stream.shutdown_with(Buffer::empty()));
        is_send(stream.abort());
        is_send(stream.local_addr());
        is_send(stream.into_socket().into_silent());
        Ok(())
    })
    .unwrap();
}

/// Through a shared reference, and with dropped futures, which lose nothing.
#[test]
fn a_stream_receives_into_slices() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let (reader, writer) = server.into_split();
        let sent: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let send = async {
            for chunk in sent.chunks(700) {
                client.send_all(buffer(chunk)?).await.into_result()?;
            }
            client.shutdown().await
        };
        let receive = async {
            let (mut received, mut bytes) = (Vec::new(), [0; 100]);
            loop {
                if received.len() % 3 == 0
                    && let Some(count) = poll_times(reader.recv_into(&mut bytes), 1).await
                {
                    received.extend_from_slice(&bytes[..count?]);
                }
                match reader.recv_into(&mut bytes).await? {
                    0 => return Ok::<_, wsk::Error>(received),
                    count => received.extend_from_slice(&bytes[..count]),
                }
            }
        };
        let (sending, received) = join(send, receive).await;
        sending?;
        assert_eq!(received?, sent);
        assert_eq!(reader.recv_into(&mut []).await?, 0);
        drop(writer);
        Ok(())
    });
}
