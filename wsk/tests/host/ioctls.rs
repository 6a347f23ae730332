//! Control codes of sockets.

use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use test_support::connection::{buffer, sockets};
use test_support::futures::join;
use test_support::scenario::with_all_timings;
use wsk::events::{ConditionalListenEvents, InspectId, Inspection};
use wsk::options::{self, BufferIoctl, KeepAlive, Tcp, tcp};
use wsk::socket::{BasicSocket, ConnectionSocket, Family, ListenSocket};
use wsk::{BufResult, Buffer, ErrorKind, sys};

#[test]
fn keep_alive_is_set_by_one_ioctl() {
    with_all_timings(async |wsk| {
        let (socket, _peer) = sockets(&wsk).await?;
        let idle = Duration::from_secs(2);
        let values = KeepAlive { idle, interval: Duration::from_secs(3) };
        socket.ioctl(options::KEEP_ALIVE_VALUES, Some(values)).await?;
        assert!(socket.get(options::KEEP_ALIVE).await?);
        assert_eq!(socket.get(tcp::KEEP_IDLE).await?, idle);
        socket.ioctl(options::KEEP_ALIVE_VALUES, None).await?;
        assert!(!socket.get(options::KEEP_ALIVE).await?);
        Ok(())
    });
}

#[test]
fn long_values_travel_in_buffers_that_come_back() {
    with_all_timings(async |wsk| {
        let (redirected, _peer) = sockets(&wsk).await?;
        let own = ConnectionSocket::builder(&wsk, Family::INET).create().await?;
        let records = Buffer::new(3000)?.slice(1000..2000)?;
        let BufResult(result, (records, nothing)) =
            own.ioctl_with_buffers(options::SET_REDIRECT_RECORDS, records, Buffer::empty()).await;
        assert_eq!((result?, records.len(), nothing.len()), (0, 1000, 0));
        assert_eq!(records.into_inner().len(), 3000);
        // No connection of a host was redirected.
        for code in [options::REDIRECT_RECORDS, options::REDIRECT_CONTEXT] {
            let room = Buffer::new(500)?;
            let BufResult(result, (_, room)) =
                redirected.ioctl_with_buffers(code, Buffer::empty(), room).await;
            assert_eq!((result.unwrap_err().kind(), room.len()), (ErrorKind::NotFound, 500));
        }
        Ok(())
    });
}

/// The output is at the buffer's beginning; the rest of the buffer is unchanged.
#[test]
fn the_output_is_in_the_returned_buffer() {
    // SAFETY: the code answers with a structure of one byte, and takes nothing.
    const SCALES: BufferIoctl<Tcp> =
        unsafe { BufferIoctl::new(sys::SIO_QUERY_RSS_SCALABILITY_INFO) }.at_passive_level();
    with_all_timings(async |wsk| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        let room = buffer(&[7; 10])?.slice(3..6)?;
        let result = socket.ioctl_with_buffers(SCALES, Buffer::empty(), room).await;
        let (size, (_, room)) = result.into_result()?;
        assert_eq!((size, &room[..]), (1, &[0, 7, 7][..]));
        assert_eq!(&room.into_inner()[..], [7, 7, 7, 0, 7, 7, 7, 7, 7, 7]);
        // There is a place for one byte, and none for none.
        let result = socket.ioctl_with_buffers(SCALES, buffer(b"in")?, Buffer::new(0)?).await;
        assert_eq!(
            (result.0.unwrap_err().kind(), &result.1.0[..]),
            (ErrorKind::InvalidSize, &b"in"[..])
        );
        Ok(())
    });
}

/// At another level than theirs, requests are not made; the host would stop the process.
#[test]
fn ioctls_for_passive_level_require_it() {
    with_all_timings(async |wsk| {
        let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
        let (connection, _peer) = sockets(&wsk).await?;
        {
            let mut typed = pin!(socket.ioctl(options::RSS_SCALABILITY, ()));
            let room = Buffer::new(10)?;
            let mut long = pin!(connection.ioctl_with_buffers(
                options::REDIRECT_RECORDS,
                Buffer::empty(),
                room
            ));
            let mut context = Context::from_waker(Waker::noop());
            // SAFETY: the level is raised, and lowered again below.
            let before = unsafe { sys::KfRaiseIrql(sys::DISPATCH_LEVEL) };
            let typed = typed.as_mut().poll(&mut context);
            let long = long.as_mut().poll(&mut context);
            // SAFETY: it was raised above.
            unsafe { sys::KeLowerIrql(before) };
            let Poll::Ready(Err(error)) = typed else { panic!("{typed:?}") };
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let Poll::Ready(BufResult(Err(error), (_, room))) = long else { panic!("{long:?}") };
            assert_eq!((error.kind(), room.len()), (ErrorKind::InvalidInput, 10));
        }
        socket.ioctl(options::RSS_SCALABILITY, ()).await?;
        Ok(())
    });
}

/// Accepts every connection, and records its inspect identifier.
#[derive(Default)]
struct Inspector(Mutex<Vec<InspectId>>);

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        self.0.lock().unwrap().push(inspection.id());
        inspection.accept();
    }
}

#[test]
fn an_accepted_connection_reports_its_inspect_id() {
    with_all_timings(async |wsk| {
        let listener = ListenSocket::builder(&wsk, Family::INET)
            .events(Inspector::default())
            .bind(([127, 0, 0, 1], 0))
            .await?;
        let address = listener.local_addr().await?;
        for _ in 0..2 {
            // A connection exists once it is accepted, in whichever order the two sides are awaited.
            let connect = ConnectionSocket::builder(&wsk, Family::INET).connect(address);
            let (connected, accepted) = join(connect, listener.accept()).await;
            let (connected, (accepted, _)) = (connected?, accepted?);
            let id = accepted.inspect_id()?;
            assert_eq!(listener.handler().0.lock().unwrap().last(), Some(&id));
            // The other side was not accepted.
            let error = connected.inspect_id().unwrap_err();
            assert_eq!(error.status(), sys::STATUS_INVALID_DEVICE_REQUEST);
        }
        let ids = listener.handler().0.lock().unwrap().clone();
        assert!(matches!(ids[..], [first, second] if first != second), "{ids:?}");
        let (_, uninspected) = sockets(&wsk).await?;
        assert_eq!(uninspected.inspect_id().unwrap_err().kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}
