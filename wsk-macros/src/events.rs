//! `#[events]`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, FnArg, GenericParam, Ident, ImplItem, ImplItemFn, ItemImpl, Path, Receiver,
    ReceiverKind, Result, Safety, Type,
};

use crate::diagnostics::Errors;
use crate::paths;

/// A trait of events.
struct Trait {
    name: &'static str,
    /// How a type with it listens, if it does.
    listens: Option<&'static str>,
    methods: &'static [Method],
}

/// A method of a trait of events.
struct Method {
    name: &'static str,
    /// Its constant in `wsk::events::methods`, if the table depends on it.
    constant: Option<&'static str>,
    parameters: usize,
    signature: &'static str,
}

const ACCEPT: Method = Method {
    name: "accept",
    constant: Some("ACCEPT"),
    parameters: 1,
    signature: "fn accept(&self, incoming: Incoming<'_, Self::Connection>)",
};
const DEAD: Method =
    Method { name: "dead", constant: None, parameters: 0, signature: "fn dead(&self)" };

static TRAITS: [Trait; 4] = [
    Trait { name: "ListenEvents", listens: Some("Accepting"), methods: &[ACCEPT, DEAD] },
    Trait {
        name: "ConditionalListenEvents",
        listens: Some("Inspecting"),
        methods: &[
            ACCEPT,
            Method {
                name: "inspect",
                constant: None,
                parameters: 1,
                signature: "fn inspect(&self, inspection: Inspection<'_>)",
            },
            Method {
                name: "aborted",
                constant: None,
                parameters: 1,
                signature: "fn aborted(&self, id: InspectId)",
            },
            DEAD,
        ],
    },
    Trait {
        name: "DatagramEvents",
        listens: None,
        methods: &[
            Method {
                name: "receive_from",
                constant: Some("RECEIVE_FROM"),
                parameters: 1,
                signature: "fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition",
            },
            DEAD,
        ],
    },
    Trait {
        name: "ConnectionEvents",
        listens: None,
        methods: &[
            Method {
                name: "receive",
                constant: Some("RECEIVE"),
                parameters: 1,
                signature: "fn receive(&self, data: Data<'_>) -> Receipt",
            },
            Method {
                name: "disconnected",
                constant: Some("DISCONNECTED"),
                parameters: 2,
                signature: "fn disconnected(&self, abortive: bool, level: Level)",
            },
            Method {
                name: "send_backlog",
                constant: Some("SEND_BACKLOG"),
                parameters: 1,
                signature: "fn send_backlog(&self, ideal: usize)",
            },
            DEAD,
        ],
    },
];

const TRAIT_NAMES: &str =
    "`ListenEvents`, `ConditionalListenEvents`, `DatagramEvents` or `ConnectionEvents`";

impl Trait {
    fn method(&self, name: &Ident) -> Option<&'static Method> {
        let name = name.unraw();
        self.methods.iter().find(|method| name == method.name)
    }

    /// The names of its methods, for messages.
    fn list(&self) -> String {
        let names: Vec<String> =
            self.methods.iter().map(|method| format!("`{}`", method.name)).collect();
        names.join(", ")
    }
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let wsk = errors.take(paths::parse_only_crate(arguments, "events"));
    let wsk = wsk.and_then(|given| errors.take(paths::wsk(given.as_ref())));
    let item: ItemImpl = match syn::parse2(item) {
        Ok(item) => item,
        Err(error) => {
            errors.add(Error::new(
                error.span(),
                "`events` belongs on an implementation, such as `impl DatagramEvents for Tunnel { … }`",
            ));
            return Err(fail(errors));
        }
    };
    let found = errors.take(find_trait(&item));
    if let Some((_, found)) = found {
        check_impl(&item, &mut errors);
        check_items(&item, found, &mut errors);
    }
    errors.finish()?;
    match (wsk, found) {
        (Some(wsk), Some((path, found))) => {
            let span = path.segments.last().map_or_else(|| path.span(), |last| last.ident.span());
            Ok(implementation(&wsk, item, span, found))
        }
        _ => Ok(TokenStream::new()),
    }
}

/// The errors, of which there is at least one.
fn fail(errors: Errors) -> Error {
    let none = || Error::new(Span::call_site(), "`events` cannot read this");
    errors.finish().err().unwrap_or_else(none)
}

