//! Connections of the machine's network: accepting, connecting, sending, receiving and finishing.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::task::Poll;

use wsk_sys::{NTSTATUS, STATUS_TOO_MANY_ADDRESSES};

use super::super::ReadableData;
use super::endpoint::{Endpoint, poll, status};

impl Endpoint {
    /// Accepts the next connection of a listener: its socket, and the peer's address.
    pub(super) fn accept(&self) -> Poll<Result<(socket2::Socket, SocketAddr), NTSTATUS>> {
        loop {
            return match poll(|| accept(&self.inner)) {
                // The peer reset the connection before it was accepted.
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::ConnectionAborted => continue,
                accepted => accepted.map_err(|error| status(&error)),
            };
        }
    }

    /// Starts to connect.
    pub(super) fn connect(&mut self, remote: SocketAddr) -> Result<(), NTSTATUS> {
        let mut result = self.inner.connect(&remote.into());
        // Linux reports the failure of the previous connection again.
        if matches!(&result, Err(error) if error.kind() == ErrorKind::ConnectionAborted) {
            result = self.inner.connect(&remote.into());
        }
        match result {
            // Its port would have been chosen by this call.
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable && self.late.is_some() => {
                Err(STATUS_TOO_MANY_ADDRESSES)
            }
            Err(error) if !is_in_progress(&error) => Err(status(&error)),
            Ok(()) | Err(_) => {
                self.remote = Some(remote);
                Ok(())
            }
        }
    }

    /// The result of connecting.
    pub(super) fn connected(&mut self) -> Poll<Result<(), NTSTATUS>> {
        let result = match self.inner.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => match self.inner.peer_addr() {
                // The handshake is not over.
                Err(error) if error.kind() == ErrorKind::NotConnected => return Poll::Pending,
                result => result.map(drop),
            },
        };
        if result.is_err() {
            self.remote = None;
        }
        Poll::Ready(result.map_err(|error| status(&error)))
    }

    /// Sends some of the bytes, and returns their number.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Poll<Result<usize, NTSTATUS>> {
        self.unless_lost(|inner| send(inner, bytes))
    }

    /// Ends the stream towards the peer.
    pub(super) fn finish(&mut self) -> Result<(), NTSTATUS> {
        match self.unless_lost(|inner| inner.shutdown(Shutdown::Write)) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    /// Whether bytes, or the end of the stream, can be received.
    pub(super) fn readable(&mut self) -> Poll<Result<ReadableData, NTSTATUS>> {
        self.unless_lost(|inner| inner.peek(&mut [MaybeUninit::uninit()]))
            .map_ok(|count| if count == 0 { ReadableData::End } else { ReadableData::Bytes })
    }

    /// The number of bytes that can be received at once, up to 64 KiB.
    pub(super) fn backlog(&self) -> usize {
        let mut room = Box::new_uninit_slice(64 << 10);
        match poll(|| self.inner.peek(&mut room)) {
            Poll::Ready(Ok(count)) => count,
            _ => 0,
        }
    }

    /// Receives at least one byte, and returns their number: zero at the end of the stream.
    pub(super) fn receive(
        &mut self,
        room: &mut [MaybeUninit<u8>],
    ) -> Poll<Result<usize, NTSTATUS>> {
        self.unless_lost(|inner| inner.recv(room))
    }
}

/// Sends. A peer that has reset the connection is an error, not a signal that ends the process.
#[cfg(not(any(windows, target_vendor = "apple")))]
fn send(socket: &socket2::Socket, bytes: &[u8]) -> io::Result<usize> {
    socket.send_with_flags(bytes, libc::MSG_NOSIGNAL)
}

/// Sends. Windows has no such signal, and `socket2` turns it off on Apple's systems, for each socket.
#[cfg(any(windows, target_vendor = "apple"))]
fn send(socket: &socket2::Socket, bytes: &[u8]) -> io::Result<usize> {
    socket.send(bytes)
}

fn accept(listener: &socket2::Socket) -> io::Result<(socket2::Socket, SocketAddr)> {
    let (socket, peer) = listener.accept()?;
    let peer = peer.as_socket().ok_or(ErrorKind::InvalidData)?;
    Ok((socket, peer))
}

fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    let is_named_so = error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    let is_named_so = false;
    is_named_so || error.kind() == ErrorKind::WouldBlock
}
