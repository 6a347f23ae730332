//! Macros of the `wsk` crate.

#![forbid(unsafe_code)]

mod diagnostics;
mod events;
#[cfg(test)]
mod expansion;
mod paths;
mod provider_table;

use proc_macro::TokenStream;

/// Makes a typed wrapper of a table of functions, from a declaration of its slots.
///
/// ```
/// use wsk::dispatch::BasicDispatch;
/// use wsk::flags::SendFlags;
/// use wsk::sys::{NTSTATUS, PIRP, PVOID, PWSK_BUF, PWSK_SOCKET, ULONG};
///
/// /// A table of some interface, as declared in its header.
/// #[repr(C)]
/// pub struct EXAMPLE_DISPATCH {
///     pub ExamplePing: Option<unsafe extern "C" fn(PVOID, ULONG, PWSK_BUF, ULONG, PIRP) -> NTSTATUS>,
/// }
///
/// /// Its functions.
/// #[wsk::provider_table(EXAMPLE_DISPATCH)]
/// pub struct ExampleDispatch {
///     ExamplePing: fn(context: PVOID, #[reserved] zero: ULONG, buffer: PWSK_BUF, #[flags] flags: SendFlags, irp: PIRP),
/// }
///
/// unsafe fn ping(example: ExampleDispatch, context: PVOID, buffer: PWSK_BUF, irp: PIRP) -> NTSTATUS {
///     // SAFETY: `context`, `buffer` and `irp` are as the function requires (this function's contract).
///     unsafe { example.example_ping(context, buffer, SendFlags::NO_DELAY, irp) }
/// }
/// ```
///
/// The result is a `Copy` type with an `unsafe` method for each slot, named after it. The compiler checks the
/// declaration against the table: each field of the table is declared, at its place and with its type. A slot that a
/// new header adds is reported by name until it is declared.
///
/// A method reads its own slot only ([INV-8](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-8)), so the table of
/// an older system may be shorter. A null slot returns `STATUS_NOT_IMPLEMENTED`.
///
/// # Arguments
///
/// - The first is the path of the table's type.
/// - `of_socket`: the wrapper is made from a socket, by `of`, and its methods pass that socket as their first argument.
///   So a table is called for its own socket only. Without `of_socket` it is made from a pointer to the table, by
///   `from_raw`. Both functions are `unsafe`: the caller ensures that the table is of this type and stays valid.
/// - `crate = path` is the path of the crate `wsk`, for a crate that does not depend on it directly. By default it is
///   the name in `Cargo.toml`.
///
/// # Fields
///
/// - `WskBind: fn(socket: PWSK_SOCKET, …)` is a function. It returns an `NTSTATUS`, unless it states another type.
/// - `Basic: BasicDispatch` is the table that a socket's table begins with. The wrapper dereferences to it.
/// - `Version: USHORT` is a value, which a method reads. With `#[reserved]` no method does.
///
/// `#[cfg]` on a field is the condition of its slot. Documentation and other attributes apply to the method.
///
/// # Attributes of functions
///
/// - `#[since(Type)]`: the method first takes a value of this type, which shows that the running system's table has the
///   slot, such as [those of `wsk`](https://docs.rs/wsk/latest/wsk/has).
/// - `#[rules(10, 11)]`: rules of WSK that the caller keeps, for the method's `# Safety`.
///
/// # Attributes of parameters
///
/// - `#[reserved]`: always zero or null ([INV-30](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-30)), and no
///   parameter of the method. The type is a number or a pointer.
/// - `#[flags]`: of a type with `bits()`, where the function takes a `ULONG`.
///
/// # Expansion
///
/// ```text
#[doc = include_str!("../tests/expansion/provider_table.txt")]
/// ```
#[proc_macro_attribute]
pub fn provider_table(arguments: TokenStream, item: TokenStream) -> TokenStream {
    provider_table::expand(arguments.into(), item.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Puts an implementation of WSK's event callbacks into the table that WSK calls.
///
/// Write it on an `impl` of one of the traits `ListenEvents`, `ConditionalListenEvents`, `DatagramEvents` and
/// `ConnectionEvents` of `wsk::events`. The type's C table then has a function for each method of the `impl`, and null
/// for the others, and its mask has the events of these methods. A socket's builder takes a value of the type and
/// enables the events. A stream socket takes a type with `ListenEvents` and `ConnectionEvents`.
///
/// ```
/// use wsk::events::{ConnectionEvents, ConnectionTable, Data, EventMask, Receipt};
///
/// struct Sink;
///
/// #[wsk::events]
/// impl ConnectionEvents for Sink {
///     fn receive(&self, _data: Data<'_>) -> Receipt {
///         Receipt::All
///     }
/// }
///
/// # extern crate wsk_host;
/// assert!(Sink::TABLE.WskReceiveEvent.is_some());
/// assert!(Sink::TABLE.WskDisconnectEvent.is_none());
/// assert_eq!(Sink::EVENTS, EventMask::RECEIVE);
/// ```
///
/// # Arguments
///
/// `crate = path` is the path of the crate `wsk`, for a crate that does not depend on it directly, as in
/// `#[driver::wsk::events(crate = driver::wsk)]`. By default it is the name in `Cargo.toml`.
///
/// # Methods
///
/// - Methods take `&self`: WSK calls them at any time, in several threads at once, at up to `DISPATCH_LEVEL`.
/// - `#[cfg]` on a method is the condition of its slot as well.
/// - A macro cannot make methods inside the `impl`, since this attribute would not see them. A macro can make the
///   whole `impl`, with the attribute on it.
///
/// # Soundness
///
/// The attribute generates safe code: the set of the methods, and for listeners the trait with which the type
/// listens. `wsk` builds the table from the type itself, with functions that accept a null context, or the memory of
/// a socket with a handler of this type ([INV-39](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-39),
/// [INV-46](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-46)). They lend the indication for the duration of
/// the call ([INV-58](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-58)), report a null pointer as `dead`
/// ([INV-42](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-42)) and return only statuses that WSK allows
/// ([INV-55](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-55),
/// [INV-59](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-59),
/// [INV-62](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-62)). A panic does not leave them
/// ([INV-64](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-64)).
///
/// # Expansion
///
/// ```text
#[doc = include_str!("../tests/expansion/events.txt")]
/// ```
#[proc_macro_attribute]
pub fn events(arguments: TokenStream, item: TokenStream) -> TokenStream {
    events::expand(arguments.into(), item.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
