//! `embedded-io-async`.

use embedded_io_async::{
    BufRead, Error as IoError, ErrorKind as IoErrorKind, ErrorType, Read, ReadExactError,
    ReadReady, Write, WriteReady,
};

use crate::net::{BufferedReader, BufferedStream, BufferedWriter};
use crate::status::{Error, ErrorKind, known};

impl IoError for Error {
    fn kind(&self) -> IoErrorKind {
        match Self::kind(*self) {
            ErrorKind::NotFound => IoErrorKind::NotFound,
            ErrorKind::PermissionDenied => IoErrorKind::PermissionDenied,
            ErrorKind::ConnectionRefused => IoErrorKind::ConnectionRefused,
            ErrorKind::ConnectionReset => IoErrorKind::ConnectionReset,
            ErrorKind::ConnectionAborted => IoErrorKind::ConnectionAborted,
            ErrorKind::NotConnected | ErrorKind::SocketDead => IoErrorKind::NotConnected,
            ErrorKind::AddrInUse => IoErrorKind::AddrInUse,
            ErrorKind::AddrNotAvailable => IoErrorKind::AddrNotAvailable,
            ErrorKind::InvalidInput | ErrorKind::InvalidSize => IoErrorKind::InvalidInput,
            ErrorKind::TimedOut => IoErrorKind::TimedOut,
            ErrorKind::Unsupported => IoErrorKind::Unsupported,
            ErrorKind::OutOfMemory => IoErrorKind::OutOfMemory,
            // `Cancelled` is not `Interrupted`, which asks the caller to retry.
            _ => IoErrorKind::Other,
        }
    }
}

macro_rules! reads {
    ($($type:ident)*) => {$(
        impl Read for $type {
            async fn read(&mut self, to: &mut [u8]) -> Result<usize, Error> {
                Self::read(self, to).await
            }

            // The trait's default method has a panic path.
            async fn read_exact(&mut self, to: &mut [u8]) -> Result<(), ReadExactError<Error>> {
                Self::read_exact(self, to).await.map_err(|error| match error {
                    known::STATUS_GRACEFUL_DISCONNECT => ReadExactError::UnexpectedEof,
                    error => ReadExactError::Other(error),
                })
            }
        }

        impl BufRead for $type {
            async fn fill_buf(&mut self) -> Result<&[u8], Error> {
                Self::fill_buf(self).await
            }

            fn consume(&mut self, count: usize) {
                Self::consume(self, count);
            }
        }

        impl ReadReady for $type {
            fn read_ready(&mut self) -> Result<bool, Error> {
                Self::read_ready(self)
            }
        }
    )*};
}

macro_rules! writes {
    ($($type:ident)*) => {$(
        impl Write for $type {
            async fn write(&mut self, from: &[u8]) -> Result<usize, Error> {
                Self::write(self, from).await
            }

            // The trait's default method has a panic path.
            async fn write_all(&mut self, from: &[u8]) -> Result<(), Error> {
                Self::write_all(self, from).await
            }

            async fn flush(&mut self) -> Result<(), Error> {
                Self::flush(self).await
            }
        }

        impl WriteReady for $type {
            fn write_ready(&mut self) -> Result<bool, Error> {
                Self::write_ready(self)
            }
        }
    )*};
}

impl ErrorType for BufferedStream {
    type Error = Error;
}

impl ErrorType for BufferedReader {
    type Error = Error;
}

impl ErrorType for BufferedWriter {
    type Error = Error;
}

reads!(BufferedStream BufferedReader);
writes!(BufferedStream BufferedWriter);
