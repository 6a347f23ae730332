//! `#[events]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Ident, ImplItem, ItemImpl, Path, Result, TypeParamBound};

use crate::paths;

/// A trait of events: what it has, and the table that it fills.
struct Trait {
    name: &'static str,
    /// The trait of types that have such a table, which is implemented.
    made: &'static str,
    /// The table in C.
    table: &'static str,
    events: &'static [Event],
}

/// A slot of a table.
struct Event {
    method: &'static str,
    slot: &'static str,
    thunk: &'static str,
    /// Its name among those that can be enabled.
    mask: Option<&'static str>,
}

const fn event(
    method: &'static str,
    slot: &'static str,
    thunk: &'static str,
    mask: Option<&'static str>,
) -> Event {
    Event { method, slot, thunk, mask }
}

/// What every trait has besides: told by a null pointer, and not by a slot.
const DEAD: &str = "dead";

static TRAITS: [Trait; 4] = [
    Trait {
        name: "ListenEvents",
        made: "ListenTable",
        table: "WSK_CLIENT_LISTEN_DISPATCH",
        events: &[
            event("accept", "WskAcceptEvent", "accept", Some("ACCEPT")),
            event("", "WskInspectEvent", "", None),
            event("", "WskAbortEvent", "", None),
        ],
    },
    Trait {
        name: "ConditionalListenEvents",
        made: "ListenTable",
        table: "WSK_CLIENT_LISTEN_DISPATCH",
        events: &[
            event("accept", "WskAcceptEvent", "conditional_accept", Some("ACCEPT")),
            event("inspect", "WskInspectEvent", "inspect", None),
            event("aborted", "WskAbortEvent", "abort", None),
        ],
    },
    Trait {
        name: "DatagramEvents",
        made: "DatagramTable",
        table: "WSK_CLIENT_DATAGRAM_DISPATCH",
        events: &[event(
            "receive_from",
            "WskReceiveFromEvent",
            "receive_from",
            Some("RECEIVE_FROM"),
        )],
    },
    Trait {
        name: "ConnectionEvents",
        made: "ConnectionTable",
        table: "WSK_CLIENT_CONNECTION_DISPATCH",
        events: &[
            event("receive", "WskReceiveEvent", "receive", Some("RECEIVE")),
            event("disconnected", "WskDisconnectEvent", "disconnect", Some("DISCONNECT")),
            event("send_backlog", "WskSendBacklogEvent", "send_backlog", Some("SEND_BACKLOG")),
        ],
    },
];

impl Trait {
    fn methods(&self) -> impl Iterator<Item = &'static str> {
        let events = self.events.iter().map(|event| event.method);
        events.filter(|method| !method.is_empty()).chain([DEAD])
    }

    /// Its names, for people.
    fn list(&self) -> String {
        let names: Vec<String> = self.methods().map(|method| format!("`{method}`")).collect();
        names.join(", ")
    }
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if let Some(argument) = arguments.into_iter().next() {
        return Err(Error::new(argument.span(), "`events` takes no arguments"));
    }
    let item: ItemImpl = syn::parse2(item).map_err(|error| {
        Error::new(
            error.span(),
            "events are an implementation, such as `impl DatagramEvents for Tunnel { … }`",
        )
    })?;
    let Some((path, found)) = find_trait(&item)? else {
        return Err(Error::new(
            item.self_ty.span(),
            "of which events? Write `impl DatagramEvents for …`, or one of `ListenEvents`, \
             `ConditionalListenEvents` and `ConnectionEvents`",
        ));
    };
    require_static(&item)?;
    let implemented = implemented(&item, found)?;
    Ok(tables(&item, path, found, &implemented))
}

/// The trait that is implemented.
fn find_trait(item: &ItemImpl) -> Result<Option<(&Path, &'static Trait)>> {
    let Some((path, _)) = &item.trait_ else {
        return Ok(None);
    };
    let Some(last) = path.segments.last() else {
        return Ok(None);
    };
    match TRAITS.iter().find(|found| last.ident == found.name) {
        Some(found) => Ok(Some((path, found))),
        None => Err(Error::new(
            last.ident.span(),
            format!(
                "`{}` is no trait of events: they are `ListenEvents`, `ConditionalListenEvents`, \
                 `DatagramEvents` and `ConnectionEvents`",
                last.ident
            ),
        )),
    }
}

