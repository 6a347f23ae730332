//! `#[provider_table]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Field, Fields, Ident, ItemStruct, LitInt, Path, Result, ReturnType, Token,
    Type, Visibility,
};

use crate::paths;

struct Arguments {
    table: Path,
    of_socket: bool,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let table = input.parse()?;
        let mut of_socket = false;
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let option: Ident = input.parse()?;
            if option != "of_socket" {
                return Err(Error::new(option.span(), "expected `of_socket`"));
            }
            of_socket = true;
        }
        Ok(Self { table, of_socket })
    }
}

/// A field of the table, as it was declared.
struct Slot {
    name: Ident,
    /// Documentation, and whatever else is for the method.
    attributes: Vec<Attribute>,
    kind: Kind,
}

enum Kind {
    /// A table that this one begins with.
    Table(Type),
    /// A value, which is reserved or can be read.
    Value {
        ty: Type,
        is_reserved: bool,
    },
    Function(Function),
}

struct Function {
    parameters: Vec<Parameter>,
    output: Option<Type>,
    /// The type whose values show that the running system's table has the slot.
    capability: Option<Path>,
    rules: Vec<LitInt>,
}

struct Parameter {
    name: Ident,
    ty: Type,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Plain,
    /// Always zero.
    Reserved,
    /// A type of flags, whose bits are passed.
    Flags,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let Arguments { table, of_socket } = syn::parse2(arguments)?;
    let item: ItemStruct = syn::parse2(item)?;
    let Fields::Named(fields) = &item.fields else {
        return Err(Error::new(
            item.span(),
            "a table is a struct with a field for each slot: `WskBind: fn(socket: PWSK_SOCKET, …)`",
        ));
    };
    // Every mistake is reported, not only the first.
    let mut errors: Option<Error> = None;
    let mut slots = Vec::new();
    for field in &fields.named {
        match Slot::read(field) {
            Ok(slot) => slots.push(slot),
            Err(error) => match &mut errors {
                None => errors = Some(error),
                Some(errors) => errors.combine(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let wrapper = Wrapper { wsk: paths::wsk(None)?, item: &item, table: &table, of_socket, slots };
    Ok(wrapper.expand())
}

/// Takes an attribute out of those of a field or a parameter.
fn take(attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    let place = attributes.iter().position(|attribute| attribute.path().is_ident(name))?;
    Some(attributes.remove(place))
}

impl Slot {
    fn read(field: &Field) -> Result<Self> {
        let name =
            field.ident.clone().ok_or_else(|| Error::new(field.span(), "a slot has a name"))?;
        let mut attributes = field.attrs.clone();
        let since = take(&mut attributes, "since");
        let rules = take(&mut attributes, "rules");
        let is_reserved = take(&mut attributes, "reserved").is_some();
        let kind = match &field.ty {
            Type::FnPtr(function) => {
                let capability = since.map(|since| since.parse_args()).transpose()?;
                let rules = match rules {
                    None => Vec::new(),
                    Some(rules) => rules
                        .parse_args_with(
                            syn::punctuated::Punctuated::<LitInt, Token![,]>::parse_terminated,
                        )?
                        .into_iter()
                        .collect(),
                };
                let output = match &function.output {
                    ReturnType::Default => None,
                    ReturnType::Type(_, ty) => Some((**ty).clone()),
                };
                let parameters =
                    function.inputs.iter().map(Parameter::read).collect::<Result<_>>()?;
                Kind::Function(Function { parameters, output, capability, rules })
            }
            ty @ Type::Path(path) if name == "Basic" && path.qself.is_none() => {
                Kind::Table(ty.clone())
            }
            ty @ Type::Path(path) if path.path.is_ident("USHORT") => {
                Kind::Value { ty: ty.clone(), is_reserved }
            }
            other => {
                return Err(Error::new(
                    other.span(),
                    format!(
                        "the slot's function, such as `{name}: fn(socket: PWSK_SOCKET, irp: PIRP)`"
                    ),
                ));
            }
        };
        Ok(Self { name, attributes, kind })
    }
}

impl Parameter {
    fn read(input: &syn::NamedArg) -> Result<Self> {
        let Some((name, _)) = &input.name else {
            return Err(Error::new(input.span(), "the parameter's name, as in `irp: PIRP`"));
        };
        let mut role = Role::Plain;
        for attribute in &input.attrs {
            role = if attribute.path().is_ident("reserved") {
                Role::Reserved
            } else if attribute.path().is_ident("flags") {
                Role::Flags
            } else {
                return Err(Error::new(attribute.span(), "expected `#[reserved]` or `#[flags]`"));
            };
        }
        Ok(Self { name: name.clone(), ty: input.ty.clone(), role })
    }
}

/// The type that is made.
struct Wrapper<'a> {
    wsk: TokenStream,
    item: &'a ItemStruct,
    table: &'a Path,
    of_socket: bool,
    slots: Vec<Slot>,
}

impl Wrapper<'_> {
    fn expand(&self) -> TokenStream {
        let Self { wsk, item, table, of_socket, .. } = self;
        let ItemStruct { attrs, vis, ident, .. } = item;
        let mirror = self.mirror();
        let methods = self.slots.iter().map(|slot| self.method(vis, slot));
        let base = self.slots.iter().find_map(|slot| match &slot.kind {
            Kind::Table(ty) => Some(ty),
            _ => None,
        });
        let (held, make, socket) = match (of_socket, base) {
            (true, Some(base)) => (
                quote!(#base),
                // SAFETY: in the code that is written, the caller's promise.
                quote!(Self(unsafe { #base::of(socket) })),
                quote!(self.0.socket()),
            ),
            (true, None) => (quote!(#wsk::sys::PWSK_SOCKET), quote!(Self(socket)), quote!(self.0)),
            (false, _) => (quote!(*const #table), quote!(Self(table)), quote!()),
        };
        let constructor = if *of_socket {
            quote! {
                /// The functions of a socket.
                ///
                /// # Safety
                ///
                /// The socket is of the category that the table belongs to (INV-38), and stays open
                /// while the result is used (INV-44).
                #[must_use]
                #vis const unsafe fn of(socket: #wsk::sys::PWSK_SOCKET) -> Self {
                    // SAFETY: the caller's promise.
                    #make
                }

                /// The socket.
                #[must_use]
                #vis const fn socket(self) -> #wsk::sys::PWSK_SOCKET {
                    #socket
                }
            }
        } else {
            quote! {
                /// The functions of the table at an address.
                ///
                /// # Safety
                ///
                /// It is a table of this type, as long as the running system makes it, and stays valid
                /// while the result is used.
                #[must_use]
                #vis const unsafe fn from_raw(table: *const #table) -> Self {
                    #make
                }
            }
        };
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
        quote! {
            #(#attrs)*
            #[derive(Clone, Copy, Debug)]
            #vis struct #ident(#held);

            #[allow(dead_code, reason = "a table is declared in whole")]
            impl #ident {
                #constructor
                #(#methods)*
            }

            #deref
            #mirror
        }
    }

    /// The table once more, as it was declared: what slots are read as. That it is the same, field by
    /// field, is checked when it is compiled.
    fn mirror(&self) -> TokenStream {
        let (table, mirror) = (self.table, self.mirror_name());
        let names: Vec<&Ident> = self.slots.iter().map(|slot| &slot.name).collect();
        let types = self.slots.iter().map(|slot| self.raw_type(slot));
        let orders = names.windows(2).map(|pair| {
            let (earlier, later) = (pair[0], pair[1]);
            let message = format!("`{later}` stands before `{earlier}` in the table");
            quote_spanned! { later.span() =>
                // SAFETY: both are fields of one table.
                let distance = unsafe {
                    ::core::ptr::from_ref(#later)
                        .cast::<u8>()
                        .offset_from(::core::ptr::from_ref(#earlier).cast::<u8>())
                };
                ::core::assert!(distance > 0, #message);
            }
        });
        let values = names.iter().map(|name| quote_spanned! { name.span() => #name: *#name });
        // With the spans of the user's own tokens, the compiler says which fields are missing.
        let fields = quote_spanned! { self.item.ident.span() =>
            let #table { #(#names),* } = table;
        };
        quote! {
            #[allow(non_snake_case, dead_code, reason = "the names are C's")]
            #[repr(C)]
            struct #mirror {
                #(#names: #types),*
            }

            const _: () = {
                /// Names every field of the table: one that is missing above is missing here.
                #[allow(non_snake_case, reason = "the names are C's")]
                const fn same(table: &#table) -> #mirror {
                    #fields
                    #(#orders)*
                    #mirror { #(#values),* }
                }
                // SAFETY: zeroes are a table without functions.
                let empty = unsafe { ::core::mem::zeroed::<#table>() };
                let _ = same(&empty);
            };
        }
    }

    fn mirror_name(&self) -> Ident {
        format_ident!("__{}Mirror", self.item.ident)
    }

    /// A field's type as C has it.
    fn raw_type(&self, slot: &Slot) -> TokenStream {
        let wsk = &self.wsk;
        match &slot.kind {
            Kind::Table(_) => quote!(#wsk::sys::WSK_PROVIDER_BASIC_DISPATCH),
            Kind::Value { ty, .. } => quote!(#ty),
            Kind::Function(function) => {
                let types = function.parameters.iter().map(|parameter| {
                    let ty = &parameter.ty;
                    match parameter.role {
                        Role::Flags => quote!(#wsk::sys::ULONG),
                        Role::Plain | Role::Reserved => quote!(#ty),
                    }
                });
                let output = function.output(wsk);
                quote!(::core::option::Option<unsafe extern "C" fn(#(#types),*) -> #output>)
            }
        }
    }

    fn method(&self, vis: &Visibility, slot: &Slot) -> TokenStream {
        match &slot.kind {
            Kind::Table(_) | Kind::Value { is_reserved: true, .. } => TokenStream::new(),
            Kind::Value { ty, .. } => {
                let (method, read, attributes) =
                    (method_name(&slot.name), self.read(slot), &slot.attributes);
                let summary = format!("`{}` of the table.", slot.name);
                quote! {
                    #(#attributes)*
                    #[doc = #summary]
                    #[must_use]
                    #vis fn #method(self) -> #ty {
                        #read
                        slot
                    }
                }
            }
            Kind::Function(function) => self.call(vis, slot, function),
        }
    }

    /// Reads a slot, and nothing beyond it (INV-8).
    fn read(&self, slot: &Slot) -> TokenStream {
        let (mirror, name) = (self.mirror_name(), &slot.name);
        let find_table = if self.of_socket {
            quote! {
                // SAFETY: the socket is open, and begins with its table.
                let table = unsafe { (*self.socket()).Dispatch };
            }
        } else {
            quote! { let table = self.0; }
        };
        quote! {
            #find_table
            // SAFETY: the table has this slot, and the mirror has it in the same place.
            let slot = unsafe { &raw const (*table.cast::<#mirror>()).#name };
            // SAFETY: as above; nothing beyond the slot is read (INV-8).
            let slot = unsafe { slot.read() };
        }
    }

    fn call(&self, vis: &Visibility, slot: &Slot, function: &Function) -> TokenStream {
        let mut parameters = Vec::new();
        let mut arguments = Vec::new();
        if let Some(capability) = &function.capability {
            parameters.push(quote! { _has: #capability });
        }
        for (position, Parameter { name, ty, role }) in function.parameters.iter().enumerate() {
            if self.of_socket && position == 0 {
                arguments.push(quote! { self.socket() });
                continue;
            }
            match role {
                // Reserved parameters are numbers or pointers, and zero.
                Role::Reserved => {
                    // SAFETY: in the code that is written, zeroes are a number, or a null pointer.
                    arguments.push(quote! { unsafe { ::core::mem::zeroed::<#ty>() } });
                }
                Role::Flags => {
                    parameters.push(quote! { #name: #ty });
                    arguments.push(quote! { #name.bits() });
                }
                Role::Plain => {
                    parameters.push(quote! { #name: #ty });
                    arguments.push(quote! { #name });
                }
            }
        }
        let (attributes, method, read) =
            (&slot.attributes, method_name(&slot.name), self.read(slot));
        let summary = format!("Calls `{}`.", slot.name);
        let has_slot = match &function.capability {
            Some(_) => "- The capability is that of the system that the table is of.",
            None => "- The running system's table has this slot.",
        };
        let rules = function.rules.iter().map(|rule| format!("INV-{}", rule.base10_digits()));
        let rules: Vec<String> = rules.collect();
        let rules = (!rules.is_empty()).then(|| {
            let rules = format!("- The caller keeps {}.", rules.join(", "));
            quote!(#[doc = #rules])
        });
        let output = function.output(&self.wsk);
        let wsk = &self.wsk;
        // A function that returns nothing has nothing to say if it is not there.
        let missing = if function.output.is_none() {
            quote!(#wsk::sys::STATUS_NOT_IMPLEMENTED)
        } else {
            quote!(::core::default::Default::default())
        };
        quote! {
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
            #vis unsafe fn #method(self, #(#parameters),*) -> #output {
                #read
                match slot {
                    // SAFETY: the caller's promise.
                    ::core::option::Option::Some(function) => unsafe { function(#(#arguments),*) },
                    ::core::option::Option::None => #missing,
                }
            }
        }
    }
}

impl Function {
    fn output(&self, wsk: &TokenStream) -> TokenStream {
        match &self.output {
            None => quote!(#wsk::sys::NTSTATUS),
            Some(ty) => quote!(#ty),
        }
    }
}

/// `get_local_address` for `WskGetLocalAddress`.
fn method_name(slot: &Ident) -> Ident {
    let slot_name = slot.to_string();
    let mut name = String::new();
    for character in slot_name.strip_prefix("Wsk").unwrap_or(&slot_name).chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(character.to_lowercase());
    }
    format_ident!("{name}", span = slot.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_named_after_their_slots() {
        for (slot, method) in [
            ("WskBind", "bind"),
            ("WskGetLocalAddress", "get_local_address"),
            ("WskSendTo", "send_to"),
        ] {
            assert_eq!(method_name(&format_ident!("{slot}")), method);
        }
    }
}
