//! The shapes in which received data is indicated to callbacks.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use test_support::hosts::{both_networks, on, real, simulated};
use test_support::raw::datagrams::{any_port, bound, local_address, send_to, with_callback};
use test_support::raw::streams::send_all;
use test_support::raw::{Client, accept, bind, close, set_events, socket_of};
use wsk_host::{Config, Indications};
use wsk_sys::*;

/// A property of an indication's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// The data is in more than one structure.
    SeveralStructures,
    /// One MDL describes the data and nothing else.
    Plain,
    /// The data is in more than two MDLs.
    ManyMdls,
    /// An MDL of no bytes.
    EmptyMdl,
    /// Bytes in front of the data.
    InFront,
    /// Bytes behind the data, in its last MDL.
    Behind,
    /// An MDL behind that with the last bytes of the data.
    MdlBehind,
    /// No MDL.
    NoMdl,
    /// A datagram of no bytes, with an MDL.
    EmptyWithMdl,
}

/// The context of a socket's callback.
struct IndicatedCalls {
    shapes: Mutex<BTreeSet<Shape>>,
    bytes: Mutex<Vec<Vec<u8>>>,
    /// A semaphore that counts the calls.
    called: *mut KSEMAPHORE,
}

impl IndicatedCalls {
    #[expect(clippy::unnecessary_box_returns, reason = "its address is a socket's context")]
    fn new() -> Box<Self> {
        let called = Box::into_raw(Box::<KSEMAPHORE>::new_uninit()).cast();
        // SAFETY: there is room for the semaphore.
        unsafe { KeInitializeSemaphore(called, 0, LONG::MAX) };
        Box::new(Self { shapes: Mutex::default(), bytes: Mutex::default(), called })
    }

    fn context(&self) -> PVOID {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// Adds the shapes and the bytes of a buffer.
    ///
    /// # Safety
    ///
    /// The buffer is one of an indication.
    unsafe fn add(&self, buffer: &WSK_BUF) {
        let WSK_BUF { Mdl: mut mdl, Offset: offset, Length: length } = *buffer;
        let mut bytes = Vec::new();
        let mut shapes = BTreeSet::new();
        let (mut offset, mut mdls, mut holding) = (offset as usize, 0, 0);
        if mdl.is_null() {
            assert_eq!((offset, length), (0, 0), "there is no MDL");
            shapes.insert(Shape::NoMdl);
        } else if length == 0 {
            shapes.insert(Shape::EmptyWithMdl);
        }
        if offset > 0 {
            shapes.insert(Shape::InFront);
            // SAFETY: an offset is one in the first MDL, which is the callback's.
            assert!(offset < unsafe { (*mdl).ByteCount } as usize, "the offset is outside");
        }
        while !mdl.is_null() {
            // SAFETY: the chain is the callback's.
            let (size, start) =
                unsafe { ((*mdl).ByteCount as usize, MmGetSystemAddressForMdlSafe(mdl, 0)) };
            let here = (size - offset).min(length - bytes.len());
            let is_over = mdls > 0 && bytes.len() == length;
            // SAFETY: the MDL describes this many bytes.
            bytes.extend_from_slice(unsafe {
                std::slice::from_raw_parts(start.cast::<u8>().add(offset), here)
            });
            mdls += 1;
            holding += usize::from(here > 0);
            match size {
                0 => _ = shapes.insert(Shape::EmptyMdl),
                _ if is_over => _ = shapes.insert(Shape::MdlBehind),
                _ if size > offset + here => _ = shapes.insert(Shape::Behind),
                _ => {}
            }
            offset = 0;
            // SAFETY: the chain is the callback's.
            mdl = unsafe { (*mdl).Next };
        }
        assert_eq!(bytes.len(), length, "the chain is shorter than the data");
        if holding > 2 {
            shapes.insert(Shape::ManyMdls);
        }
        if mdls == 1 && shapes.is_empty() {
            shapes.insert(Shape::Plain);
        }
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner).extend(shapes);
    }

    fn is_called(&self) {
        // SAFETY: the semaphore is initialized.
        unsafe { KeReleaseSemaphore(self.called, 0, 1, FALSE) };
    }

    /// Waits until the bytes that were indicated are enough, and returns them.
    fn wait_until(&self, is_enough: impl Fn(&[Vec<u8>]) -> bool) -> Vec<Vec<u8>> {
        loop {
            let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if is_enough(&bytes) {
                return bytes;
            }
            let called = self.called.cast();
            // SAFETY: the semaphore is initialized, and this thread may wait.
            unsafe {
                KeWaitForSingleObject(called, Executive, KernelMode, FALSE, ptr::null_mut());
            }
        }
    }

