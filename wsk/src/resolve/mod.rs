//! Name resolution: `WskGetAddressInfo` and `WskGetNameInfo`.
//!
//! [`Provider::resolve`](crate::Provider::resolve) returns the addresses of a name,
//! [`Provider::name_of`](crate::Provider::name_of) the name of an address. To connect by host name,
//! [`net::connect_host`](crate::net::connect_host) and [`net::lookup_host`](crate::net::lookup_host) are shorter.
//!
//! ```
//! use wsk::flags::{AddressInfoFlags, NameInfoFlags};
//! use wsk::resolve::Hints;
//!
//! # let host = wsk_host::Host::new(wsk_host::Config::default());
//! # let _entered = host.enter();
//! # host.add_name("www.example.org", [192, 0, 2, 1]);
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # wsk::rt::block_on(passive, async move {
//! let hints = Hints::stream().flags(AddressInfoFlags::CANONICAL_NAME);
//! let list = wsk.resolve("www.example.org", "https", hints).await?;
//! for entry in &list {
//!     println!("{} {:?}", entry.address, entry.canonical_name);
//! #   assert_eq!(entry.address, ([192, 0, 2, 1], 443).into());
//! }
//!
//! let names = wsk.name_of(([192, 0, 2, 1], 443), NameInfoFlags::empty()).await?;
//! assert_eq!(names.host(), "www.example.org");
//! assert_eq!(names.service().unwrap(), "https");
//! # Ok::<(), wsk::Error>(())
//! # })??;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! # Levels
//!
//! WSK's functions require `PASSIVE_LEVEL` ([INV-66](crate::rules#inv-66)), where futures are polled anyway. A future that is first polled at
//! another IRQL fails with `STATUS_INVALID_DEVICE_REQUEST`. Its result may be used and dropped at up to `DISPATCH_LEVEL`.
//!
//! # Security context
//!
//! The functions are called without a process or thread, so impersonation by the calling thread has no effect. In this
//! case, according to Microsoft's page, names are resolved for a local account with minimal privileges; according to the
//! header, for the current process.
//!
//! # Non-ASCII names
//!
//! Names are passed to the system in UTF-16. Since Windows 8, it converts internationalized names to Punycode for DNS
//! queries, and leaves ASCII unchanged: `"bücher.example"` and
//! `"xn--bcher-kva.example"` are the same name. With
//! [`AddressInfoFlags::DISABLE_IDN_ENCODING`](crate::flags::AddressInfoFlags::DISABLE_IDN_ENCODING) it does not. [Microsoft's
//! page](https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfoexw) documents this for the
//! user-mode functions, which the kernel's are documented to resemble; a driver that must not depend on it passes
//! Punycode.
//!
//! A name has at most 255 characters and no NUL. A returned [`Name`] gives access to its UTF-16 code units, and to text in
//! which invalid ones are replaced.
//!
//! # Transient failures
//!
//! `WskGetAddressInfo` is reported to fail occasionally with `STATUS_INTERNAL_ERROR`, and to succeed when repeated.
//! [`net::lookup_host`](crate::net::lookup_host) repeats it once; otherwise, retries are up to the caller.
//!
//! Look-ups have no timeout: use [`time::timeout`](crate::time::timeout).

mod calls;
mod hints;
mod list;
mod name;
mod names;
mod query;
mod text;

pub use self::hints::{Hints, Service, SocketType};
pub use self::list::{AddressInfo, AddressList, Addresses};
pub use self::name::Name;
pub use self::names::Names;

use self::query::Query;
