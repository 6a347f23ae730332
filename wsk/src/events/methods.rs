//! The set of methods that an implementation of an events trait has.
//!
//! [`events`](macro@crate::events) writes the set into the implementation as an associated type. Tables and masks
//! depend on it and on the type itself, and on nothing else. A wrong set is harmless: each method exists, if only as
//! the trait's default, and each thunk is one of the implementing type.

/// A set of methods, as a type: the events traits can then be used as `dyn`.
pub trait MethodSet {
    /// The union of this module's constants.
    const METHODS: u32;
}

/// The set `METHODS`.
#[derive(Clone, Copy, Debug)]
pub enum Methods<const METHODS: u32> {}

impl<const METHODS: u32> MethodSet for Methods<METHODS> {
    const METHODS: u32 = METHODS;
}

/// `accept`.
pub const ACCEPT: u32 = 1;
/// `receive_from`.
pub const RECEIVE_FROM: u32 = 1 << 1;
/// `receive`.
pub const RECEIVE: u32 = 1 << 2;
/// `disconnected`.
pub const DISCONNECTED: u32 = 1 << 3;
/// `send_backlog`.
pub const SEND_BACKLOG: u32 = 1 << 4;

/// The handler is attached later. Only `()` sets it. In another type it is harmless: the socket's callbacks look for an
/// attached handler and find none.
pub(super) const ATTACHED_LATER: u32 = 1 << 31;

/// Whether the set `M` contains `method`.
pub(super) const fn has<M: MethodSet>(method: u32) -> bool {
    M::METHODS & method != 0
}
