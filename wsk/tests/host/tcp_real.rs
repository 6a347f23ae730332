//! Sockets and streams with peers of `std::net`, on the network of this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{
    Ipv4Addr, Shutdown, SocketAddr, TcpListener as StdListener, TcpStream as StdStream,
};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use test_support::connection::{buffer, receive_all};
use test_support::futures::{join, poll_times};
use test_support::scenario::on;
use wsk::net::{BufferedStream, copy_bidirectional, relay_with_limit};
use wsk::socket::{ConnectionSocket, Family, StreamSocket};
use wsk::{Buffer, ErrorKind, Provider, Result, TcpListener, TcpStream};
use wsk_host::{Config, Network, Timing};

const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);
const SHORT: Duration = Duration::from_millis(50);

/// Runs a scenario with a few timings.
fn real(scenario: impl AsyncFn(Provider) -> Result<()>) {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)] {
        let config = Config { network: Network::Real, timing, ..Config::default() };
        on(config, &scenario).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// A server for one connection, which gives up what hangs.
fn serve<T: Send + 'static>(
    server: impl FnOnce(StdStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        server(stream)
    });
    (address, thread)
}

/// What the peer receives, to its end.
fn read_to_end(mut stream: StdStream) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).map(|_| all)
}

#[test]
fn every_way_to_connect_reaches_a_server() {
    real(async |wsk| {
        let (address, server) = serve(read_to_end);
        let socket = ConnectionSocket::connect_new(&wsk, ANY, address, ()).await?;
        socket.send_no_delay(buffer(b"one call")?).await.into_result()?;
        socket.shutdown().await?;
        assert_eq!(server.join().unwrap().unwrap(), b"one call");

        let (address, server) = serve(read_to_end);
        let socket = ConnectionSocket::builder(&wsk, Family::INET).bind(ANY).await?;
        let first = buffer(b"first, ")?;
        let (socket, _) = socket.connect_with_data(address, first).await.into_result()?;
        socket.shutdown_with(buffer(b"and last")?).await.into_result()?;
        assert_eq!(server.join().unwrap().unwrap(), b"first, and last");

        let (address, server) = serve(|mut stream| stream.write_all(b"hello"));
        let socket = StreamSocket::builder(&wsk, Family::INET).connect(address).await?;
        let ((), hello) = socket.receive_exact(Buffer::new(5)?).await.into_result()?;
        assert_eq!(&hello[..], b"hello");
        server.join().unwrap().unwrap();

        let (address, server) = serve(read_to_end);
        let stream = TcpStream::connect_from(&wsk, ANY, address).await?;
        assert_eq!(stream.local_addr().await?.ip(), Ipv4Addr::LOCALHOST);
        stream.shutdown().await?;
        assert!(server.join().unwrap().unwrap().is_empty());

        let closed_port =
            StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let error = ConnectionSocket::connect_new(&wsk, ANY, closed_port, ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let socket = ConnectionSocket::builder(&wsk, Family::INET).bind(ANY).await?;
        let result = socket.connect_with_data(closed_port, buffer(b"kept")?).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(&result.1[..], b"kept");
        Ok(())
    });
}

/// A protocol of lines, as of mail or of the web's older half, with a server of `std`'s own buffers.
#[test]
fn lines_are_exchanged_with_a_server() {
    real(async |wsk| {
        let (address, server) = serve(|stream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut writer, mut line) = (stream, String::new());
            let mut count = 0;
            while reader.read_line(&mut line).unwrap() > 0 {
                writer.write_all(line.to_uppercase().as_bytes()).unwrap();
                line.clear();
                count += 1;
            }
            count
        });
        let mut stream = BufferedStream::new(TcpStream::connect(&wsk, address).await?);
        for number in 0..100 {
            stream.write_all(b"line ").await?;
            stream.write_all(number.to_string().as_bytes()).await?;
            stream.write_all(b"\n").await?;
            stream.push()?;
            let mut answer = Vec::new();
            while answer.last() != Some(&b'\n') {
                let part = stream.fill_buf().await?;
                let end = part.iter().position(|byte| *byte == b'\n').map_or(part.len(), |n| n + 1);
                answer.extend_from_slice(&part[..end]);
                stream.consume(end);
            }
            assert_eq!(answer, format!("LINE {number}\n").into_bytes());
        }
        stream.shutdown().await?;
        assert_eq!(stream.read(&mut [0; 10]).await?, 0);
        assert_eq!(server.join().unwrap(), 100);
        Ok(())
    });
}

