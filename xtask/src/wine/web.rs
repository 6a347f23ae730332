//! The checks of the web driver.
//!
//! Wine resolves `127.0.0.1` as a name and connects to it. The driver's client therefore fetches the page from Python's
//! server at that address, and curl requests it from the driver.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use cargo_wsk::wine::{Channels, Prefix, WineLog};
use web_checks::{CHECKS, Origin};

use super::test::LoadableDriver;
use super::{PORT, url};
use crate::project;

pub(super) fn checks(image: &Path, log: &WineLog) -> Result<()> {
    let prefix = Prefix::create(&project::scratch()?, log, Channels::Messages)?;
    let run = LoadableDriver { prefix: &prefix, name: "web", port: PORT, image, log };
    let with = |page: &str| run.load_with(&[url(page)]);

    let origin = Origin::start(&project::scratch()?)?;
    let driver = with(&origin.url())?;
    for (name, check) in CHECKS {
        let server = driver.server;
        run.check(name, move || check(server))?;
    }
    driver.unload()?;

    let missing = origin.url_without_page();
    let driver = with(&missing)?;
    let server = driver.server;
    run.check("a page that the other server does not have", move || {
        web_checks::not_fetched(server, "404")
    })?;
    drop(origin);
    let from = log.end();
    run.check("another server that is not there", move || web_checks::not_fetched(server, "502"))?;
    let message = log.wait_for(from, "cannot fetch", Duration::from_secs(10))?;
    println!("   {message}");
    driver.unload()?;
    run.load_and("no other server", |server| web_checks::not_fetched(server, "404"))?;
    run.check("load fails when the port is in use", || run.load_on_a_used_port())
        .context("the web driver")?;
    prefix.remove()
}