    fn shapes(&self) -> BTreeSet<Shape> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for IndicatedCalls {
    fn drop(&mut self) {
        // SAFETY: `new` made it, and no callback runs any more.
        drop(unsafe { Box::from_raw(self.called.cast::<MaybeUninit<KSEMAPHORE>>()) });
    }
}

unsafe extern "C" fn received(
    context: PVOID,
    _flags: ULONG,
    mut list: PWSK_DATA_INDICATION,
    count: SIZE_T,
    _accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the socket's context.
    let seen = unsafe { &*context.cast::<IndicatedCalls>() };
    let (mut structures, mut total) = (0, 0);
    // SAFETY: the list is valid during the call.
    while let Some(one) = unsafe { list.as_ref() } {
        // SAFETY: the buffer is the list's.
        unsafe { seen.add(&one.Buffer) };
        (structures, total, list) = (structures + 1, total + one.Buffer.Length, one.Next);
    }
    assert_eq!(total, count, "the structures have other bytes than the callback says");
    if structures > 1 {
        seen.shapes.lock().unwrap_or_else(PoisonError::into_inner).insert(Shape::SeveralStructures);
    }
    seen.is_called();
    STATUS_SUCCESS
}

unsafe extern "C" fn received_from(
    context: PVOID,
    _flags: ULONG,
    mut list: PWSK_DATAGRAM_INDICATION,
) -> NTSTATUS {
    // SAFETY: the socket's context.
    let seen = unsafe { &*context.cast::<IndicatedCalls>() };
    // SAFETY: the list is valid during the call.
    while let Some(one) = unsafe { list.as_ref() } {
        // SAFETY: the buffer is the list's.
        unsafe { seen.add(&one.Buffer) };
        list = one.Next;
    }
    seen.is_called();
    STATUS_SUCCESS
}

static CONNECTION: WSK_CLIENT_CONNECTION_DISPATCH = WSK_CLIENT_CONNECTION_DISPATCH {
    WskReceiveEvent: Some(received),
    WskDisconnectEvent: None,
    WskSendBacklogEvent: None,
};

static DATAGRAM: WSK_CLIENT_DATAGRAM_DISPATCH =
    WSK_CLIENT_DATAGRAM_DISPATCH { WskReceiveFromEvent: Some(received_from) };

/// The shapes of a connection's data.
fn of_a_connection(client: &Client) -> BTreeSet<Shape> {
    let seen = IndicatedCalls::new();
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let socket = client.connected_to(address, ptr::null_mut(), ptr::null());
    let accepted = accept(listener, seen.context(), &raw const CONNECTION).succeed();
    let accepted = socket_of(accepted);
    assert_eq!(set_events(accepted, WSK_EVENT_RECEIVE), STATUS_SUCCESS);
    let bytes: Vec<u8> = (0..200).collect();
    for _ in 0..20 {
        send_all(socket, &bytes);
    }
    let all = seen.wait_until(|parts| parts.iter().map(Vec::len).sum::<usize>() == 4000);
    assert_eq!(all.concat(), bytes.repeat(20));
    for socket in [listener, socket, accepted] {
        close(socket);
    }
    seen.shapes()
}

/// The shapes of datagrams.
fn of_datagrams(client: &Client) -> BTreeSet<Shape> {
    let seen = IndicatedCalls::new();
    let socket = with_callback(client, AF_INET, seen.context(), &raw const DATAGRAM);
    bind(socket, any_port(AF_INET)).succeed();
    let address = local_address(socket);
    assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
    let (from, _) = bound(client, any_port(AF_INET));
    for _ in 0..25 {
        send_to(from, b"", address);
        send_to(from, &[7; 100], address);
    }
    let mut all = seen.wait_until(|datagrams| datagrams.len() == 50);
    all.sort();
    assert_eq!(all, [vec![vec![]; 25], vec![vec![7; 100]; 25]].concat());
    for socket in [socket, from] {
        close(socket);
    }
    seen.shapes()
}

/// The shapes on all of these hosts.
fn on_all(
    configs: impl IntoIterator<Item = Config>,
    shapes: fn(&Client) -> BTreeSet<Shape>,
) -> BTreeSet<Shape> {
    let all = Mutex::new(BTreeSet::new());
    on(configs, |client| all.lock().unwrap().extend(shapes(client)));
    all.into_inner().unwrap()
}

fn networks() -> impl Iterator<Item = Vec<Config>> {
    [simulated(), real()].into_iter().filter(|configs| !configs.is_empty())
}

#[test]
#[cfg_attr(miri, ignore = "two seeds have too few indications for all shapes")]
fn the_data_of_connections_comes_in_every_shape() {
    use Shape::{Behind, EmptyMdl, InFront, ManyMdls, MdlBehind, Plain, SeveralStructures};
    let every = [SeveralStructures, Plain, ManyMdls, EmptyMdl, InFront, Behind, MdlBehind].into();
    for configs in networks() {
        assert_eq!(on_all(configs, of_a_connection), every);
    }
}

#[test]
#[cfg_attr(miri, ignore = "two seeds have too few indications for all shapes")]
fn datagrams_come_in_every_shape() {
    use Shape::{Behind, EmptyMdl, EmptyWithMdl, InFront, ManyMdls, MdlBehind, NoMdl, Plain};
    let every = [Plain, ManyMdls, EmptyMdl, InFront, Behind, MdlBehind, NoMdl, EmptyWithMdl].into();
    for configs in networks() {
        assert_eq!(on_all(configs, of_datagrams), every);
    }
}

#[test]
fn a_setting_makes_every_indication_plain() {
    let plain = || both_networks().into_iter().map(|config| config.indications(Indications::Plain));
    assert_eq!(on_all(plain(), of_a_connection), [Shape::Plain].into());
    let datagrams = [Shape::Plain, Shape::EmptyMdl, Shape::EmptyWithMdl].into();
    assert_eq!(on_all(plain(), of_datagrams), datagrams);
}
