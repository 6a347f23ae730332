//! The C interface.

use std::mem::{MaybeUninit, offset_of};
use std::ptr;

use test_support::scenario::on_host;
use wsk::sys::*;
use wsk::{Buffer, ErrorKind};
use wsk_host::{Config, Host, Windows};

/// Every table begins with what C has there, the version and its padding included.
#[test]
fn pitfall_24_tables_begin_with_their_version() {
    assert_eq!(offset_of!(WSK_PROVIDER_DISPATCH, WskSocket), 8);
    assert_eq!(offset_of!(WSK_PROVIDER_DISPATCH, WskSocketConnect), 16);
    assert_eq!(offset_of!(WSK_CLIENT_DISPATCH, WskClientEvent), 8);
    assert_eq!(offset_of!(WSK_PROVIDER_LISTEN_DISPATCH, WskBind), 16);
    assert_eq!(offset_of!(WSK_PROVIDER_CONNECTION_DISPATCH, WskReceive), 16 + 5 * 8);
    assert_eq!(offset_of!(WSK_PROVIDER_STREAM_DISPATCH, WskReceive), 16 + 5 * 8);
    assert_eq!(offset_of!(WSK_PROVIDER_DATAGRAM_DISPATCH, WskRelease), 16 + 3 * 8);
}

unsafe extern "C" fn never(_device: PDEVICE_OBJECT, _irp: PIRP, _context: PVOID) -> NTSTATUS {
    STATUS_MORE_PROCESSING_REQUIRED
}

/// Each outcome has its own bit: on success `0x40`, on error `0x80`, on cancel `0x20`.
#[test]
fn pitfall_25_outcomes_of_a_completion_routine() {
    #[repr(C)]
    struct Packet {
        irp: IRP,
        locations: [IO_STACK_LOCATION; 1],
    }
    let host = Host::new(Config::default());
    let _entered = host.enter();
    for (outcomes, bits) in [
        ((TRUE, FALSE, FALSE), 0x40),
        ((FALSE, TRUE, FALSE), 0x80),
        ((FALSE, FALSE, TRUE), 0x20),
        ((TRUE, TRUE, TRUE), 0xE0),
    ] {
        let mut packet = Box::new(MaybeUninit::<Packet>::zeroed());
        let irp: PIRP = packet.as_mut_ptr().cast();
        // SAFETY: there is room for an IRP and one location.
        unsafe { IoInitializeIrp(irp, IoSizeOfIrp(1), 1) };
        let (success, error, cancel) = outcomes;
        // SAFETY: the IRP was initialized, and is used no further.
        unsafe {
            IoSetCompletionRoutine(irp, Some(never), ptr::null_mut(), success, error, cancel);
        };
        // SAFETY: an IRP of zeroes, initialized, with its one location.
        let packet = unsafe { packet.assume_init_ref() };
        assert_eq!(packet.locations[0].Control, bits);
    }
}

/// Structures are as large as C's, and none has shrunk to a byte, as opaque ones do.
#[test]
fn pitfall_26_layouts() {
    assert_eq!(size_of::<WSK_TRANSPORT>(), 28);
    assert_eq!(size_of::<WSK_DATAGRAM_INDICATION>(), 56);
    assert_eq!(size_of::<WSK_REGISTRATION>(), 24);
    assert_eq!(size_of::<SOCKADDR_STORAGE>(), 128);
    assert_eq!(size_of::<IRP>(), 208);
    assert_eq!(size_of::<MDL>(), 48);
    assert_eq!(size_of::<KEVENT>(), 24);
}

/// `ExAllocatePool2` is not there before version 2004 of Windows 10, and nothing needs it.
#[test]
fn pitfall_27_a_windows_without_ex_allocate_pool_2() {
    for windows in [Windows::EIGHT, Windows::TEN_1803, Windows::TEN_2004] {
        let host = Host::new(Config::default().windows(windows));
        let failing = host.clone();
        on_host(&host, async move |_| {
            assert_eq!(Buffer::new(100)?[..], [0; 100]);
            failing.fail_allocation(1);
            assert_eq!(Buffer::new(100).unwrap_err().kind(), ErrorKind::OutOfMemory);
            Ok(())
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}
