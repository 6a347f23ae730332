//! The sender on a host: a peer in the same network is the syslog server.

use std::net::{Ipv4Addr, SocketAddr};

use syslog::{Sender, Severity, Statistics, Watch};
use wsk::irql::Passive;
use wsk::socket::{DatagramSocket, Family};
use wsk::{
    Buffer, BufferedStream, ErrorKind, Provider, Registration, Result, Runtime, TcpListener,
};
use wsk::{TcpStream, UdpSocket, rt};
use wsk_host::{Config, Faults, Host};

const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The start of a message: facility local0, and no time, host, process or kind.
const HEAD: &str = "1 - - wsk-syslog - - - \u{feff}";

/// Runs a test with a provider and a runtime, and ends both.
fn with_wsk(test: impl AsyncFnOnce(&Provider, &Runtime) -> Result<()>) -> Result<()> {
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let runtime = Runtime::new(passive, 1)?;
    rt::block_on(passive, test(&wsk, &runtime))??;
    runtime.shutdown(passive);
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    Ok(())
}

/// The text of the next datagram.
async fn receive(server: &UdpSocket) -> Result<String> {
    let ((length, _), buffer) = server.recv_from(Buffer::new(1000)?).await.into_result()?;
    Ok(String::from_utf8(buffer[..length].to_vec()).expect("a message is UTF-8"))
}

#[wsk_host::test]
fn datagrams_are_reported_from_the_callback(host: Host) -> Result<()> {
    with_wsk(async move |wsk, runtime| {
        let server = UdpSocket::bind(wsk, (LOCAL, 514)).await?;
        let address = server.local_addr().await?;
        let (sender, queue) = Sender::new(16)?;
        let socket = UdpSocket::bind(wsk, (LOCAL, 0)).await?;
        runtime.spawner().spawn(async move { syslog::send(&socket, address, queue).await })?;
        let watched = DatagramSocket::builder(wsk, Family::INET)
            .events(Watch::new(sender.clone()))
            .bind((LOCAL, 5140))
            .await?;

        let peer = UdpSocket::bind(wsk, (LOCAL, 2000)).await?;
        peer.send_to(Buffer::new(33)?, SocketAddr::from((LOCAL, 5140))).await.into_result()?;
        let text = receive(&server).await?;
        assert_eq!(text, format!("<134>{HEAD}33 bytes from 127.0.0.1:2000"));
        host.settle();
        assert_eq!(sender.statistics(), Statistics { sent: 1, ..Statistics::default() });
        watched.close().await;
        Ok(())
    })
}

#[wsk_host::test]
fn a_full_queue_drops_and_reports_how_many() -> Result<()> {
    with_wsk(async |wsk, runtime| {
        let server = UdpSocket::bind(wsk, (LOCAL, 514)).await?;
        let address = server.local_addr().await?;
        let (sender, queue) = Sender::new(2)?;
        for number in 0..5 {
            sender.log(Severity::Error, format_args!("number {number}"));
        }
        assert_eq!(sender.statistics(), Statistics { dropped: 3, ..Statistics::default() });
        let socket = UdpSocket::bind(wsk, (LOCAL, 0)).await?;
        let task =
            runtime.spawner().spawn(async move { syslog::send(&socket, address, queue).await })?;
        let mut texts = Vec::new();
        for _ in 0..3 {
            texts.push(receive(&server).await?);
        }
        // On a network in memory, datagrams may overtake each other.
        texts.sort();
        let expected = [("131", "number 0"), ("131", "number 1"), ("132", "3 messages dropped")];
        assert_eq!(texts, expected.map(|(priority, text)| format!("<{priority}>{HEAD}{text}")));
        let statistics = sender.statistics();
        assert_eq!((statistics.dropped, statistics.failed), (3, 0));
        // The task ends with the last sender.
        drop(sender);
        task.await?
    })
}

#[wsk_host::test]
fn commands_log_and_count() -> Result<()> {
    with_wsk(async |wsk, runtime| {
        let server = UdpSocket::bind(wsk, (LOCAL, 514)).await?;
        let address = server.local_addr().await?;
        let (sender, queue) = Sender::new(2)?;
        let socket = UdpSocket::bind(wsk, (LOCAL, 0)).await?;
        runtime.spawner().spawn(async move { syslog::send(&socket, address, queue).await })?;
        let listener = TcpListener::bind(wsk, (LOCAL, 5141)).await?;
        runtime.spawner().spawn(async move { syslog::control(listener, sender).await })?;

        let mut client = BufferedStream::new(TcpStream::connect(wsk, (LOCAL, 5141)).await?);
        let mut line = [0; 100];
        for (command, answer) in
            [("log grüße\n", "ok"), ("reboot\r\n", "unknown command: use `log TEXT` or `stats`")]
        {
            client.write_all(command.as_bytes()).await?;
            client.flush().await?;
            assert_eq!(client.read_line(&mut line).await?.trim_end(), answer);
        }
        assert_eq!(receive(&server).await?, format!("<134>{HEAD}grüße"));
        client.write_all(b"stats\n").await?;
        client.flush().await?;
        let statistics = client.read_line(&mut line).await?;
        assert!(
            ["sent 1 dropped 0 failed 0\n", "sent 0 dropped 0 failed 0\n"].contains(&statistics)
        );
        client.shutdown().await?;
        client.close().await;
        Ok(())
    })
}

/// Every other connection is reset before the control port accepts it.
#[wsk_host::test(config = Config::default().faults(Faults { accept: 500, ..Faults::default() }))]
fn a_connection_that_is_reset_does_not_end_the_control_port() -> Result<()> {
    async fn is_served(wsk: &Provider) -> Result<()> {
        let mut client = BufferedStream::new(TcpStream::connect(wsk, (LOCAL, 5141)).await?);
        client.write_all(b"stats\n").await?;
        client.flush().await?;
        assert_eq!(client.read_line(&mut [0; 100]).await?, "sent 0 dropped 0 failed 0\n");
        client.shutdown().await?;
        client.close().await;
        Ok(())
    }
    with_wsk(async |wsk, runtime| {
        let (sender, _queue) = Sender::new(2)?;
        let listener = TcpListener::bind(wsk, (LOCAL, 5141)).await?;
        runtime.spawner().spawn(async move { syslog::control(listener, sender).await })?;
        let (mut served, mut lost) = (0, 0);
        while served < 5 || lost == 0 {
            match is_served(wsk).await {
                Ok(()) => served += 1,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => lost += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}
