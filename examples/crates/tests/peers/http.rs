//! edge-http: the client against Python's server, and the server against curl.

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use crates::{Error, http};
use tempfile::TempDir;
use wsk::{TcpListener, rt};

use crate::driver;
use crate::peer::{self, Peer};

/// Python's server, with a page.
pub(crate) struct Origin {
    _folder: TempDir,
    _server: Peer,
    pub(crate) address: SocketAddr,
}

impl Origin {
    pub(crate) fn start(page: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        fs::write(folder.path().join("page.txt"), page)?;
        let path = folder.path().to_str().context("the folder's name is no text")?;
        let arguments =
            ["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", path, "0"];
        let server = Peer::start("python3", "python3", arguments)?;
        // `Serving HTTP on 127.0.0.1 port 40123 (http://127.0.0.1:40123/) ...`
        let line = server.wait_for(|line| line.starts_with("Serving HTTP on"))?;
        let port = line.split_whitespace().skip_while(|word| *word != "port").nth(1);
        let port = port.context("no port")?.parse()?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Ok(Self { _folder: folder, _server: server, address })
    }
}

fn fetch(
    server: SocketAddr,
    path: &'static str,
    room: usize,
) -> Result<crates::Result<(u16, String)>> {
    driver::run_pinned(move |wsk| async move {
        let mut page = vec![0; room];
        let (status, size) = http::get(&wsk, server, path, &mut page).await?;
        page.truncate(size);
        Ok((status, String::from_utf8(page).expect("the page is a text")))
    })
}

#[test]
fn a_page_is_fetched() -> Result<()> {
    let page = "0123456789".repeat(1000);
    let origin = Origin::start(&page)?;
    assert_eq!(fetch(origin.address, "/page.txt", 10_000)??, (200, page));
    assert_eq!(fetch(origin.address, "/none.txt", 10_000)??.0, 404);
    let result = fetch(origin.address, "/page.txt", 9_999)?;
    assert!(matches!(result, Err(Error::TooLarge)), "{result:?}");
    Ok(())
}

/// Starts a server as a pinned task of a driver, and uses it.
fn with_server<T>(use_server: impl FnOnce(SocketAddr) -> Result<T>) -> Result<T> {
    driver::load_with_embassy(|driver| {
        let wsk = driver.wsk.clone();
        let bound = async move { TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await };
        let listener = driver.join(driver.spawner.spawn(bound)?)??;
        let address = rt::block_on(driver.passive, listener.local_addr())??;
        // The end of the runtime drops the task.
        driver.spawner.spawn_pinned(move |_| Box::pin(http::serve(listener)))?;
        use_server(address)
    })
}

/// Requests a page twice with curl, on one connection, and one that does not exist.
pub(crate) fn curl(server: SocketAddr) -> Result<String> {
    let url = format!("http://{server}/");
    let other = format!("http://{server}/other");
    let format = "%{http_code} %{num_connects}\n";
    peer::output("curl", "curl", ["--silent", "--max-time", "20", "-w", format, &url, &url, &other])
}

/// What [`curl`] prints.
pub(crate) const CURLED: &str =
    "a page of a driver\n200 1\na page of a driver\n200 0\nno such page\n404 0\n";

#[test]
fn pages_are_served() -> Result<()> {
    assert_eq!(with_server(curl)?, CURLED);
    Ok(())
}

/// The timeout of an idle connection, which edge-http takes from embassy-time.
#[test]
fn an_idle_connection_is_closed() -> Result<()> {
    with_server(|server| {
        let mut client = TcpStream::connect(server)?;
        client.set_read_timeout(Some(Duration::from_secs(20)))?;
        let start = Instant::now();
        assert_eq!(client.read(&mut [0])?, 0);
        assert!(start.elapsed() >= Duration::from_millis(450), "{:?}", start.elapsed());
        Ok(())
    })
}
