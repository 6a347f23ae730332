//! Errors at the user's tokens. All of an input's errors are reported, not only the first.

use core::fmt::Display;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Error, Result};

/// Errors found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    /// Adds an error at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(Error::new_spanned(tokens, message));
    }

    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            None => self.0 = Some(error),
            Some(errors) => errors.combine(error),
        }
    }

    /// The value of a result, or its error among the others.
    pub(crate) fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// # Errors
    ///
    /// All that were added.
    pub(crate) fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Whether an attribute has a name, by any path.
pub(crate) fn is_named(attribute: &Attribute, name: &str) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == name)
}

/// Refuses a `cfg` in a `cfg_attr`, which is not resolved before the macro runs.
pub(crate) fn refuse_hidden_conditions(attributes: &[Attribute], why: &str, errors: &mut Errors) {
    for attribute in attributes {
        if attribute.path().is_ident("cfg_attr") && contains_cfg(&attribute.meta.to_token_stream())
        {
            errors.at(attribute, format!("write the condition as `#[cfg(…)]`, {why}"));
        }
    }
}

/// Whether tokens have `cfg` among them.
fn contains_cfg(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == "cfg",
        TokenTree::Group(group) => contains_cfg(&group.stream()),
        _ => false,
    })
}