#[test]
fn many_bytes_travel_both_ways_through_buffers() {
    const SIZE: usize = 1 << 20;
    real(async |wsk| {
        let (address, server) = serve(|stream| {
            let mut writer = stream.try_clone().unwrap();
            let sender = thread::spawn(move || {
                writer.write_all(&vec![7; SIZE]).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let received = read_to_end(stream).unwrap();
            sender.join().unwrap();
            received
        });
        let stream = TcpStream::connect(&wsk, address).await?;
        let (mut reader, mut writer) = stream.buffered().into_split();
        let bytes: Vec<u8> = (0..SIZE).map(|n| (n % 251).to_le_bytes()[0]).collect();
        let write = async {
            for part in bytes.chunks(10_000) {
                writer.write_all(part).await?;
            }
            writer.shutdown().await
        };
        let read = async {
            let (mut count, mut slice) = (0, vec![0; 5000]);
            loop {
                match reader.read(&mut slice).await? {
                    0 => return Ok::<_, wsk::Error>(count),
                    part => count += part,
                }
            }
        };
        let (wrote, read) = join(write, read).await;
        wrote?;
        assert_eq!(read?, SIZE);
        assert!(server.join().unwrap() == bytes, "other bytes arrived");
        Ok(())
    });
}

#[test]
fn an_abort_resets_a_program_of_this_machine() {
    real(async |wsk| {
        let (address, server) = serve(read_to_end);
        let stream = TcpStream::connect(&wsk, address).await?;
        stream.abort().await?;
        let error = server.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(stream.shutdown().await.unwrap_err().kind(), ErrorKind::NotConnected);
        Ok(())
    });
}

#[test]
fn draining_lets_a_program_finish() {
    real(async |wsk| {
        let (address, server) = serve(|mut stream| {
            stream.write_all(&vec![1; 1 << 20]).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            read_to_end(stream)
        });
        let stream = TcpStream::connect(&wsk, address).await?;
        stream.drain().await?;
        stream.shutdown().await?;
        stream.close().await;
        assert!(server.join().unwrap().unwrap().is_empty());
        Ok(())
    });
}

/// In the machine's time.
#[test]
fn a_silent_program_causes_a_time_out() {
    real(async |wsk| {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let (address, server) = serve(move |mut stream| {
            wait.recv().unwrap();
            stream.write_all(b"at last").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            read_to_end(stream)
        });
        let stream = TcpStream::connect(&wsk, address).await?;
        stream.set_read_timeout(Some(SHORT))?;
        stream.set_write_timeout(Some(SHORT))?;
        let start = Instant::now();
        let result = stream.recv(Buffer::new(10)?).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(result.1.len(), 10);
        assert!(start.elapsed() >= SHORT);
        // More than any system buffers.
        let much = Buffer::new(Buffer::MAX_SIZE)?;
        let result = stream.send_all(much).await;
        assert_eq!(result.0.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(result.1.len(), Buffer::MAX_SIZE);
        stream.set_read_timeout(None)?;
        done.send(()).unwrap();
        assert_eq!(receive_all(&stream).await?, b"at last");
        stream.set_write_timeout(None)?;
        stream.shutdown().await?;
        assert!(server.join().unwrap().unwrap().len() < Buffer::MAX_SIZE);
        Ok(())
    });
}

/// A proxy between a client and a server of `std`, which waits for the connection of several accepts.
#[test]
fn a_proxy_copies_between_programs() {
    real(async |wsk| {
        let (address, server) = serve(|mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&all).unwrap();
            stream.write_all(b"!").unwrap();
            all.len()
        });
        let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
        let proxy = listener.local_addr().await?;
        let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let client = thread::spawn({
            let sent = sent.clone();
            move || {
                let mut stream = StdStream::connect(proxy).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                stream.write_all(&sent).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                read_to_end(stream).unwrap()
            }
        });
        let waiting = poll_times(listener.accept(), 1).await.transpose()?;
        let (to_client, _) = match waiting {
            Some(accepted) => accepted,
            None => listener.accept().await?,
        };
        to_client.readable().await?;
        let to_server = TcpStream::connect(&wsk, address).await?;
        let copied = copy_bidirectional(&to_client, &to_server).await?;
        assert_eq!(copied, (300_000, 300_001));
        assert_eq!(server.join().unwrap(), 300_000);
        let received = client.join().unwrap();
        assert!(received[..300_000] == sent && received[300_000] == b'!');
        Ok(())
    });
}

/// Small limits: the receive window of the proxy closes, and opens again.
#[test]
fn a_relay_serves_peers_of_std() {
    real(async |wsk| {
        let (address, server) = serve(|mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&all).unwrap();
            stream.write_all(b"!").unwrap();
            all.len()
        });
        let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
        let proxy = listener.local_addr().await?;
        let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let client = thread::spawn({
            let sent = sent.clone();
            move || {
                let mut stream = StdStream::connect(proxy).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                stream.write_all(&sent).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                read_to_end(stream).unwrap()
            }
        });
        let waiting = poll_times(listener.accept(), 1).await.transpose()?;
        let (to_client, _) = match waiting {
            Some(accepted) => accepted,
            None => listener.accept().await?,
        };
        let to_server = TcpStream::connect(&wsk, address).await?;
        let copied = relay_with_limit(to_client, to_server, 20_000).await.into_result()?;
        assert_eq!(copied, (300_000, 300_001));
        assert_eq!(server.join().unwrap(), 300_000);
        let received = client.join().unwrap();
        assert!(received[..300_000] == sent && received[300_000] == b'!');
        Ok(())
    });
}
