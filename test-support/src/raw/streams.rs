//! Calls of connections and stream sockets beyond the simplest.

use std::net::SocketAddr;
use std::ptr;

use wsk_sys::*;

use super::{
    Client, PoolAddress, PoolBuffer, Request, TAG, basic, call, connection, listen, npi, stream,
};

/// A chain of MDLs, each with its own pool memory, and a `WSK_BUF` that begins inside the first.
///
/// # Invariants
///
/// The value owns the memory of each part, its MDL, and the `WSK_BUF`, whose MDLs are those of the parts in order.
pub struct PoolChain {
    parts: Vec<(*mut u8, usize, PMDL)>,
    offset: usize,
    /// A description of all of its parts.
    pub buffer: PWSK_BUF,
}

impl PoolChain {
    /// Parts of these sizes. The first has `offset` bytes before the buffer's beginning.
    pub fn new(offset: usize, sizes: &[usize]) -> Self {
        let mut parts = Vec::new();
        for (index, size) in sizes.iter().enumerate() {
            let size = if index == 0 { size + offset } else { *size };
            // SAFETY: each call takes the objects that the calls before it returned.
            unsafe {
                let bytes: *mut u8 = ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG).cast();
                bytes.write_bytes(0xEE, size);
                let mdl_size = size.try_into().unwrap();
                let mdl = IoAllocateMdl(bytes.cast(), mdl_size, FALSE, FALSE, ptr::null_mut());
                MmBuildMdlForNonPagedPool(mdl);
                parts.push((bytes, size, mdl));
            }
        }
        for pair in parts.windows(2) {
            // SAFETY: the MDLs were allocated above.
            unsafe { (*pair[0].2).Next = pair[1].2 };
        }
        let length = sizes.iter().sum();
        let size = size_of::<WSK_BUF>();
        // SAFETY: the memory has the size of a `WSK_BUF`.
        let buffer = unsafe {
            let buffer: PWSK_BUF = ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG).cast();
            let offset = offset.try_into().unwrap();
            buffer.write(WSK_BUF { Mdl: parts[0].2, Offset: offset, Length: length });
            buffer
        };
        Self { parts, offset, buffer }
    }

    fn places(&self) -> impl Iterator<Item = *mut u8> {
        let all = self.parts.iter().flat_map(|(bytes, size, _)| {
            // SAFETY: the part has `size` bytes.
            (0..*size).map(|index| unsafe { bytes.add(index) })
        });
        all.skip(self.offset)
    }

    /// Writes bytes, from the first part on.
    pub fn fill(&self, bytes: &[u8]) {
        for (to, from) in self.places().zip(bytes) {
            // SAFETY: the place is inside a part of this chain.
            unsafe { to.write(*from) };
        }
    }

    /// Reads the first `count` bytes.
    pub fn read(&self, count: usize) -> Vec<u8> {
        // SAFETY: the places are inside parts of this chain, whose bytes `new` wrote.
        self.places().take(count).map(|place| unsafe { place.read() }).collect()
    }
}

impl Drop for PoolChain {
    fn drop(&mut self) {
        for (bytes, _, mdl) in &self.parts {
            // SAFETY: `new` allocated both, and no request uses them any more.
            unsafe {
                IoFreeMdl(*mdl);
                ExFreePoolWithTag(bytes.cast(), TAG);
            }
        }
        // SAFETY: `new` allocated it, and no request uses it any more.
        unsafe { ExFreePoolWithTag(self.buffer.cast(), TAG) };
    }
}

/// `count` bytes, each different from its neighbors.
#[expect(clippy::cast_possible_truncation, reason = "below the modulus")]
pub fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index % 251) as u8).collect()
}

/// `WskSend`.
pub fn send_buf(socket: PWSK_SOCKET, buffer: PWSK_BUF, flags: ULONG) -> Request {
    // SAFETY: the socket is a connection's or a stream's, and the caller keeps the buffer.
    call(|irp| unsafe { connection(socket).WskSend.unwrap()(socket, buffer, flags, irp) })
}

/// `WskReceive`.
pub fn receive_buf(socket: PWSK_SOCKET, buffer: PWSK_BUF, flags: ULONG) -> Request {
    // SAFETY: the socket is a connection's or a stream's, and the caller keeps the buffer.
    call(|irp| unsafe { connection(socket).WskReceive.unwrap()(socket, buffer, flags, irp) })
}

/// Sends bytes, and waits until all of them were sent.
#[track_caller]
pub fn send_all(socket: PWSK_SOCKET, bytes: &[u8]) {
    let buffer = PoolBuffer::with(bytes);
    assert_eq!(send_buf(socket, buffer.buffer, 0).succeed(), bytes.len());
}

