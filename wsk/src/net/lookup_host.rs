//! Connecting to hosts, and listening, by name.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use self::sealed::HostAndPort;
use super::{TcpListener, TcpStream};
use crate::address::DisplayAddress;
use crate::flags::AddressInfoFlags;
use crate::provider::Provider;
use crate::resolve::{AddressList, Hints, Service};
use crate::status::{Result, known};

/// A host and a port: `("example.org", 80)`, `"example.org:80"`, or an address.
///
/// In a string with a port, an IPv6 address is in brackets: `"[::1]:80"`.
pub trait ToHost: sealed::ToHost {}

mod sealed {
    use core::net::SocketAddr;

    use crate::status::Result;

    /// A host and a port.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum HostAndPort<'a> {
        Address(SocketAddr),
        /// A name, or an address as text. The system distinguishes them.
        Name(&'a str, u16),
        /// An address as text, never a name.
        Numeric(&'a str, u16),
    }

    pub trait ToHost {
        fn host(&self) -> Result<HostAndPort<'_>>;
    }
}

macro_rules! addresses {
    ($($type:ty,)*) => {$(
        impl ToHost for $type {}

        impl sealed::ToHost for $type {
            fn host(&self) -> Result<HostAndPort<'_>> {
                Ok(HostAndPort::Address((*self).into()))
            }
        }
    )*};
}

addresses! {
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
}

impl ToHost for (&str, u16) {}

impl sealed::ToHost for (&str, u16) {
    fn host(&self) -> Result<HostAndPort<'_>> {
        let &(name, port) = self;
        Ok(HostAndPort::Name(name, port))
    }
}

impl ToHost for &str {}

impl sealed::ToHost for &str {
    fn host(&self) -> Result<HostAndPort<'_>> {
        let wrong = known::STATUS_INVALID_PARAMETER;
        // Written by hand: `str`'s search functions contain panics that the compiler cannot rule out.
        let colon = self.bytes().rposition(|byte| byte == b':').ok_or(wrong)?;
        let name = self.get(..colon).ok_or(wrong)?;
        let port = self.get(colon..).and_then(|port| port.strip_prefix(':')).ok_or(wrong)?;
        let port = port.parse().map_err(|_| wrong)?;
        if let Some(address) = name.strip_prefix('[') {
            return address
                .strip_suffix(']')
                .filter(|address| address.bytes().any(|byte| byte == b':'))
                .map(|address| HostAndPort::Numeric(address, port))
                .ok_or(wrong);
        }
        // Another colon means an IPv6 address without brackets, whose end is ambiguous.
        if name.bytes().any(|byte| byte == b':') {
            Err(wrong)
        } else {
            Ok(HostAndPort::Name(name, port))
        }
    }
}

/// Resolves a host to its addresses, like `std::net::ToSocketAddrs`: each address once, with the port.
///
/// A numeric address is returned without a look-up. A look-up that fails with `STATUS_INTERNAL_ERROR`, which is known to
/// happen occasionally, is repeated **once**; no other failure is. [`Provider::resolve`] has more options.
///
/// IRQL and minimum Windows: as for [`Provider::resolve`].
///
/// ```
/// use wsk::net;
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// # host.add_name("example.org", [192, 0, 2, 1]);
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// for address in net::lookup_host(&wsk, "example.org:80").await? {
///     assert_eq!(address.to_string(), "192.0.2.1:80");
/// }
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Cancel safety
///
/// As for [`Provider::resolve`].
///
/// # Errors
///
/// - `STATUS_INVALID_PARAMETER` if the string is not a host and a port.
/// - Those of [`Provider::resolve`].
pub async fn lookup_host(wsk: &Provider, host: impl ToHost) -> Result<LookupHost> {
    let numeric = Hints::stream().flags(AddressInfoFlags::NUMERIC_HOST);
    let (name, port, hints) = match host.host()? {
        HostAndPort::Address(address) => {
            return Ok(LookupHost { found: FoundAddresses::Address(address), given: 0 });
        }
        HostAndPort::Name(name, port) => (name, port, Hints::stream()),
        HostAndPort::Numeric(name, port) => (name, port, numeric),
    };
    // The port is added later, so the system has no service to look up.
    let look_up = || wsk.resolve(name, Service::None, hints);
    let list = match look_up().await {
        Err(known::STATUS_INTERNAL_ERROR) => look_up().await?,
        result => result?,
    };
    Ok(LookupHost { found: FoundAddresses::List(list, port), given: 0 })
}

