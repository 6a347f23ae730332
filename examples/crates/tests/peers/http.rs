//! edge-http: the client against Python's server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use crates::{Error, http};
use tempfile::TempDir;

use crate::driver;
use crate::peer::Peer;

/// Python's server, with a page.
struct Origin {
    _folder: TempDir,
    _server: Peer,
    address: SocketAddr,
}

impl Origin {
    fn start(page: &str) -> Result<Self> {
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

fn get(
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
    assert_eq!(get(origin.address, "/page.txt", 10_000)??, (200, page));
    assert_eq!(get(origin.address, "/none.txt", 10_000)??.0, 404);
    let result = get(origin.address, "/page.txt", 9_999)?;
    assert!(matches!(result, Err(Error::TooLarge)), "{result:?}");
    Ok(())
}