/// Receives with an empty buffer: enables the next indication, and waits until data has arrived.
#[track_caller]
pub fn receive_nothing(socket: PWSK_SOCKET) {
    let buffer = PoolBuffer::new(0);
    assert_eq!(receive_buf(socket, buffer.buffer, 0).succeed(), 0);
}

/// Receives up to `most` bytes, and waits for them.
pub fn receive_some(socket: PWSK_SOCKET, most: usize) -> (NTSTATUS, Vec<u8>) {
    let buffer = PoolBuffer::new(most);
    let (status, count) = receive_buf(socket, buffer.buffer, 0).wait();
    (status, if status == STATUS_SUCCESS { buffer.read(count) } else { Vec::new() })
}

/// Receives until the peer has finished.
#[track_caller]
pub fn receive_to_end(socket: PWSK_SOCKET) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let (status, bytes) = receive_some(socket, 1000);
        assert_eq!(status, STATUS_SUCCESS, "{status:#x}");
        if bytes.is_empty() {
            return all;
        }
        all.extend(bytes);
    }
}

/// `WskDisconnect`, with last bytes if there is a buffer.
pub fn disconnect_with(socket: PWSK_SOCKET, buffer: Option<&PoolBuffer>, flags: ULONG) -> Request {
    let buffer = buffer.map_or(ptr::null_mut(), |buffer| buffer.buffer);
    // SAFETY: the socket is a connection's or a stream's, and the caller keeps the buffer.
    call(|irp| unsafe { connection(socket).WskDisconnect.unwrap()(socket, buffer, flags, irp) })
}

/// `WskConnectEx`, with first bytes if there is a buffer.
pub fn connect_ex(
    socket: PWSK_SOCKET,
    address: SocketAddr,
    buffer: Option<&PoolBuffer>,
    flags: ULONG,
) -> Request {
    let address = PoolAddress::new(address);
    let buffer = buffer.map_or(ptr::null_mut(), |buffer| buffer.buffer);
    // SAFETY: the socket is a connection's. Addresses are read during the call.
    call(|irp| unsafe {
        connection(socket).WskConnectEx.unwrap()(socket, address.0, buffer, flags, irp)
    })
}

/// `WskSendEx` without control data.
pub fn send_ex(socket: PWSK_SOCKET, buffer: &PoolBuffer, flags: ULONG) -> Request {
    let (buffer, none) = (buffer.buffer, ptr::null_mut());
    // SAFETY: the socket is a connection's, and the caller keeps the buffer.
    call(|irp| unsafe {
        connection(socket).WskSendEx.unwrap()(socket, buffer, flags, 0, none, irp)
    })
}

/// `WskReceiveEx`, with a length for control data.
pub fn receive_ex(
    socket: PWSK_SOCKET,
    buffer: &PoolBuffer,
    flags: ULONG,
    length: &PoolBuffer,
) -> Request {
    let (buffer, none) = (buffer.buffer, ptr::null_mut());
    let length = length.bytes.cast();
    // SAFETY: the socket is a connection's, and the caller keeps the buffer and the length.
    call(|irp| unsafe {
        let function = connection(socket).WskReceiveEx.unwrap();
        function(socket, buffer, flags, length, none, ptr::null_mut(), irp)
    })
}

/// The local and the remote address of a connection socket.
pub fn addresses(socket: PWSK_SOCKET) -> [Result<SocketAddr, NTSTATUS>; 2] {
    let table = connection(socket);
    [table.WskGetLocalAddress.unwrap(), table.WskGetRemoteAddress.unwrap()].map(|function| {
        let address = PoolAddress::empty();
        // SAFETY: the socket is a connection's.
        let (status, _) = call(|irp| unsafe { function(socket, address.0, irp) }).wait();
        if status == STATUS_SUCCESS { Ok(address.get()) } else { Err(status) }
    })
}

/// `WskListen` of a stream socket.
pub fn stream_listen(socket: PWSK_SOCKET) -> Request {
    // SAFETY: the socket is a stream's.
    call(|irp| unsafe { stream(socket).WskListen.unwrap()(socket, irp) })
}

/// `WskConnect` of a stream socket.
pub fn stream_connect(socket: PWSK_SOCKET, address: SocketAddr) -> Request {
    let address = PoolAddress::new(address);
    // SAFETY: the socket is a stream's. Addresses are read during the call.
    call(|irp| unsafe { stream(socket).WskConnect.unwrap()(socket, address.0, 0, irp) })
}

