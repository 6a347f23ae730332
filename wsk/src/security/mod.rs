//! Security descriptors: who may share a socket's address.
//!
//! A second socket can be bound to an address that is in use if the first one's security descriptor lets it.
//! Without one, nobody can: that is WSK's own way. WSK takes descriptors that it has
//! [cached](CachedSecurityDescriptor) only, with which a socket is
//! [created](crate::socket::Builder::security_descriptor), or which is
//! [set](crate::socket::Socket::set_security_descriptor) before the bind (INV-34, INV-65).
//!
//! ```
//! use wsk::security::CachedSecurityDescriptor;
//! use wsk::socket::{DatagramSocket, Family};
//!
//! /// `O:SYG:SYD:(A;;GA;;;WD)`: everybody may do everything.
//! const EVERYBODY: &[u8] = &[
//!     1, 0, 0x04, 0x80, 20, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0, // where there is what
//!     1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, // the owner: the system
//!     1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, // the group
//!     2, 0, 28, 0, 1, 0, 0, 0, // a list of one entry
//!     0, 0, 20, 0, 0, 0, 0, 0x10, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, // who may what
//! ];
//!
//! # extern crate wsk_host;
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # wsk::rt::block_on(passive, async move {
//! let everybody = CachedSecurityDescriptor::from_bytes(&wsk, EVERYBODY)?;
//! let socket = DatagramSocket::builder(&wsk, Family::INET)
//!     .security_descriptor(&everybody)
//!     .bind(([127, 0, 0, 1], 0))
//!     .await?;
//! # Ok::<(), wsk::Error>(())
//! # })??;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! # On whose behalf
//!
//! Whether the second socket may share depends on who creates it, too. WSK can be told a process and a thread for
//! that. Here it never is: the current process is the owner, and nobody is impersonated. A pointer to a process
//! or a thread would have to be a referenced object for as long as the call takes (INV-67), which belongs to a
//! part of the kernel's interface that this crate has no types for.
//! [`dispatch`](crate::dispatch::ProviderDispatch::socket) takes them.

mod cached;
mod self_relative;

pub use self::cached::CachedSecurityDescriptor;