/// The trait that is implemented, by its name. The compiler checks that the path means `wsk`'s trait of this name:
/// no other has the associated type that is added.
fn find_trait(item: &ItemImpl) -> Result<(&Path, &'static Trait)> {
    let Some((path, _)) = &item.trait_ else {
        return Err(Error::new_spanned(
            &item.self_ty,
            format!(
                "write which events: `impl DatagramEvents for …`, where the trait is {TRAIT_NAMES}"
            ),
        ));
    };
    let name = path.segments.last().map(|last| last.ident.unraw());
    let found = TRAITS.iter().find(|found| name.as_ref().is_some_and(|name| name == found.name));
    let missing = || {
        let message = format!(
            "`{}` is not a trait of events: implement {TRAIT_NAMES}, by this name",
            path.to_token_stream().to_string().replace(' ', "")
        );
        Error::new_spanned(path, message)
    };
    found.map(|found| (path, found)).ok_or_else(missing)
}

/// Checks what precedes the braces.
fn check_impl(item: &ItemImpl, errors: &mut Errors) {
    if let Some(polarity) = &item.modifiers.polarity {
        errors.at(polarity, "a negative implementation has no table: remove `#[wsk::events]`");
    }
    if let Some(default) = &item.modifiers.defaultness {
        errors.at(default, "a table belongs to one type: remove `default`");
    }
    if let Some(token) = &item.unsafety {
        errors.at(token, "the traits of events are safe: remove `unsafe`");
    }
    for parameter in &item.generics.params {
        match parameter {
            GenericParam::Lifetime(parameter)
                if parameter.bounds.is_empty() && item.generics.where_clause.is_none() =>
            {
                errors.at(
                    &parameter.lifetime,
                    "WSK may call back at any time, so a handler owns its data or borrows it for `'static`",
                );
            }
            _ => {}
        }
    }
    match &*item.self_ty {
        Type::TraitObject(ty) => {
            errors.at(ty, "a socket's memory contains its handler: implement the events for a type with a size");
        }
        Type::Slice(ty) => {
            errors.at(ty, "a socket's memory contains its handler: implement the events for a type with a size");
        }
        Type::Reference(ty)
            if ty.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident == "_") =>
        {
            errors.at(
                ty,
                "WSK may call back at any time: implement the events for the type itself, or for `&'static …`",
            );
        }
        _ => {}
    }
}

/// Checks what is between the braces.
fn check_items(item: &ItemImpl, found: &Trait, errors: &mut Errors) {
    for inner in &item.items {
        match inner {
            ImplItem::Fn(function) => match found.method(&function.sig.ident) {
                Some(method) => check_method(function, method, errors),
                None => errors.add(unknown_method(&function.sig.ident, found)),
            },
            ImplItem::Macro(call) => errors.at(
                call,
                "`events` cannot see the methods that a macro makes, and would leave them out of the table: write \
                 them here, or let the macro make the whole `impl` with `#[wsk::events]` on it",
            ),
            ImplItem::Type(ty) if ty.ident == ATTRIBUTE => {
                errors.at(&ty.ident, "`#[wsk::events]` writes this type itself: remove it");
            }
            ImplItem::Const(constant) => {
                errors.at(
                    &constant.ident,
                    format!("`{}` has no constants: put it into another `impl`", found.name),
                );
            }
            // The compiler knows which types the trait has.
            ImplItem::Type(_) => {}
            other => errors.at(
                other,
                format!("expected a method of `{}`, which has {}", found.name, found.list()),
            ),
        }
    }
}

fn unknown_method(name: &Ident, found: &Trait) -> Error {
    let others = TRAITS.iter().filter(|other| other.method(name).is_some());
    let others: Vec<String> = others.map(|other| format!("`{}`", other.name)).collect();
    let message = if others.is_empty() {
        format!("`{}` has no method `{name}`: its methods are {}", found.name, found.list())
    } else {
        format!(
            "`{name}` is a method of {}; those of `{}` are {}",
            others.join(" and "),
            found.name,
            found.list()
        )
    };
    Error::new(name.span(), message)
}

