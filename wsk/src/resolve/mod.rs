//! Names and addresses: `WskGetAddressInfo` and `WskGetNameInfo`.
//!
//! [`Provider::resolve`](crate::Provider::resolve) finds the addresses of a name,
//! [`Provider::name_of`](crate::Provider::name_of) the name of an address.
//! [`net::lookup_host`](crate::net::lookup_host) and [`net::connect_host`](crate::net::connect_host) are shorter,
//! for those who want to connect.
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
//! WSK's functions are called at `PASSIVE_LEVEL` (INV-66), where futures are polled anyway. A future that is first
//! polled at another level fails with `STATUS_INVALID_DEVICE_REQUEST`. What it gives may be used and dropped at any
//! level up to `DISPATCH_LEVEL`.
//!
//! # Whose names
//!
//! The functions are called for no process and no thread in particular, so an impersonation of the calling
//! thread's plays no part. Microsoft's page says that names are resolved for a local account with minimal
//! privileges then; the header says, for the current process.
//!
//! # Other characters than ASCII's
//!
//! Names are passed on as they are, in UTF-16. Since Windows 8 the system encodes internationalised ones as
//! Punycode before it asks the domain name system, and leaves ASCII as it is: `"bücher.example"` and
//! `"xn--bcher-kva.example"` are the same name. With
//! [`AddressInfoFlags::DISABLE_IDN_ENCODING`](crate::flags::AddressInfoFlags::DISABLE_IDN_ENCODING) it does not. That
//! is what [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2tcpip/nf-ws2tcpip-getaddrinfoexw) says
//! of the functions for programs, which those of the kernel are said to resemble; a driver that must not depend on
//! it passes Punycode.
//!
//! A name has at most 255 characters and no NUL. On the way back, a [`Name`] gives UTF-16 as it came, and text in
//! which what is no character is replaced.
//!
//! # Failures that pass
//!
//! Others have seen `WskGetAddressInfo` fail with `STATUS_INTERNAL_ERROR` now and then, and succeed when it was asked
//! again. [`net::lookup_host`](crate::net::lookup_host) asks once more by itself; for everything else, how often and
//! how long to try is the caller's decision.
//!
//! No look-up has a time-out of its own: use [`time::timeout`](crate::time::timeout).

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