/// Stops at a type parameter that may be a borrowed type: WSK calls back whenever it likes. The compiler would
/// say so as well, and more than once.
fn require_static(item: &ItemImpl) -> Result<()> {
    /// Bounds that say nothing about how long a type lives. Any other may be of a trait that does.
    const SILENT: [&str; 8] =
        ["Send", "Sync", "Sized", "Copy", "Clone", "Debug", "Default", "Unpin"];
    let is_silent = |bound: &TypeParamBound| match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .is_some_and(|last| SILENT.iter().any(|silent| last.ident == silent)),
        _ => false,
    };
    let has_clauses = item.generics.where_clause.is_some();
    for parameter in item.generics.type_params() {
        if !has_clauses && parameter.bounds.iter().all(is_silent) {
            let name = &parameter.ident;
            return Err(Error::new(
                name.span(),
                format!(
                    "WSK may call back at any time, so `{name}` must own what it has: `{name}: 'static`"
                ),
            ));
        }
    }
    Ok(())
}

/// The methods that are there, each of which must be one of the trait's.
fn implemented<'a>(item: &'a ItemImpl, found: &Trait) -> Result<Vec<&'a Ident>> {
    let mut errors: Option<Error> = None;
    let mut methods = Vec::new();
    for inner in &item.items {
        let ImplItem::Fn(function) = inner else {
            continue;
        };
        let name = &function.sig.ident;
        if found.methods().any(|method| name == method) {
            let is_conditional = |attribute: &&syn::Attribute| {
                ["cfg", "cfg_attr"].iter().any(|name| attribute.path().is_ident(name))
            };
            // Without the method its event would be enabled all the same, and answered by the trait.
            if let Some(attribute) = function.attrs.iter().find(is_conditional) {
                let message = "an event has its place in the table always: put the condition on the whole `impl`";
                combine(&mut errors, Error::new_spanned(attribute, message));
            }
            methods.push(name);
            continue;
        }
        let others = TRAITS.iter().filter(|other| other.methods().any(|method| name == method));
        let others: Vec<String> = others.map(|other| format!("`{}`", other.name)).collect();
        let message = if others.is_empty() {
            format!("`{}` has no event `{name}`: it has {}", found.name, found.list())
        } else {
            format!(
                "`{name}` is an event of {}, and not of `{}`, which has {}",
                others.join(" and "),
                found.name,
                found.list()
            )
        };
        combine(&mut errors, Error::new(name.span(), message));
    }
    errors.map_or(Ok(methods), Err)
}

fn combine(errors: &mut Option<Error>, error: Error) {
    match errors {
        None => *errors = Some(error),
        Some(errors) => errors.combine(error),
    }
}

fn tables(item: &ItemImpl, path: &Path, found: &Trait, implemented: &[&Ident]) -> TokenStream {
    let wsk = paths::wsk();
    let span = path.span();
    // What is wrong with the implementation is said there, and not here once more.
    let mut bounded = item.generics.clone();
    if !bounded.params.is_empty() {
        bounded.make_where_clause().predicates.push(syn::parse_quote!(Self: #path));
    }
    let (generics, _, bounds) = bounded.split_for_impl();
    let ty = &item.self_ty;
    let [made, table] = [found.made, found.table].map(|name| format_ident!("{name}"));
    let slots = found.events.iter().map(|event| {
        let (slot, thunk) = (format_ident!("{}", event.slot), event.thunk);
        if implemented.iter().any(|name| *name == event.method) {
            let thunk = format_ident!("{thunk}");
            quote!(#slot: ::core::option::Option::Some(#wsk::events::thunks::#thunk::<Self>))
        } else if event.method == "aborted" {
            // Whoever inspects is told of aborts, whether or not it wants to be.
            quote!(#slot: ::core::option::Option::Some(#wsk::events::thunks::abort::<Self>))
        } else {
            quote!(#slot: ::core::option::Option::None)
        }
    });
    let masks = found.events.iter().filter_map(|event| {
        let is_there = implemented.iter().any(|name| *name == event.method);
        let mask = format_ident!("{}", event.mask.filter(|_| is_there)?);
        Some(quote!(.union(#wsk::events::EventMask::#mask)))
    });
    let is_conditional = (found.made == "ListenTable").then(|| {
        let is_conditional = found.name == "ConditionalListenEvents";
        quote! {
            const INHERITED: #wsk::events::EventMask = <
                <Self as #path>::Connection as #wsk::events::Callbacks<#wsk::socket::Connection>
            >::WHEN_CONNECTED;
            const IS_CONDITIONAL: bool = #is_conditional;
        }
    });
    quote_spanned! { span =>
        #item

        // SAFETY: the functions are made for this type.
        unsafe impl #generics #wsk::events::#made for #ty #bounds {
            const TABLE: &'static #wsk::sys::#table = &#wsk::sys::#table { #(#slots),* };
            const EVENTS: #wsk::events::EventMask =
                #wsk::events::EventMask::empty() #(#masks)*;
            #is_conditional
        }
    }
}
