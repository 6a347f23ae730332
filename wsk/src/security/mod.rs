//! Security descriptors, which control the sharing of local addresses.
//!
//! A second socket can be bound to an address in use if the security descriptor of the first one allows it. Without a
//! descriptor, no socket can. WSK only accepts descriptors that it has [cached](CachedSecurityDescriptor): given when a
//! socket is [created](crate::socket::Builder::security_descriptor), or
//! [set](crate::socket::Socket::set_security_descriptor) before binding ([INV-34](crate::rules#inv-34), [INV-65](crate::rules#inv-65)).
//!
//! ```
//! use wsk::security::CachedSecurityDescriptor;
//! use wsk::socket::{DatagramSocket, Family};
//!
//! /// `O:SYG:SYD:(A;;GA;;;WD)`: full access for everyone.
//! const EVERYONE: &[u8] = &[
//!     1, 0, 0x04, 0x80, 20, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0, // header with offsets
//!     1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, // the owner: the system
//!     1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, // the group
//!     2, 0, 28, 0, 1, 0, 0, 0, // a list of one entry
//!     0, 0, 20, 0, 0, 0, 0, 0x10, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, // the access-allowed entry
//! ];
//!
//! # extern crate wsk_host;
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # wsk::rt::block_on(passive, async move {
//! let everyone = CachedSecurityDescriptor::from_bytes(&wsk, EVERYONE)?;
//! let socket = DatagramSocket::builder(&wsk, Family::INET)
//!     .security_descriptor(&everyone)
//!     .bind(([127, 0, 0, 1], 0))
//!     .await?;
//! # Ok::<(), wsk::Error>(())
//! # })??;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! # Security context
//!
//! Access also depends on the security context of the second socket: an owning process and thread. This crate always passes
//! null, the current process without impersonation, since a process or thread must be a referenced object for the duration
//! of the call ([INV-67](crate::rules#inv-67)). [`dispatch`](crate::dispatch::ProviderDispatch::socket) accepts both.

mod cached;
mod self_relative;

pub use self::cached::CachedSecurityDescriptor;