/// The local address of a stream socket.
#[track_caller]
pub fn stream_address(socket: PWSK_SOCKET) -> SocketAddr {
    let address = PoolAddress::empty();
    // SAFETY: the socket is a stream's.
    call(|irp| unsafe { stream(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp) })
        .succeed();
    address.get()
}

/// `WskInspectComplete`.
pub fn inspect_complete(
    socket: PWSK_SOCKET,
    mut id: WSK_INSPECT_ID,
    action: WSK_INSPECT_ACTION,
) -> Request {
    // SAFETY: the socket is a listener's. The identification is read during the call.
    call(|irp| unsafe {
        listen(socket).WskInspectComplete.unwrap()(socket, &raw mut id, action, irp)
    })
}

/// `WskRelease`.
pub fn release(socket: PWSK_SOCKET, list: PWSK_DATA_INDICATION) -> NTSTATUS {
    // SAFETY: the socket is a connection's, and its client retains the list.
    unsafe { connection(socket).WskRelease.unwrap()(socket, list) }
}

/// An ioctl without an IRP, with an output of type `T`.
pub fn control_now<T>(socket: PWSK_SOCKET, code: ULONG) -> Result<T, NTSTATUS> {
    let mut output = std::mem::MaybeUninit::<T>::uninit();
    let mut returned = 0;
    // SAFETY: the socket is open, and the output has the size of `T`.
    let status = unsafe {
        basic(socket).WskControlSocket.unwrap()(
            socket,
            WskIoctl,
            code,
            0,
            0,
            ptr::null_mut(),
            size_of::<T>(),
            output.as_mut_ptr().cast(),
            &raw mut returned,
            ptr::null_mut(),
        )
    };
    if status != STATUS_SUCCESS {
        return Err(status);
    }
    assert_eq!(returned, size_of::<T>());
    // SAFETY: the call succeeded and wrote `size_of::<T>()` bytes.
    Ok(unsafe { output.assume_init() })
}

/// `SIO_WSK_SET_RECEIVE_EX_CALLBACK`, without an IRP.
pub fn set_receive_ex(socket: PWSK_SOCKET, callback: PFN_WSK_RECEIVE_EX_EVENT) -> NTSTATUS {
    // SAFETY: the socket is open, and the input is read during the call.
    unsafe {
        basic(socket).WskControlSocket.unwrap()(
            socket,
            WskIoctl,
            SIO_WSK_SET_RECEIVE_EX_CALLBACK,
            0,
            size_of_val(&callback),
            (&raw const callback).cast_mut().cast(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    }
}

/// `SO_WSK_EVENT_CALLBACK` with an IRP, which is for disabling.
pub fn set_events_with_irp(socket: PWSK_SOCKET, mask: ULONG) -> (Request, PoolBuffer) {
    let value = WSK_EVENT_CALLBACK_CONTROL { NpiId: npi(), EventMask: mask };
    let input = PoolBuffer::new(size_of_val(&value));
    #[expect(clippy::cast_ptr_alignment, reason = "pool is aligned for everything")]
    // SAFETY: the buffer has this size.
    unsafe {
        input.bytes.cast::<WSK_EVENT_CALLBACK_CONTROL>().write(value);
    }
    let what = (WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET);
    (super::control(socket, what, Some(&input), None), input)
}

impl Client {
    /// `WskSocketConnect` from the loopback address, without callbacks.
    pub fn socket_connect(&self, remote: SocketAddr) -> Request {
        self.socket_connect_with(remote, ptr::null_mut(), ptr::null())
    }

    /// As [`socket_connect`](Self::socket_connect), with callbacks.
    pub fn socket_connect_with(
        &self,
        remote: SocketAddr,
        context: PVOID,
        dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH,
    ) -> Request {
        let local = PoolAddress::new(([127, 0, 0, 1], 0));
        let remote = PoolAddress::new(remote);
        let none: PVOID = ptr::null_mut();
        // SAFETY: the provider is captured. Addresses are read during the call.
        call(|irp| unsafe {
            (*self.provider.Dispatch).WskSocketConnect.unwrap()(
                self.provider.Client,
                SOCK_STREAM,
                IPPROTO_TCP,
                local.0,
                remote.0,
                0,
                context,
                dispatch,
                none.cast(),
                none.cast(),
                none,
                irp,
            )
        })
    }

    /// An address without a listener: its listener was closed.
    #[track_caller]
    pub fn free_address(&self) -> SocketAddr {
        let (listener, address) = self.listener(ptr::null_mut(), ptr::null());
        super::close(listener);
        address
    }
}
