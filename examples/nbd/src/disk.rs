//! A disk: a queue of requests, and the task that keeps a connection for them.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use wsk::sync::{Mutex, Notify, mpsc};
use wsk::sys::{
    NTSTATUS, STATUS_CONNECTION_DISCONNECTED, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED,
};
use wsk::time::{self, Instant};
use wsk::{ErrorKind, Provider, TcpStream, rt};

use crate::connection::{Shared, serve};
use crate::error::{Error, Result};
use crate::handshake::{Export, ExportName, negotiate};
use crate::protocol::{
    Command, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES, STATUS_DEVICE_BUSY,
    STATUS_MEDIA_WRITE_PROTECTED,
};
use crate::request::{Owner, Request};
use crate::table::Table;

/// Receives messages: sends them to the kernel debugger, or prints them.
pub type Log = fn(fmt::Arguments<'_>);

/// The most requests that wait to be sent.
const QUEUE: usize = 256;

/// The time between two attempts to connect.
const RETRY: Duration = Duration::from_secs(1);

/// How to reach a disk.
#[derive(Clone)]
pub struct Settings {
    /// The address of the server.
    pub server: SocketAddr,
    /// The name of its export. Many servers have one with an empty name.
    pub export: ExportName,
    /// The time in which the server must answer, before the connection is given up.
    pub patience: Duration,
    /// The time without a connection after which requests fail. Until then they wait for the next one.
    pub outage: Duration,
    /// Receives messages about connections.
    pub log: Log,
}

/// Takes requests. Clones are of the same disk, which ends with the last of them.
pub struct Disk<R> {
    requests: mpsc::Sender<Request<R>>,
    export: Export,
}

impl<R> Clone for Disk<R> {
    fn clone(&self) -> Self {
        Self { requests: self.requests.clone(), export: self.export }
    }
}

/// The task of a disk.
pub struct Service<R> {
    wsk: Provider,
    settings: Settings,
    export: Export,
    stream: Option<TcpStream>,
    shared: Shared<R>,
}

async fn connect(wsk: &Provider, settings: &Settings) -> Result<(TcpStream, Export)> {
    let connecting = async {
        let stream = TcpStream::connect(wsk, settings.server).await?;
        let export = negotiate(&stream, &settings.export).await?;
        Ok((stream, export))
    };
    time::timeout(settings.patience, connecting).await?
}

impl<R: Owner> Disk<R> {
    /// Connects to a disk. Requests are done while [`Service::run`] runs.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or does not serve the export.
    pub async fn connect(wsk: &Provider, settings: Settings) -> Result<(Self, Service<R>)> {
        let (stream, export) = connect(wsk, &settings).await?;
        let (requests, queue) = mpsc::channel(QUEUE)?;
        let shared =
            Shared { queue, next: None, table: Mutex::new(Table::new()), freed: Notify::new() };
        let service = Service { wsk: wsk.clone(), settings, export, stream: Some(stream), shared };
        Ok((Self { requests, export }, service))
    }

    /// The export.
    #[must_use]
    pub const fn export(&self) -> &Export {
        &self.export
    }

    /// Starts a request. Its owner is completed in any case, at once if the request is not valid.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn submit(&self, request: Request<R>) {
        let refused = match self.check(&request) {
            None => match self.requests.try_send(request) {
                Ok(()) => return,
                Err(mpsc::TrySendError::Full(request) | mpsc::TrySendError::Closed(request)) => {
                    (STATUS_DEVICE_BUSY, request)
                }
            },
            Some(status) => (status, request),
        };
        let (status, request) = refused;
        request.complete(wsk::Error::from_status(status).map_or(Ok(0), Err));
    }

    /// Why a request cannot be sent.
    fn check(&self, request: &Request<R>) -> Option<NTSTATUS> {
        let header = request.header;
        let needed = match header.command {
            Command::Flush => SEND_FLUSH,
            Command::Trim => SEND_TRIM,
            Command::WriteZeroes => SEND_WRITE_ZEROES,
            _ if header.fua => SEND_FUA,
            _ => 0,
        };
        let end = header.offset.checked_add(header.length.into());
        let is_data = matches!(header.command, Command::Read | Command::Write);
        let is_in_blocks = header.offset % u64::from(self.export.block) == 0
            && header.length % self.export.block == 0;
        if end.is_none_or(|end| end > self.export.size)
            || !is_in_blocks
            || is_data && !(1..=self.export.longest).contains(&header.length)
        {
            Some(STATUS_INVALID_PARAMETER)
        } else if header.command.writes() && self.export.is_read_only() {
            Some(STATUS_MEDIA_WRITE_PROTECTED)
        } else {
            (needed != 0 && !self.export.has(needed)).then_some(STATUS_NOT_SUPPORTED)
        }
    }
}

impl<R: Owner> Service<R> {
    /// Does the requests until every [`Disk`] is dropped, on one connection after another. What a connection leaves unanswered
    /// is sent again on the next one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops all requests with their owners, each when the network has returned its memory.
    pub async fn run(mut self) {
        let mut lost = Instant::now();
        let mut reported = None;
        loop {
            if let Some(stream) = self.stream.take() {
                let served = serve(&stream, &mut self.shared, self.settings.patience).await;
                stream.close().await;
                match served {
                    Ok(()) => return,
                    Err(error) => self.log(&mut reported, error),
                }
                lost = Instant::now();
            }
            let connected = connect(&self.wsk, &self.settings).await;
            let connected = connected.and_then(|(stream, export)| {
                if export == self.export { Ok(stream) } else { Err(Error::Changed) }
            });
            match connected {
                Ok(stream) => {
                    (self.settings.log)(format_args!(
                        "connected to {} again",
                        self.settings.server
                    ));
                    reported = None;
                    self.stream = Some(stream);
                }
                Err(error) => {
                    self.log(&mut reported, error);
                    self.shared.table.lock().await.end_cancelled();
                    if lost.elapsed() >= self.settings.outage && self.fail_all().await {
                        return;
                    }
                    if time::sleep(RETRY).await.is_err() {
                        // There is no memory for a timer: other tasks run first.
                        rt::yield_now().await;
                    }
                }
            }
        }
    }

    /// Reports an error once, however often it repeats.
    fn log(&self, reported: &mut Option<Error>, error: Error) {
        if reported.replace(error) != Some(error) {
            (self.settings.log)(format_args!(
                "the connection to {} does not work: {error}",
                self.settings.server
            ));
        }
    }

    /// Ends all requests, since there is no connection. Returns whether there will be no more.
    async fn fail_all(&mut self) -> bool {
        let error = wsk::Error::from_status(STATUS_CONNECTION_DISCONNECTED);
        let result = error.map_or(Ok(0), Err);
        if let Err(error) = result {
            self.shared.table.lock().await.fail(error);
        }
        if let Some(request) = self.shared.next.take() {
            request.complete(result);
        }
        loop {
            match self.shared.queue.try_recv() {
                Ok(request) => request.complete(result),
                Err(error) => return error.kind() == ErrorKind::Cancelled,
            }
        }
    }
}
