//! Buffers and slices.

use std::net::Ipv4Addr;

use test_support::connection::streams;
use test_support::scenario::{with_all_timings, with_whole_receives};
use wsk::{Buffer, ErrorKind, UdpSocket};

#[test]
fn a_slice_receives_into_its_part_only() {
    with_whole_receives(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let mut hello = Buffer::new(16)?;
        hello[3..8].copy_from_slice(b"hello");
        client.send_all(hello.slice(3..8)?).await.into_result()?;
        let mut target = Buffer::new(9)?;
        target.fill(b'.');
        let (received, slice) = server.recv(target.slice(2..7)?).await.into_result()?;
        assert_eq!((received, &slice[..]), (5, &b"hello"[..]));
        assert_eq!(&slice.into_inner()[..], b"..hello..");
        Ok(())
    });
}

#[test]
fn an_empty_buffer_sends_and_receives_nothing() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        assert_eq!(client.send_all(Buffer::empty()).await.into_result()?.0, 0);
        assert_eq!(client.send(Buffer::new(0)?).await.into_result()?.0, 0);
        assert_eq!(client.send(Buffer::new(4)?.slice(4..)?).await.into_result()?.0, 0);
        client.shutdown().await?;
        assert_eq!(server.recv(Buffer::new(4)?.slice(1..1)?).await.into_result()?.0, 0);
        Ok(())
    });
}

/// Of either size: an MDL of no bytes could not be built.
#[test]
fn an_empty_buffer_is_described_by_no_mdl() {
    with_all_timings(async |wsk| {
        let receiver = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let to = receiver.local_addr().await?;
        let sender = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        for empty in [Buffer::empty(), Buffer::new(0)?] {
            assert_eq!(sender.send_to(empty, to).await.into_result()?.0, 0);
            let ((received, _), _) = receiver.recv_from(Buffer::new(0)?).await.into_result()?;
            assert_eq!(received, 0);
        }
        Ok(())
    });
}

#[test]
fn new_buffers_are_zeroed_and_have_a_largest_size() {
    let buffer = Buffer::new(if cfg!(miri) { 5000 } else { 100_000 }).unwrap();
    assert!(buffer.iter().all(|&byte| byte == 0));
    let error = Buffer::new(Buffer::MAX_SIZE + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSize);
    if !cfg!(miri) {
        assert_eq!(Buffer::new(Buffer::MAX_SIZE).unwrap().len(), Buffer::MAX_SIZE);
    }
}

#[test]
fn ranges_are_checked() {
    let new = || Buffer::new(10).unwrap();
    assert_eq!(new().slice(..).unwrap().len(), 10);
    assert_eq!(new().slice(3..=4).unwrap().len(), 2);
    assert_eq!(new().slice(2..8).unwrap().slice(1..3).unwrap().len(), 2);
    assert!(new().slice(11..).is_err());
    #[expect(clippy::reversed_empty_ranges, reason = "that it is an error is the point")]
    let reversed = new().slice(5..4);
    assert!(reversed.is_err());
    assert!(new().slice(..=usize::MAX).is_err());
    assert!(new().slice(2..4).unwrap().slice(..3).is_err());
}
