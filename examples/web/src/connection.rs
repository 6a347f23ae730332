//! `picoserve`'s traits, implemented for a stream and for the kernel's timers.

use picoserve::Timeouts;
use picoserve::io::{Socket, Write};
use picoserve::time::{Duration, Timer};
use wsk::net::{BufferedReader, BufferedStream, BufferedWriter};
use wsk::{ErrorKind, Result};

/// Marks the timers and sockets that `picoserve` may combine.
pub(crate) struct Wsk;

/// The kernel's timers.
pub(crate) struct Clock;

impl Timer<Wsk> for Clock {
    async fn delay(&self, duration: Duration) {
        let duration = core::time::Duration::from_millis(duration.as_millis());
        // If the timer cannot be allocated, the delay ends immediately and the connection times out.
        let _ = wsk::time::sleep(duration).await;
    }
}

/// A TCP connection.
pub(crate) struct Connection(pub(crate) BufferedStream);

impl Socket<Wsk> for Connection {
    type Error = wsk::Error;
    type ReadHalf<'a> = &'a mut BufferedReader;
    type WriteHalf<'a> = Writer<'a>;

    fn split(&mut self) -> (&mut BufferedReader, Writer<'_>) {
        let (reader, writer) = self.0.split();
        (reader, Writer(writer))
    }

    async fn abort<T: Timer<Wsk>>(
        self,
        _timeouts: &Timeouts,
        _timer: &T,
    ) -> core::result::Result<(), picoserve::Error<wsk::Error>> {
        match self.0.abort().await {
            // Wine's WSK has no disconnect.
            Err(error) if error.kind() != ErrorKind::Unsupported => {
                Err(picoserve::Error::Write(error))
            }
            _ => Ok(()),
        }
    }

    async fn shutdown<T: Timer<Wsk>>(
        mut self,
        timeouts: &Timeouts,
        timer: &T,
    ) -> core::result::Result<(), picoserve::Error<wsk::Error>> {
        let ended = timer
            .run_with_timeout(timeouts.write, self.0.shutdown())
            .await
            .map_err(picoserve::Error::WriteTimeout)?;
        match ended {
            Ok(()) => {}
            // Wine's WSK has no disconnect. There, closing a connection is graceful.
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
            Err(error) => return Err(picoserve::Error::Write(error)),
        }
        // Receive until the peer has finished too: closing earlier would abort the connection.
        let mut rest = [0; 128];
        loop {
            let read = timer
                .run_with_timeout(timeouts.read_request, self.0.read(&mut rest))
                .await
                .map_err(picoserve::Error::ReadTimeout)?;
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(picoserve::Error::Read(error)),
            }
        }
    }
}

/// The writing half of a connection.
pub(crate) struct Writer<'a>(&'a mut BufferedWriter);

impl picoserve::io::ErrorType for Writer<'_> {
    type Error = wsk::Error;
}

impl picoserve::io::BaseWrite for Writer<'_> {
    async fn write(&mut self, from: &[u8]) -> Result<usize> {
        self.0.write(from).await
    }

    async fn flush(&mut self) -> Result<()> {
        self.0.flush().await
    }
}

impl Write for Writer<'_> {
    async fn write_with<F: FnOnce(picoserve::mem::BorrowedCursor<'_>) -> R, R>(
        &mut self,
        fill: F,
    ) -> Result<R> {
        let mut bytes = [0; 256];
        let mut bytes = picoserve::mem::BorrowedBuffer::new(&mut bytes);
        let result = fill(bytes.unfilled());
        self.0.write_all(bytes.filled()).await?;
        Ok(result)
    }
}
