//! The type that is made of a table's declaration.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, ItemStruct, Path, Type, Visibility};

use super::slots::{ParameterRole, Slot, SlotFunction, SlotKind, SlotParameter, method_name};

/// The type that is made.
pub(super) struct Wrapper<'a> {
    pub(super) wsk: TokenStream,
    pub(super) item: &'a ItemStruct,
    pub(super) table: &'a Path,
    pub(super) of_socket: bool,
    pub(super) slots: Vec<Slot>,
}

/// A variable name that differs from every name of the user.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A visibility whose tokens are the macro's: a function that begins with them is not the user's own `unsafe` code.
fn respanned(visibility: &Visibility) -> TokenStream {
    let tokens = quote!(#visibility).into_iter().map(|mut tree| {
        tree.set_span(Span::call_site().located_at(tree.span()));
        tree
    });
    tokens.collect()
}

impl Wrapper<'_> {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { wsk, item, table, .. } = self;
        let ItemStruct { attrs, vis, ident, .. } = item;
        let mirror = self.mirror();
        let visibility = respanned(vis);
        let methods = self.slots.iter().map(|slot| self.method(&visibility, slot));
        let base = self.base();
        let held = match (self.of_socket, base) {
            (true, Some(base)) => quote!(#base),
            (true, None) => quote!(#wsk::dispatch::VouchedPointer<#wsk::sys::PWSK_SOCKET>),
            (false, _) => quote!(#wsk::dispatch::VouchedPointer<*const #table>),
        };
        let constructor = self.constructor(&visibility, base);
        let deref = base.map(|base| {
            quote! {
                impl ::core::ops::Deref for #ident {
                    type Target = #base;

                    fn deref(&self) -> &#base {
                        &self.0
                    }
                }
            }
        });
        let invariant = if self.of_socket {
            " The socket is of the table's category, and stays open as long as the wrapper is used."
        } else {
            " The pointer is to a table of this type, of the length that the running system's has. The table stays valid \
             as long as the wrapper is used."
        };
        quote! {
            #(#attrs)*
            ///
            /// # Invariants
            ///
            #[doc = #invariant]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #vis struct #ident(#held);

            const _: () = {
                #mirror

                #[allow(dead_code, reason = "a table is declared in whole")]
                impl #ident {
                    #constructor
                    #(#methods)*
                }

                #deref
            };
        }
    }

    /// The table that this one begins with.
    fn base(&self) -> Option<&Type> {
        self.slots.iter().find_map(|slot| match &slot.kind {
            SlotKind::Table(ty) => Some(ty),
            _ => None,
        })
    }

    fn constructor(&self, visibility: &TokenStream, base: Option<&Type>) -> TokenStream {
        let Self { wsk, table, .. } = self;
        let (make, socket) = match base {
            // SAFETY: the generated function has the same contract as the function of the base.
            Some(base) => (quote!(Self(unsafe { <#base>::of(socket) })), quote!(self.0.socket())),
            // SAFETY: the generated function requires of its socket what the wrapper does.
            None => (
                quote!(Self(unsafe { #wsk::dispatch::VouchedPointer::new(socket) })),
                quote!(self.0.get()),
            ),
        };
        if self.of_socket {
            quote! {
                /// Wraps the functions of a socket.
                ///
                /// # Safety
                ///
                /// The socket is of the category that the table belongs to
                /// ([INV-38](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-38)), and stays open as long as the
                /// wrapper is used ([INV-44](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-44)).
                #[must_use]
                #visibility const unsafe fn of(socket: #wsk::sys::PWSK_SOCKET) -> Self {
                    #make
                }

                /// The socket.
                #[must_use]
                #visibility const fn socket(self) -> #wsk::sys::PWSK_SOCKET {
                    #socket
                }
            }
        } else {
            quote! {
                /// Wraps the functions of the table at an address.
                ///
                /// # Safety
                ///
                /// The address is that of a table of this type, of the length that the running system's has, and
                /// the table stays valid as long as the wrapper is used.
                #[must_use]
                #visibility const unsafe fn from_raw(table: *const #table) -> Self {
                    // SAFETY: this function requires of its pointer what the wrapper does.
                    Self(unsafe { #wsk::dispatch::VouchedPointer::new(table) })
                }
            }
        }
    }

    /// The table once more, as it was declared: the type that slots are read through. The compiler checks that each
    /// field of the table is declared, with its type and at its place.
    fn mirror(&self) -> TokenStream {
        let (table, mirror) = (self.table, self.mirror_name());
        let names: Vec<&Ident> = self.slots.iter().map(|slot| &slot.name).collect();
        let types: Vec<TokenStream> = self.slots.iter().map(|slot| self.raw_type(slot)).collect();
        let conditions: Vec<TokenStream> =
            self.slots.iter().map(|Slot { conditions, .. }| quote!(#(#conditions)*)).collect();
        let places = self.slots.iter().map(|Slot { name, conditions, .. }| {
            let message =
                format!("`{name}` is at another place in the table: declare the slots in its order");
            let span = Span::mixed_site().located_at(name.span());
            quote_spanned! { span =>
                #(#conditions)*
                let () = ::core::assert!(
                    ::core::mem::offset_of!(#mirror, #name) == ::core::mem::offset_of!(#table, #name),
                    #message
                );
            }
        });
        let declared = local("declared");
        let values = names.iter().map(|name| {
            let span = Span::mixed_site().located_at(name.span());
            // The compiler reports another type at the slot.
            let (mut field, mut declared) = ((*name).clone(), declared.clone());
            field.set_span(span);
            declared.set_span(span);
            quote_spanned! { span => #name: #declared.#field }
        });
        // Where the compiler reports fields that are missing.
        let span = Span::mixed_site().located_at(self.item.ident.span());
        let whole = quote_spanned! { span => #table { #(#conditions #values),* } };
        quote! {
            #[allow(non_snake_case, dead_code, reason = "the names are C's")]
            #[repr(C)]
            struct #mirror {
                #(#conditions #names: #types),*
            }

            /// Initializes every field of the table, from values that can be copied: one that is missing in the
            /// declaration is missing here.
            #[allow(non_snake_case, dead_code, reason = "the names are C's")]
            const fn whole(#declared: &#mirror) -> #table {
                #whole
            }

            const _: () = {
                #(#places)*
            };
        }
    }

    fn mirror_name(&self) -> Ident {
        format_ident!("__{}Mirror", self.item.ident, span = Span::call_site())
    }

    /// A field's type in C.
    fn raw_type(&self, slot: &Slot) -> TokenStream {
        let wsk = &self.wsk;
        match &slot.kind {
            SlotKind::Table(_) => quote!(#wsk::sys::WSK_PROVIDER_BASIC_DISPATCH),
            SlotKind::Value { ty, .. } => quote!(#ty),
            SlotKind::Function(function) => {
                let types = function.parameters.iter().map(|parameter| {
                    let ty = &parameter.ty;
                    match parameter.role {
                        ParameterRole::Flags => quote!(#wsk::sys::ULONG),
                        ParameterRole::Plain | ParameterRole::Reserved => quote!(#ty),
                    }
                });
                let output = function.output(wsk);
                quote!(::core::option::Option<unsafe extern "C" fn(#(#types),*) -> #output>)
            }
        }
    }

    fn method(&self, visibility: &TokenStream, slot: &Slot) -> TokenStream {
        let Slot { name, attributes, conditions, kind } = slot;
        match kind {
            SlotKind::Table(_) | SlotKind::Value { is_reserved: true, .. } => TokenStream::new(),
            SlotKind::Value { ty, .. } => {
                let (Some(method), value) = (method_name(name), local("value")) else {
                    // Its error was returned.
                    return TokenStream::new();
                };
                let read = self.read(name, &value);
                let summary = format!("Reads `{name}` from the table.");
                quote! {
                    #(#conditions)*
                    #(#attributes)*
                    #[doc = #summary]
                    #[must_use]
                    #visibility fn #method(self) -> #ty {
                        #read
                        #value
                    }
                }
            }
            SlotKind::Function(function) => self.call(visibility, slot, function),
        }
    }

    /// Reads a slot into a variable, and nothing beyond the slot
    /// ([INV-8](https://docs.rs/wsk/latest/wsk/rules/index.html#inv-8)).
    fn read(&self, slot: &Ident, value: &Ident) -> TokenStream {
        let (mirror, table) = (self.mirror_name(), local("table"));
        let find_table = if self.of_socket {
            quote! {
                // SAFETY: the constructor's caller keeps the socket open (INV-44), and a socket begins with the
                // address of its table.
                let #table = unsafe { (*self.socket()).Dispatch };
            }
        } else {
            quote! { let #table = self.0.get(); }
        };
        quote! {
            #find_table
            // SAFETY: the table has this slot, and the mirror has it in the same place.
            let #value = unsafe { &raw const (*#table.cast::<#mirror>()).#slot };
            // SAFETY: the slot is within the table (INV-8), and has this type.
            let #value = unsafe { #value.read() };
        }
    }

    fn call(&self, visibility: &TokenStream, slot: &Slot, function: &SlotFunction) -> TokenStream {
        let wsk = &self.wsk;
        let Slot { name: slot_name, attributes, conditions, .. } = slot;
        let mut parameters = Vec::new();
        let mut arguments = Vec::new();
        if let Some(capability) = &function.capability {
            let has = local("_has");
            parameters.push(quote! { #has: #capability });
        }
        for (position, SlotParameter { name, ty, role }) in function.parameters.iter().enumerate() {
            if self.of_socket && position == 0 {
                arguments.push(quote! { self.socket() });
                continue;
            }
            match role {
                ParameterRole::Reserved => arguments.push(quote! {
                    <#ty as #wsk::dispatch::ReservedArgument>::ZERO
                }),
                ParameterRole::Flags => {
                    parameters.push(quote! { #name: #ty });
                    // A type without `bits` is reported at itself.
                    let bits = Ident::new("bits", ty.span());
                    arguments.push(quote_spanned! { ty.span() => #name.#bits() });
                }
                ParameterRole::Plain => {
                    parameters.push(quote! { #name: #ty });
                    arguments.push(quote! { #name });
                }
            }
        }
        let Some(method) = method_name(slot_name) else {
            // Its error was returned.
            return TokenStream::new();
        };
        let (value, called) = (local("slot"), local("function"));
        let read = self.read(slot_name, &value);
        let summary = format!("Calls `{slot_name}`.");
        let has_slot = match &function.capability {
            Some(_) => " - The capability is that of the system that the table belongs to.",
            None => " - The running system's table has this slot.",
        };
        // The path of the crate, without the spaces between its tokens.
        let page = format!("{}::rules", self.wsk).replace(' ', "");
        let link = |number: &str| format!("[INV-{number}]({page}#inv-{number})");
        let rules: Vec<String> =
            function.rules.iter().map(|rule| link(rule.base10_digits())).collect();
        let rules = (!rules.is_empty()).then(|| {
            let rules = format!(" - The caller keeps {}.", rules.join(", "));
            quote!(#[doc = #rules])
        });
        let output = function.output(wsk);
        // A function without a status has no way to report that it is missing.
        let missing = match &function.output {
            None => quote!(#wsk::sys::STATUS_NOT_IMPLEMENTED),
            // A type without a default is reported at itself.
            Some(ty) => {
                quote_spanned!(Span::mixed_site().located_at(ty.span()) => ::core::default::Default::default())
            }
        };
        quote! {
            #(#conditions)*
            #(#attributes)*
            #[doc = #summary]
            ///
            /// # Safety
            ///
            #[doc = #has_slot]
            #rules
            /// - The arguments are what the function's documentation asks for, and the IRQL is one that it
            ///   allows.
            #[allow(clippy::too_many_arguments, reason = "the function has as many")]
            #visibility unsafe fn #method(self, #(#parameters),*) -> #output {
                #read
                match #value {
                    // SAFETY: the caller keeps the function's rules.
                    ::core::option::Option::Some(#called) => unsafe { #called(#(#arguments),*) },
                    ::core::option::Option::None => #missing,
                }
            }
        }
    }
}
