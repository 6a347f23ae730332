//! Control data of datagrams.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Waker};

use test_support::connection::buffer;
use test_support::scenario::{on_host, on_host_as};
use wsk::cmsg::{Ecn, PacketInfo, SendControl};
use wsk::{Buffer, Provider, Registration, RegistrationBuilder, UdpSocket};
use wsk_host::{Config, Host, Stripping, Timing};

/// A host that strips control data in this way, on which a socket sends from another address than its system would
/// choose. Whether it did.
fn sends_from_elsewhere(
    stripping: Stripping,
    builder: RegistrationBuilder,
    said: impl Fn(SendControl) -> SendControl,
) -> bool {
    let host = Host::new(Config::default().stripping(stripping));
    let result = on_host_as(&host, builder, async |wsk| {
        let receiver = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let sender = UdpSocket::bind(&wsk, ([0, 0, 0, 0], 0)).await?.into_socket();
        let elsewhere = IpAddr::from([127, 0, 0, 2]);
        let info = PacketInfo { address: elsewhere, interface: 0 };
        let control = said(SendControl::new().packet_info(info));
        let to = receiver.local_addr().await?;
        sender.send_to_with(buffer(b"datagram")?, to, &control).await.into_result()?;
        let ((_, from), _) = receiver.recv_from(Buffer::new(64)?).await.into_result()?;
        Ok::<_, wsk::Error>(from.ip() == elsewhere)
    });
    assert_eq!(host.outstanding_allocations(), 0);
    result.unwrap()
}

/// Filters of the Transport Driver Interface strip control data, unless the client bypasses them.
#[test]
fn pitfall_16_filters_can_be_bypassed() {
    let plain = Registration::builder;
    assert!(!sends_from_elsewhere(Stripping::TdiFilter, plain(), |said| said));
    assert!(sends_from_elsewhere(Stripping::TdiFilter, plain().bypass_tdi(), |said| said));
}

/// Some systems take packet info away that is the only control message.
#[test]
fn pitfall_17_packet_info_need_not_be_alone() {
    let (alone, plain) = (Stripping::PacketInfoAlone, Registration::builder);
    assert!(!sends_from_elsewhere(alone, plain(), |said| said));
    assert!(sends_from_elsewhere(alone, plain(), SendControl::keep_packet_info));
    assert!(sends_from_elsewhere(alone, plain(), |said| said.ecn(Ecn::NotCapable)));
}

/// Datagrams are never sent without a checksum: a device on the path may drop such a one.
#[test]
fn pitfall_18_checksums_are_not_turned_off() {
    for folder in ["/src/net", "/src/socket"] {
        for file in crate::files(format!("{}{folder}", env!("CARGO_MANIFEST_DIR")).as_ref()) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(
                !text.contains("NO_CHECKSUM") && !text.contains("UDP_NOCHECKSUM"),
                "{}",
                file.display()
            );
        }
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
