//! Socket options as a type.
//!
//! # Safety
//!
//! An option is declared with the type that the system reads and writes.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::marker::PhantomData;

use super::{MAX_SIZE_WRITE_ONLY, OptionValue};

/// Types without values, invariant in each: the length of a value and the sockets that an option applies to are taken
/// from them again after the constructor has checked them.
pub(super) type TypeMarkers<T, U, V> = PhantomData<fn((T, U, V)) -> (T, U, V)>;

/// A socket option: its level, its name, the type of its values ([`OptionValue`]), the sockets that it applies to
/// ([`AppliesTo`](super::AppliesTo)), and whether it can be set and read.
pub struct SocketOption<T, A, M = ReadWrite> {
    level: u32,
    name: u32,
    types: TypeMarkers<T, A, M>,
}

impl<T: OptionValue, A, M: Access> SocketOption<T, A, M> {
    /// Defines an option that this crate does not have, with values of up to [`MAX_SIZE`](super::MAX_SIZE) bytes, or
    /// [`MAX_SIZE_WRITE_ONLY`] if they can only be set.
    ///
    /// ```compile_fail,E0080
    /// use wsk::options::{AllSockets, SocketOption};
    ///
    /// const LONG: SocketOption<[u8; 129], AllSockets> = unsafe { SocketOption::new(0, 1) };
    /// ```
    ///
    /// ```compile_fail,E0080
    /// use wsk::options::{AllSockets, SocketOption, WriteOnly};
    ///
    /// const LONG: SocketOption<[u8; 265], AllSockets, WriteOnly> = unsafe { SocketOption::new(0, 1) };
    /// ```
    ///
    /// # Safety
    ///
    /// For setting and reading, as far as `M` allows each, with an IRP and at up to `DISPATCH_LEVEL`:
    ///
    /// - For every socket and in every state that `A` [applies to](super::AppliesTo), `WskControlSocket` may set the
    ///   option to every value that `T` encodes, and read its value from every socket that [allows it](super::AskedOf).
    /// - Its values are plain data: neither the encoding of `T` nor the bytes that WSK writes contain pointers, or other
    ///   resources that must be kept or released.
    /// - It changes nothing that this crate relies on: it enables no callbacks, and the socket's type still matches its
    ///   state.
    #[must_use]
    pub const unsafe fn new(level: u32, name: u32) -> Self {
        const { assert!(T::SIZE <= M::MAX_SIZE, "the value is too long") };
        Self { level, name, types: PhantomData }
    }
}

impl<T, A, M> SocketOption<T, A, M> {
    /// Returns the level, such as `SOL_SOCKET` or `IPPROTO_TCP`.
    #[must_use]
    pub const fn level(self) -> u32 {
        self.level
    }

    /// Returns the number of the option at its level.
    #[must_use]
    pub const fn name(self) -> u32 {
        self.name
    }
}

// Not derived: a derive would require the trait of the type parameters.
impl<T, A, M> Clone for SocketOption<T, A, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, A, M> Copy for SocketOption<T, A, M> {}

impl<T, A, M> fmt::Debug for SocketOption<T, A, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketOption")
            .field("level", &self.level)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Whether an option can be set and read: [`ReadWrite`], [`ReadOnly`] or [`WriteOnly`].
pub trait Access: sealed::Sealed {
    /// The maximum size of a value in bytes.
    const MAX_SIZE: usize;
}

/// Options that can be set.
#[diagnostic::on_unimplemented(message = "the option can only be asked for")]
pub trait Writable: Access {}

/// Options that can be read.
#[diagnostic::on_unimplemented(message = "the option can only be set")]
pub trait Readable: Access {}

/// Options that can be set and read.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

/// Options that can only be read.
///
/// ```compile_fail,E0277
/// use wsk::options::ip;
/// use wsk::socket::ConnectionSocket;
///
/// async fn widen(socket: ConnectionSocket) -> wsk::Result<()> {
///     socket.set(ip::MTU, 9000).await
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

/// Options that can only be set.
///
/// ```compile_fail,E0277
/// use wsk::options::ip;
/// use wsk::socket::DatagramSocket;
///
/// async fn which(socket: DatagramSocket) -> wsk::Result<()> {
///     socket.get(ip::ADD_MEMBERSHIP).await.map(|_| ())
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum WriteOnly {}

impl Access for ReadWrite {
    const MAX_SIZE: usize = super::MAX_SIZE;
}

impl Access for ReadOnly {
    const MAX_SIZE: usize = super::MAX_SIZE;
}

impl Access for WriteOnly {
    const MAX_SIZE: usize = MAX_SIZE_WRITE_ONLY;
}

impl Writable for ReadWrite {}
impl Writable for WriteOnly {}
impl Readable for ReadWrite {}
impl Readable for ReadOnly {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ReadWrite {}
    impl Sealed for super::ReadOnly {}
    impl Sealed for super::WriteOnly {}
}

/// Declares the options of a level. Each has its name in C twice, the second time for searches.
macro_rules! options {
    (
        $level:ident, $page:literal;
        $(
            $(#[$doc:meta])*
            $name:ident = $c:ident $alias:literal: $value:ty, $applies:ty, $access:ty, $windows:literal;
        )*
    ) => {$(
        $(#[$doc])*
        ///
        #[doc = concat!("`", $alias, "`. Minimum Windows: ", $windows, ".")]
        #[doc = concat!("[Microsoft's page](https://learn.microsoft.com/", $page, ").")]
        #[doc(alias = $alias)]
        #[expect(unsafe_code, reason = "each option is declared with the type that the system uses")]
        pub const $name: SocketOption<$value, $applies, $access> =
            // SAFETY: Microsoft's page describes the option, with a value that is a number, an address or a
            // plain structure of them. It affects the transferred data, and enables no callbacks.
            unsafe { SocketOption::new(wsk_sys::$level, wsk_sys::$c) };

        const _: () = assert!($crate::options::option::are_equal(stringify!($c), $alias));
    )*};
}

pub(super) use options;

/// Whether two strings are the same, for constants.
pub(super) const fn are_equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut place = 0;
    while place < a.len() && place < b.len() && a[place] == b[place] {
        place += 1;
    }
    place == a.len() && place == b.len()
}
