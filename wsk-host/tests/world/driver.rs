//! Drivers on machines of a world.

use std::net::{IpAddr, SocketAddr};

use test_support::scenario::passive;
use wsk::{Buffer, Provider, Registration, Result, TcpStream};
use wsk_host::{Config, Host, Machine, World};

/// A driver on a host, with a captured provider. It ends with [`end`](Self::end).
pub(crate) struct Driver {
    pub(crate) host: Host,
    wsk: Option<Provider>,
    registration: Option<Registration>,
}

impl Driver {
    pub(crate) fn start(host: &Host) -> Self {
        let _entered = host.enter();
        host.load();
        let registration = Registration::builder().register(passive()).unwrap();
        let wsk = registration.try_capture().unwrap();
        Self { host: host.clone(), wsk: Some(wsk), registration: Some(registration) }
    }

    /// Runs a future of the driver.
    pub(crate) async fn run<T>(&self, run: impl AsyncFnOnce(&Provider) -> T) -> T {
        self.host.scope(run(self.wsk.as_ref().unwrap())).await
    }

    pub(crate) fn end(mut self) {
        let _entered = self.host.enter();
        self.wsk = None;
        self.registration.take().unwrap().deregister(passive());
        wsk::unload(passive());
    }
}

impl Drop for Driver {
    /// After a panic, its sockets may be in use: it is left as it is.
    fn drop(&mut self) {
        std::mem::forget((self.wsk.take(), self.registration.take()));
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The addresses of the two machines of [`pair`].
pub(crate) const CLIENT: &str = "10.0.0.1";
pub(crate) const SERVER: &str = "10.0.0.2";

/// A client and a server, each with an address of IPv4 and one of IPv6.
pub(crate) fn pair(world: &World) -> (Machine, Machine) {
    pair_with(world, Config::default())
}

/// As [`pair`], with a configuration of both.
pub(crate) fn pair_with(world: &World, config: Config) -> (Machine, Machine) {
    let client = world.add("client", config, [ip(CLIENT), ip("fd00::1")]).unwrap();
    let server = world.add("server", config, [ip(SERVER), ip("fd00::2")]).unwrap();
    (client, server)
}

/// Receives until the peer's end.
pub(crate) async fn receive_all(stream: &TcpStream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = Buffer::new(10_000)?;
    loop {
        let (count, filled) = stream.recv(buffer).await.into_result()?;
        if count == 0 {
            return Ok(all);
        }
        all.extend_from_slice(&filled[..count]);
        buffer = filled;
    }
}

/// A buffer of these bytes.
pub(crate) fn buffer(bytes: &[u8]) -> Result<Buffer> {
    test_support::connection::buffer(bytes)
}

/// Bytes that differ at every place.
pub(crate) fn data(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n ^ (n >> 8) ^ (n >> 16)).to_le_bytes()[0]).collect()
}
