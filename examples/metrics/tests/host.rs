//! Tests the exporter on a host, with a scraper in the same network.

use std::net::Ipv4Addr;
use std::time::Duration;

use wsk::irql::Passive;
use wsk::{Buffer, Provider, Registration, Result, Runtime, TcpListener, TcpStream, counters};
use wsk::{ErrorKind, rt, time};
use wsk_host::{Config, Faults};

const ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9182);

/// Runs a test with a provider and an exporter, and ends both.
fn with_exporter(test: impl AsyncFnOnce(&Provider) -> Result<()>) -> Result<()> {
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let runtime = Runtime::new(passive, 1)?;
    rt::block_on(passive, async {
        let listener = TcpListener::bind(&wsk, ADDRESS).await?;
        let log = |message: std::fmt::Arguments<'_>| panic!("{message}");
        runtime.spawner().spawn(metrics::serve(listener, runtime.spawner(), log))?;
        test(&wsk).await
    })??;
    runtime.shutdown(passive);
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    Ok(())
}

/// Sends the parts of a request, and returns the bytes received until the exporter ends the connection.
async fn ask(wsk: &Provider, parts: &[&[u8]]) -> Result<String> {
    let stream = TcpStream::connect(wsk, ADDRESS).await?;
    for part in parts {
        stream.send_all(Buffer::try_from(*part)?).await.into_result()?;
    }
    let mut answer = Vec::new();
    let mut buffer = Buffer::new(512)?;
    loop {
        let (received, filled) = stream.recv(buffer).await.into_result()?;
        if received == 0 {
            stream.shutdown().await?;
            return Ok(String::from_utf8(answer).unwrap());
        }
        answer.extend_from_slice(&filled[..received]);
        buffer = filled;
    }
}

/// The head and the body of a response. Checks the length in the head.
fn split(answer: &str) -> (&str, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert_eq!(length, body.len().to_string(), "{answer}");
    (head, body)
}

/// The value of a metric.
fn value(body: &str, name: &str) -> u64 {
    let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in:\n{body}")).parse().unwrap()
}

#[wsk_host::test]
fn the_metrics_are_what_wsk_counts() -> Result<()> {
    with_exporter(async |wsk| {
        let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
        let before = counters::read();
        let answer = ask(wsk, &[request]).await?;
        let (head, body) = split(&answer);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: text/plain; version=0.0.4"), "{head}");
        // The exporter has received the request, and has sent nothing yet.
        let size = u64::try_from(request.len()).unwrap();
        assert_eq!(value(body, "wsk_received_bytes_total"), before.bytes_received + size);
        assert_eq!(value(body, "wsk_sent_bytes_total"), before.bytes_sent + size);
        // The listener, and both ends of the connection.
        assert_eq!(value(body, "wsk_sockets"), 3);
        assert_eq!(value(body, "wsk_sockets_created_total"), before.sockets_created + 2);
        assert!(value(body, "wsk_pool_allocations") > 0);
        // Each metric has its help and its kind before its value.
        let lines: Vec<&str> = body.lines().collect();
        assert_eq!(lines.len(), 27);
        for metric in lines.chunks(3) {
            let name = metric[2].split(' ').next().unwrap();
            assert!(metric[0].starts_with(&format!("# HELP {name} ")), "{metric:?}");
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            assert_eq!(metric[1], format!("# TYPE {name} {kind}"));
        }
        Ok(())
    })
}

#[wsk_host::test]
fn other_requests_are_answered_with_their_status() -> Result<()> {
    let long = vec![b'a'; 4096];
    let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(33));
    let requests: [(&str, &[&[u8]]); 10] = [
        ("200", &[b"GET /met", b"rics?a=b HTTP/1.0\r\n", b"\r\n"]),
        ("404", &[b"GET / HTTP/1.1\r\n\r\n"]),
        ("404", &[b"GET /metrics/ HTTP/1.1\r\n\r\n"]),
        ("405", &[b"POST /metrics HTTP/1.1\r\n\r\n"]),
        ("400", &[b"\x16\x03\x01\x02\x00\x01\x00"]),
        ("400", &[b"GET /metrics\r\n\r\n"]),
        ("400", &[b"GET /metrics HTTP/2.0\r\n\r\n"]),
        ("400", &[b"GET /metrics HTTP/1.1 \r\n\r\n"]),
        ("431", &[b"GET /", &long]),
        ("200", &[many.as_bytes()]),
    ];
    with_exporter(async |wsk| {
        for (status, parts) in requests {
            let answer = ask(wsk, parts).await?;
            let (head, _) = split(&answer);
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{parts:?}: {head}");
        }
        let head = ask(wsk, &[b"HEAD /metrics HTTP/1.1\r\n\r\n"]).await?;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        Ok(())
    })
}

#[wsk_host::test]
fn a_client_that_is_silent_blocks_no_other_and_is_cut_off() -> Result<()> {
    with_exporter(async |wsk| {
        let silent = TcpStream::connect(wsk, ADDRESS).await?;
        let answer = ask(wsk, &[b"GET /metrics HTTP/1.1\r\n\r\n"]).await?;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        time::sleep(Duration::from_secs(6)).await?;
        let wsk::BufResult(received, _) = silent.recv(Buffer::new(1)?).await;
        assert!(matches!(received, Ok(0) | Err(_)), "the connection is still open");
        Ok(())
    })
}

/// Every other connection is reset before the exporter accepts it.
#[wsk_host::test(config = Config::default().faults(Faults { accept: 500, ..Faults::default() }))]
fn a_connection_that_is_reset_does_not_end_the_exporter() -> Result<()> {
    with_exporter(async |wsk| {
        let (mut served, mut lost) = (0, 0);
        while served < 5 || lost == 0 {
            match ask(wsk, &[b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"]).await {
                Ok(_) => served += 1,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => lost += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}