/// Connects to a host: tries its addresses in the system's order, one after the other, until a connection succeeds.
///
/// A [`time::timeout`](crate::time::timeout) around it applies to all attempts together.
///
/// IRQL and minimum Windows: as for [`Provider::resolve`].
///
/// ```
/// use wsk::{TcpListener, net};
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
/// let port = listener.local_addr().await?.port();
/// let stream = net::connect_host(&wsk, ("localhost", port)).await?;
/// # drop(stream);
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Cancel safety
///
/// This method is cancel safe. Dropping the future ends the look-up or the attempt, and closes the socket.
///
/// # Errors
///
/// - Those of [`lookup_host`].
/// - Those of [`TcpStream::connect`] for the last address, if no attempt succeeds.
pub async fn connect_host(wsk: &Provider, host: impl ToHost) -> Result<TcpStream> {
    let addresses = lookup_host(wsk, host).await?;
    first(addresses, |address| TcpStream::connect(wsk, address)).await
}

/// Listens on a host name of this machine: tries its addresses in the system's order, until one can be bound.
///
/// IRQL and minimum Windows: as for [`Provider::resolve`].
///
/// ```
/// use wsk::net;
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// let listener = net::listen_host(&wsk, "localhost:7").await?;
/// assert!(listener.local_addr().await?.ip().is_loopback());
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Cancel safety
///
/// This method is cancel safe. Dropping the future ends the look-up, or closes the socket.
///
/// # Errors
///
/// - Those of [`lookup_host`].
/// - Those of [`TcpListener::bind`] for the last address, if no attempt succeeds.
pub async fn listen_host(wsk: &Provider, host: impl ToHost) -> Result<TcpListener> {
    let addresses = lookup_host(wsk, host).await?;
    first(addresses, |address| TcpListener::bind(wsk, address)).await
}

/// Tries one address after the other, until one succeeds. Returns the last error if none does.
async fn first<T, F: Future<Output = Result<T>>>(
    addresses: LookupHost,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T> {
    let mut last = known::STATUS_NOT_FOUND;
    for address in addresses {
        match attempt(address).await {
            Ok(value) => return Ok(value),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// An iterator over the addresses of a host, from [`lookup_host`].
pub struct LookupHost {
    found: FoundAddresses,
    /// The number of addresses returned so far.
    given: usize,
}

enum FoundAddresses {
    Address(SocketAddr),
    List(AddressList, u16),
}

impl Iterator for LookupHost {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        let next = match &self.found {
            FoundAddresses::Address(address) => (self.given == 0).then_some(*address),
            // Starts from the beginning each time: the list is short.
            FoundAddresses::List(list, port) => with_port(list, *port).nth(self.given),
        };
        self.given += usize::from(next.is_some());
        next
    }
}

impl core::iter::FusedIterator for LookupHost {}

/// The addresses of a list, with the port added.
fn with_port(list: &AddressList, port: u16) -> impl Iterator<Item = SocketAddr> + '_ {
    list.addresses().map(move |mut address| {
        address.set_port(port);
        address
    })
}

impl fmt::Debug for LookupHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            FoundAddresses::Address(address) => {
                f.debug_list().entry(&DisplayAddress(*address)).finish()
            }
            FoundAddresses::List(list, port) => {
                f.debug_list().entries(with_port(list, *port).map(DisplayAddress)).finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &'static str) -> Result<HostAndPort<'static>> {
        // The trait is implemented for references, whose results borrow from them.
        let text: &'static &'static str = std::boxed::Box::leak(std::boxed::Box::new(text));
        sealed::ToHost::host(text)
    }

    #[test]
    fn strings_are_hosts_with_ports() {
        assert_eq!(host("example.org:80"), Ok(HostAndPort::Name("example.org", 80)));
        assert_eq!(host("bücher.example:0"), Ok(HostAndPort::Name("bücher.example", 0)));
        assert_eq!(host("127.0.0.1:7"), Ok(HostAndPort::Name("127.0.0.1", 7)));
        assert_eq!(host("[::1]:7"), Ok(HostAndPort::Numeric("::1", 7)));
        assert_eq!(host("[fe80::1%2]:65535"), Ok(HostAndPort::Numeric("fe80::1%2", 65_535)));
        for wrong in [
            "example.org",
            "example.org:",
            "example.org:65536",
            "::1:7",
            "[::1]",
            "[::1:7",
            "[1.2.3.4]:80",
            "[example.org]:80",
            "[]:80",
        ] {
            assert_eq!(host(wrong), Err(known::STATUS_INVALID_PARAMETER), "{wrong}");
        }
    }
}
