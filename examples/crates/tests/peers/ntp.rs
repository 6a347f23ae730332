//! sntpc against chronyd.

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use crates::{Error, ntp};
use tempfile::TempDir;
use wsk::ErrorKind;

use crate::driver;
use crate::peer::{self, Peer};

/// The server's time is that of this machine: chronyd serves it, and does not set the clock.
#[test]
fn the_time_is_the_servers() -> Result<()> {
    let folder = TempDir::new()?;
    let address = peer::free_address()?;
    let (port, path) = (address.port(), folder.path().display());
    let file = folder.path().join("chrony.conf");
    // chronyd serves its own clock as stratum 5, which does not require root.
    let configuration = format!(
        "port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 5\ncmdport 0\nbindcmdaddress /\n\
        pidfile {path}/chronyd.pid\n"
    );
    fs::write(&file, configuration)?;
    let arguments = ["-x", "-U", "-d", "-u", "root", "-f"].map(Into::into);
    let server =
        Peer::start("chronyd", "chrony", arguments.into_iter().chain([file.into_os_string()]))?;
    server.wait_for(|line| line.contains(" starting"))?;

    // chronyd starts to serve shortly after it prints its message.
    let time = loop {
        let time = driver::run_task(move |wsk| async move { ntp::time(&wsk, address).await })?;
        match time {
            Err(Error::System(error)) if error.kind() == ErrorKind::TimedOut => {}
            other => break other?,
        }
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    assert!(now.abs_diff(Duration::from_secs(time.seconds)) <= Duration::from_secs(3), "{time:?}");
    assert!(time.offset.unsigned_abs() < 1_000_000, "{time:?}");
    assert_eq!(time.stratum, 5);
    Ok(())
}