/// Checks what the compiler would explain poorly. It checks the types itself.
fn check_method(function: &ImplItemFn, method: &Method, errors: &mut Errors) {
    let signature = &function.sig;
    let expected = format!("the method is `{}`", method.signature);
    if let Some(default) = &function.modifiers.defaultness {
        errors.at(default, format!("an event is handled in one way: remove `default`; {expected}"));
    }
    if let Some(token) = &signature.constness {
        errors.at(token, format!("WSK calls this at run time: remove `const`; {expected}"));
    }
    if let Some(token) = &signature.asyncness {
        errors.at(
            token,
            format!(
                "a callback must not wait (INV-16): remove `async`, and spawn a task; {expected}"
            ),
        );
    }
    match &signature.safety {
        Safety::Unsafe(token) => {
            errors.at(token, format!("the method is safe: remove `unsafe`; {expected}"));
        }
        Safety::Safe(token) => {
            errors.at(token, format!("remove `safe`; {expected}"));
        }
        Safety::Default => {}
    }
    if let Some(abi) = &signature.abi {
        errors
            .at(abi, format!("the table's function is made for you: remove `extern`; {expected}"));
    }
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            errors.at(parameter, format!("a callback has no generics; {expected}"));
        }
    }
    if let Some(dots) = &signature.variadic {
        errors.at(dots, format!("a callback has a fixed number of parameters; {expected}"));
    }
    check_parameters(function, method, &expected, errors);
    for attribute in &function.attrs {
        if attribute.path().is_ident("cfg_attr") && contains_cfg(&attribute.meta.to_token_stream())
        {
            errors
                .at(attribute, "write the condition as `#[cfg(…)]`, so that the table has it, too");
        }
    }
}

fn check_parameters(function: &ImplItemFn, method: &Method, expected: &str, errors: &mut Errors) {
    let signature = &function.sig;
    match signature.receiver() {
        None => {
            errors.at(
                &signature.ident,
                format!("a callback takes the handler by `&self`; {expected}"),
            );
            return;
        }
        Some(receiver) if !is_shared(receiver) => {
            errors.at(
                receiver,
                format!(
                    "callbacks run at the same time and share the handler by `&self`; {expected}"
                ),
            );
        }
        Some(_) => {}
    }
    if signature.inputs.len() != method.parameters + 1 {
        errors.at(
            &signature.ident,
            format!(
                "expected {} besides `&self`, found {}; {expected}",
                parameters(method.parameters),
                signature.inputs.len() - 1
            ),
        );
        return;
    }
    for input in &signature.inputs {
        let ty = match input {
            FnArg::Typed(input) => &*input.ty,
            FnArg::Receiver(_) => continue,
        };
        if let Type::ImplTrait(ty) = ty {
            errors.at(ty, format!("a parameter has one type; {expected}"));
        }
    }
}

fn parameters(count: usize) -> String {
    match count {
        0 => String::from("no parameter"),
        1 => String::from("1 parameter"),
        count => format!("{count} parameters"),
    }
}

/// Whether a receiver may be `&self`. The compiler checks the type of one that has a type.
fn is_shared(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => {
            matches!(&**ty, Type::Reference(ty) if ty.mutability.is_none())
        }
        _ => false,
    }
}

/// Whether tokens have `cfg` among them.
fn contains_cfg(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        proc_macro2::TokenTree::Ident(ident) => ident == "cfg",
        proc_macro2::TokenTree::Group(group) => contains_cfg(&group.stream()),
        _ => false,
    })
}

/// The associated type of the traits that has the set of methods.
const ATTRIBUTE: &str = "WskEventsAttribute";

/// The `#[cfg(…)]` among attributes.
fn conditions(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
}

/// The implementation, with the set of its methods; and how it listens.
fn implementation(wsk: &TokenStream, mut item: ItemImpl, span: Span, found: &Trait) -> TokenStream {
    // Resolved where the macro is, shown where the trait is named.
    let span = Span::mixed_site().located_at(span);
    let mut steps = TokenStream::new();
    for inner in &item.items {
        let ImplItem::Fn(function) = inner else {
            continue;
        };
        let method = found.method(&function.sig.ident);
        if let Some(constant) = method.and_then(|method| method.constant) {
            let constant = format_ident!("{constant}", span = span);
            let conditions = conditions(&function.attrs);
            steps.extend(quote_spanned! { span =>
                #(#conditions)*
                let methods = methods | #wsk::events::methods::#constant;
            });
        }
    }
    let set = if steps.is_empty() {
        quote_spanned!(span => 0)
    } else {
        quote_spanned!(span => { let methods = 0; #steps methods })
    };
    let attribute = format_ident!("{ATTRIBUTE}", span = span);
    item.items.push(ImplItem::Verbatim(quote_spanned! { span =>
        type #attribute = #wsk::events::methods::Methods<#set>;
    }));
    let listens = found.listens.map(|way| {
        let way = format_ident!("{way}", span = span);
        let conditions = conditions(&item.attrs);
        let (generics, _, clauses) = item.generics.split_for_impl();
        let ty = &item.self_ty;
        quote_spanned! { span =>
            #(#conditions)*
            impl #generics #wsk::events::Listens for #ty #clauses {
                type By = #wsk::events::#way;
            }
        }
    });
    quote! { #item #listens }
}
