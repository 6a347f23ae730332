//! Macros of the `wsk` crate.

mod provider_table;

use proc_macro::TokenStream;

/// Makes a typed wrapper of a provider's table from a list of its slots.
///
/// ```ignore
/// #[provider_table(WSK_PROVIDER_LISTEN_DISPATCH, of_socket)]
/// struct ListenDispatch {
///     WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
/// }
/// ```
///
/// gives a `Copy` type with one `unsafe` method for each slot, here `bind(local_address, irp)`: named
/// after the slot, without the parameters that are reserved, for which it passes zero. The compiler
/// checks every slot's name and signature against the table. A method reads its own slot only, so the
/// list may be longer than the running system's table is; a slot that is null answers
/// `STATUS_NOT_IMPLEMENTED`.
///
/// With `of_socket`, the wrapper is made of a socket by `of`, and its methods pass that socket as the
/// first argument: a table is called for its own socket only. Without, it is made of a pointer to the
/// table by `from_raw`.
#[proc_macro_attribute]
pub fn provider_table(arguments: TokenStream, item: TokenStream) -> TokenStream {
    provider_table::expand(arguments.into(), item.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
