//! Read and write requests whose memory is lent.
//!
//! # Safety
//!
//! A program's request is an IRP with its memory, which its completion routine frees, as the I/O manager does.

#![expect(unsafe_code, reason = "see Safety")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "one comment for a sequence of raw calls")]

use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex};

use test_support::connection::streams;
use test_support::foreign::{ForeignMemory, UNTOUCHED};
use test_support::futures::{join, poll_times};
use test_support::scenario::{on_host, timings, with_all_timings, with_whole_receives};
use wsk::sys::{
    FALSE, IoAllocateIrp, IoCancelIrp, IoFreeIrp, IoMarkIrpPending, IoSetCompletionRoutine,
    IoSetNextIrpStackLocation, NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID, STATUS_CANCELLED,
    STATUS_MORE_PROCESSING_REQUIRED, STATUS_SUCCESS, TRUE, fields,
};
use wsk::{Buffer, Chain, Error, ErrorKind, LentAccess, PendedIrp};
use wsk_host::{Config, Host};

/// How often a program's request was completed, and with which status, information and bytes.
type Ends = Arc<Mutex<Vec<(NTSTATUS, usize, Vec<u8>)>>>;

struct Program {
    memory: Option<ForeignMemory>,
    ends: Ends,
}

/// Ends a program's request: its pages are unlocked, and its MDLs freed. The host stops a driver that still uses them.
unsafe extern "C" fn ended(_: PDEVICE_OBJECT, irp: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: `send` passes this context.
    let Program { memory, ends } = *unsafe { Box::from_raw(context.cast::<Program>()) };
    // SAFETY: the IRP is this routine's.
    let status = unsafe { (*irp).IoStatus };
    let bytes = memory.as_ref().map(ForeignMemory::bytes).unwrap_or_default();
    drop(memory);
    // SAFETY: the IRP is this routine's.
    unsafe { IoFreeIrp(irp) };
    ends.lock().unwrap().push((fields::status(&status), fields::information(&status), bytes));
    STATUS_MORE_PROCESSING_REQUIRED
}

/// A program's request, as a driver's dispatch routine pends it.
fn send(memory: Option<ForeignMemory>, access: LentAccess) -> (PendedIrp, Ends) {
    let ends = Ends::default();
    // SAFETY: the location is for this driver; the routine is for this context, and gets an IRP that was marked pending.
    let irp = unsafe {
        let irp = IoAllocateIrp(1, FALSE);
        assert!(!irp.is_null());
        (*irp).MdlAddress = memory.as_ref().map_or(ptr::null_mut(), ForeignMemory::mdl);
        let context = Box::into_raw(Box::new(Program { memory, ends: Arc::clone(&ends) }));
        IoSetCompletionRoutine(irp, Some(ended), context.cast(), TRUE, TRUE, TRUE);
        IoSetNextIrpStackLocation(irp);
        IoMarkIrpPending(irp);
        irp
    };
    // SAFETY: the IRP was marked pending, its pages are locked until it is completed, and no other code completes it.
    let pended = unsafe { PendedIrp::from_raw(NonNull::new(irp).unwrap(), access) };
    (pended, ends)
}

fn write(bytes: &[u8]) -> (PendedIrp, Ends) {
    let mut memory = ForeignMemory::locked(&[2, bytes.len() - 2]);
    memory.fill(bytes);
    send(Some(memory), LentAccess::ReadOnly)
}

fn read(size: usize) -> (PendedIrp, Ends) {
    send(Some(ForeignMemory::locked(&[size - 1, 1])), LentAccess::ReadWrite)
}

fn taken(ends: &Ends) -> Vec<(NTSTATUS, usize, Vec<u8>)> {
    std::mem::take(&mut ends.lock().unwrap())
}

