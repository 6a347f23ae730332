//! Control data of datagrams.

use std::future::Future;
use std::net::SocketAddr;
use std::task::{Context, Waker};

use wsk::{Buffer, Provider, UdpSocket};
use wsk_host::{Config, Host, Timing};

use crate::support::{buffer, on_host};

/// Nobody asks for datagrams without a checksum, which a device on the way may drop.
#[test]
fn pitfall_18_checksums_are_not_turned_off() {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net");
    for file in crate::files(sources.as_ref()) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("UDP_NOCHECKSUM"), "{}", file.display());
    }
}

/// The address of a datagram is the request's until it completes, whatever becomes of the future that sent it.
#[test]
fn pitfall_19_an_address_stays_until_the_request_completes() {
    let host = Host::new(Config::default().timing(Timing::Deferred));
    let settling = host.clone();
    on_host(&host, async move |wsk: Provider| {
        let receiver = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let sender = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let to = receiver.local_addr().await?;
        for _ in 0..5 {
            let address = Box::new(to);
            let mut send = Box::pin(sender.send_to(buffer(b"datagram")?, *address));
            let mut context = Context::from_waker(Waker::noop());
            assert!(send.as_mut().poll(&mut context).is_pending());
            drop((send, address));
        }
        settling.settle();
        let end: SocketAddr = to;
        sender.send_to(buffer(b"the last")?, end).await.into_result()?;
        // What was cancelled too late was sent to where it should go.
        loop {
            let ((count, _), filled) = receiver.recv_from(Buffer::new(64)?).await.into_result()?;
            match &filled[..count] {
                b"the last" => return Ok(()),
                other => assert_eq!(other, b"datagram"),
            }
        }
    })
    .unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}
