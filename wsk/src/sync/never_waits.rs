//! A promise about the closures that a driver runs with a lock of another crate.
//!
//! # Safety
//!
//! The trait is `unsafe` to implement; this file calls no unsafe function.

#![expect(unsafe_code, reason = "an unsafe trait")]

/// The driver's promise that its closures never wait while they hold a lock that `DispatchRawMutex` or `DispatchCriticalSection`
/// implements, each by a feature of its own.
///
/// Both run a closure at `DISPATCH_LEVEL`, on the thread of the caller. The caller may be at `PASSIVE_LEVEL`, and its closure may
/// have borrowed or copied its [`Passive`](crate::irql::Passive): `mutex.lock(|_| rt::block_on(passive, future))` compiles, since the other crate's
/// function has no bound that this crate could use, and would stop the system. So safe code cannot use these types before the driver has
/// implemented this trait for one of its own types.
///
/// ```
/// use wsk::sync::{DispatchRawMutex, NeverWaits};
///
/// struct ThisDriver;
///
/// // SAFETY: the closures that this driver passes to `Mutex::lock` of embassy-sync only read and write the value.
/// unsafe impl NeverWaits for ThisDriver {}
///
/// type RawMutex = DispatchRawMutex<ThisDriver>;
/// static LAST: embassy_sync::blocking_mutex::Mutex<RawMutex, u32> =
///     embassy_sync::blocking_mutex::Mutex::new(7);
/// assert_eq!(LAST.lock(|last| *last), 7);
/// # extern crate wsk_host;
/// ```
///
/// # Safety
///
/// As long as the type exists, no code of the driver, and no crate that it uses, passes a closure to a lock with this type, or to
/// `critical_section::with`, that uses a [`Passive`](crate::irql::Passive), calls a function that Windows allows at lower levels only, accesses pageable
/// memory, or passes the closure's thread to other code that does.
pub unsafe trait NeverWaits: 'static {}