/// A write is sent behind a header, and a read is filled behind one: in the requests' own memory.
#[test]
fn a_write_and_a_read_are_completed_when_their_memory_is_back() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let sends = async {
            let (irp, ends) = write(b"the payload");
            assert_eq!((irp.len(), irp.is_cancelled(), irp.is_empty()), (11, false, false));
            let mut message = Chain::from(Buffer::try_from(b"head")?);
            let lent = irp.lend().map_err(|(error, _)| error)?;
            message.push_back_lent(lent).map_err(|(error, _)| error)?;
            let (_, mut message) = client.send_all(message).await.into_result()?;
            assert!(taken(&ends).is_empty(), "it is completed too early");
            message.pop_front();
            let lent = message.pop_front_lent::<PendedIrp>().expect("the payload");
            lent.into_owner().expect("it was not kept").complete(Ok(11));
            assert_eq!(taken(&ends), [(STATUS_SUCCESS, 11, b"the payload".to_vec())]);
            Ok::<_, Error>(())
        };
        let receives = async {
            let (irp, ends) = read(11);
            let mut room = Chain::from(Buffer::new(4)?);
            let lent = irp.lend().map_err(|(error, _)| error)?;
            room.push_back_lent(lent).map_err(|(error, _)| error)?;
            let ((), mut filled) = server.recv_exact(room).await.into_result()?;
            assert!(taken(&ends).is_empty(), "it is completed too early");
            assert_eq!(&filled.pop_front().expect("the header")[..], b"head");
            let lent = filled.pop_front_lent::<PendedIrp>().expect("the payload");
            lent.into_owner().expect("it was not kept").complete(Ok(11));
            assert_eq!(taken(&ends), [(STATUS_SUCCESS, 11, b"the payload".to_vec())]);
            Ok::<_, Error>(())
        };
        let (sent, received) = join(sends, receives).await;
        sent?;
        received
    });
}

/// Whatever becomes of the request that has its memory, the IRP is completed once, and not before. The completion frees the MDLs:
/// the host would stop the driver if a request still used them.
#[test]
fn an_irp_of_a_dropped_request_is_completed_once_as_cancelled() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let mut all = Vec::new();
        on_host(&host, async |wsk| {
            let (client, server) = streams(&wsk).await?;
            let mut lend = |(irp, ends): (PendedIrp, Ends)| {
                all.push(ends);
                irp.lend().map_err(|(error, _)| error)
            };
            drop(poll_times(server.recv(lend(read(60_000))?), 1).await);
            drop(poll_times(server.recv_exact(lend(read(60_000))?), 1).await);
            drop(poll_times(client.send_all(lend(write(&vec![7; 60_000]))?), 1).await);
            drop(poll_times(client.shutdown_with(lend(write(&vec![8; 60_000]))?), 1).await);
            drop(lend(read(10))?);
            assert!(lend(read(10))?.slice(20..).is_err());
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        for ends in &all {
            let ends = taken(ends);
            let status = ends.first().map(|(status, information, _)| (*status, *information));
            assert_eq!((ends.len(), status), (1, Some((STATUS_CANCELLED, 0))), "{timing:?}");
        }
        assert_eq!((all.len(), host.outstanding_allocations()), (6, 0), "{timing:?}");
    }
}

#[test]
fn a_cancelled_read_is_completed_when_its_socket_is_closed() {
    with_whole_receives(async |wsk| {
        let (_client, server) = streams(&wsk).await?;
        let (irp, ends) = read(8);
        let lent = irp.lend().map_err(|(error, _)| error)?;
        let receive = server.recv(lent);
        assert!(poll_times(receive, 1).await.is_none(), "there is nothing to be received");
        server.close().await;
        assert_eq!(taken(&ends), [(STATUS_CANCELLED, 0, vec![UNTOUCHED; 8])]);
        let (irp, ends) = read(8);
        // SAFETY: the IRP is pended, and has no cancel routine.
        unsafe { IoCancelIrp(irp.as_raw()) };
        assert!(irp.is_cancelled());
        irp.complete(Err(Error::from_status(STATUS_CANCELLED).expect("it is an error")));
        assert_eq!(taken(&ends), [(STATUS_CANCELLED, 0, vec![UNTOUCHED; 8])]);
        Ok(())
    });
}

#[test]
fn an_irp_without_memory_is_not_lent() {
    with_whole_receives(async |_| {
        let (irp, ends) = send(None, LentAccess::ReadOnly);
        assert!(irp.is_empty());
        let (error, irp) = irp.lend().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSize);
        irp.complete(Ok(0));
        assert_eq!(taken(&ends), [(STATUS_SUCCESS, 0, Vec::new())]);
        Ok(())
    });
}

/// The memory of a write request may not be received into.
#[test]
fn a_write_is_not_received_into() {
    with_whole_receives(async |wsk| {
        let (_client, server) = streams(&wsk).await?;
        let (irp, ends) = write(b"constant");
        let refused = server.recv(irp.lend().map_err(|(error, _)| error)?).await;
        assert_eq!(refused.0.unwrap_err().kind(), ErrorKind::PermissionDenied);
        drop(refused.1);
        assert_eq!(taken(&ends), [(STATUS_CANCELLED, 0, b"constant".to_vec())]);
        Ok(())
    });
}
