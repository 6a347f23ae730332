//! The HTTP server.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use picoserve::io::{Error as _, ErrorKind as IoErrorKind, Read, Write};
use picoserve::response::{
    Connection as Answering, Content, IntoResponse, ResponseWriter, StatusCode,
};
use picoserve::routing::{get, parse_path_segment};
use picoserve::{Config, ResponseSent, Router, Server, Timeouts};
use wsk::net::BufferedStream;
use wsk::rt::JoinHandle;
use wsk::{Buffer, ErrorKind, Provider, Result, Spawner, TcpListener, TcpStream, time};

use crate::assert_send::assert_send;
use crate::connection::{Clock, Connection};
use crate::{FetchError, Log, fetch};

/// The URL of the page to fetch.
pub type Url = heapless::String<256>;

/// The site to serve.
#[derive(Clone)]
pub struct Site {
    /// The provider used for fetching.
    pub wsk: Provider,
    /// The page to fetch for `/page`, if one is configured.
    pub page: Option<Url>,
    /// Receives messages about failures.
    pub log: Log,
}

/// The maximum size of a request's headers in bytes.
const HEADERS: usize = 2048;

/// The maximum size of a fetched page in bytes.
const PAGE: usize = 256 << 10;

/// The timeout for fetching a page.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves connections until the listener fails or the runtime shuts down.
///
/// # Errors
///
/// The error for which no more connections can be accepted.
pub async fn serve(listener: TcpListener, spawner: Spawner, site: Site) -> Result<()> {
    let log = site.log;
    loop {
        let report = |error| log(format_args!("cannot accept a connection: {error}"));
        let (stream, peer) = listener.accept_retrying(report).await?;
        let served = spawn(&spawner, stream, peer, site.clone());
        match served {
            Ok(()) => {}
            // The runtime is shutting down and will drop this task.
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
            Err(error) => log(format_args!("cannot serve {peer}: {error}")),
        }
    }
}

/// Spawns a task that serves a connection.
///
/// Not inlined: the future is large, and on the stack until it becomes a task. In a function of its own, it occupies no
/// stack while the task runs.
#[inline(never)]
fn spawn(spawner: &Spawner, stream: TcpStream, peer: SocketAddr, site: Site) -> Result<()> {
    let (log, fetching) = (site.log, spawner.clone());
    let answering = assert_send(move || answer(stream.buffered(), fetching, site));
    let serving = async move {
        match answering.await {
            Ok(()) => {}
            Err(error) if error.is_caused_by_peer() => {}
            Err(error) => log(format_args!("the connection of {peer} failed: {error}")),
        }
    };
    spawner.spawn(serving).map(drop)
}

/// The reason why a connection ended early.
enum Failure {
    Memory(wsk::Error),
    Http(picoserve::Error<wsk::Error>),
}

impl Failure {
    /// Whether the peer caused it: it disconnected, was silent for too long, or sent an invalid request.
    fn is_caused_by_peer(&self) -> bool {
        use picoserve::Error;
        match self {
            Self::Memory(_) => false,
            Self::Http(Error::BadRequest | Error::ReadTimeout(_) | Error::WriteTimeout(_)) => true,
            Self::Http(error) => matches!(
                error.kind(),
                IoErrorKind::ConnectionReset
                    | IoErrorKind::ConnectionAborted
                    | IoErrorKind::NotConnected
            ),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(error) => write!(f, "{error}"),
            Self::Http(error) => write!(f, "{error:?}"),
        }
    }
}

/// Answers the requests of one connection.
async fn answer(
    stream: BufferedStream,
    spawner: Spawner,
    site: Site,
) -> core::result::Result<(), Failure> {
    use picoserve::time::Duration;
    let timeouts = Timeouts {
        start_read_request: Duration::from_secs(5),
        persistent_start_read_request: Duration::from_secs(5),
        read_request: Duration::from_secs(3),
        write: Duration::from_secs(3),
    };
    let config = Config::new(timeouts).keep_connection_alive();
    let app = Router::new()
        .route("/", get(async || "Hello from Windows Kernel Sockets.\n"))
        .route(("/square", parse_path_segment::<u32>()), get(async |number: u32| Square(number)))
        .route("/page", get(async || site.page(&spawner).await));
    let mut headers = Buffer::new(HEADERS).map_err(Failure::Memory)?;
    let served = Server::custom(&app, Clock, &config, &mut headers).serve(Connection(stream)).await;
    served.map(drop).map_err(Failure::Http)
}

impl Site {
    /// Fetches the configured page in a separate task: client and server each use so much stack that one must not run
    /// on top of the other.
    async fn page(
        &self,
        spawner: &Spawner,
    ) -> core::result::Result<Page, (StatusCode, &'static str)> {
        const FAILED: (StatusCode, &str) =
            (StatusCode::BAD_GATEWAY, "The page could not be fetched.\n");
        if self.page.is_none() {
            return Err((StatusCode::NOT_FOUND, "No page is configured.\n"));
        }
        let fetching = start_fetching(spawner, self.clone()).map_err(|error| {
            (self.log)(format_args!("cannot fetch a page: {error}"));
            FAILED
        })?;
        // A task without an output was dropped when the runtime shut down.
        fetching.await.ok().flatten().ok_or(FAILED)
    }

    async fn fetch(&self, url: &str) -> core::result::Result<Page, FetchError> {
        let mut body = Buffer::new(PAGE)?;
        let (status, length) = time::timeout(PATIENCE, fetch(&self.wsk, url, &mut body)).await??;
        Ok(Page { status, body, length })
    }
}

/// Spawns a task that fetches the site's page. Not inlined, for the reason given at [`spawn`].
#[inline(never)]
fn start_fetching(spawner: &Spawner, site: Site) -> Result<JoinHandle<Option<Page>>> {
    spawner.spawn(async move {
        let url = site.page.as_deref().unwrap_or_default();
        match site.fetch(url).await {
            Ok(page) => Some(page),
            Err(error) => {
                (site.log)(format_args!("cannot fetch {url}: {error}"));
                None
            }
        }
    })
}

/// A page that is generated for each request.
struct Square(u32);

impl IntoResponse for Square {
    async fn write_to<R: Read, W: ResponseWriter<Error = R::Error>>(
        self,
        connection: Answering<'_, R>,
        response_writer: W,
    ) -> core::result::Result<ResponseSent, W::Error> {
        let square = u64::from(self.0) * u64::from(self.0);
        format_args!("{square}\n").write_to(connection, response_writer).await
    }
}

/// A fetched page and its status.
struct Page {
    status: u16,
    body: Buffer,
    length: usize,
}

impl IntoResponse for Page {
    async fn write_to<R: Read, W: ResponseWriter<Error = R::Error>>(
        self,
        connection: Answering<'_, R>,
        response_writer: W,
    ) -> core::result::Result<ResponseSent, W::Error> {
        let Self { status, body, length } = self;
        (StatusCode::new(status), Body { body, length }).write_to(connection, response_writer).await
    }
}

struct Body {
    body: Buffer,
    length: usize,
}

impl Content for Body {
    fn content_type(&self) -> &'static str {
        "application/octet-stream"
    }

    fn content_length(&self) -> usize {
        self.length
    }

    async fn write_content<W: Write>(self, mut writer: W) -> core::result::Result<(), W::Error> {
        writer.write_all(self.body.get(..self.length).unwrap_or_default()).await
    }
}
