//! That no panic is left in an image.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::image::{Callee, Function, Image};

/// The panic that may be there: every `async fn` has one, for whoever polls it after it was ready. `.await` does not,
/// nor does anything in wsk; an executor that does breaks the contract of `Future`.
const ALLOWED: &str = "core::panicking::panic_const::panic_const_async_fn_resumed";

/// Where all panics end: the handler of the driver.
const HANDLER: &str = "rust_begin_unwind";

/// What the handler of the driver calls, and nobody else.
const END: &str = "KeBugCheckEx";

pub(super) fn is_panic(function: &Function) -> bool {
    function.name.contains(HANDLER) || function.name.starts_with("core::panicking::")
}

/// The functions that can panic, each with its way to the handler.
pub(super) fn problems(image: &Image) -> Result<Vec<String>> {
    let handler = image.functions.iter().position(|function| function.name.contains(HANDLER));
    let ends: Vec<&Function> =
        image.functions.iter().filter(|function| function.calls_import(image, END)).collect();
    // The names might have changed, or the handler be where it cannot be seen.
    ensure!(
        ends.iter().all(|function| function.name.contains(HANDLER))
            && ends.is_empty() == handler.is_none(),
        "the panic handler `{HANDLER}` should be what calls {END}, but these do: {:?}",
        ends.iter().map(|function| &function.name).collect::<Vec<_>>()
    );
    let Some(handler) = handler else {
        return Ok(Vec::new());
    };
    let mut problems = BTreeSet::new();
    for root in image.roots() {
        if let Some(way) = image.way([root], handler, |function| function.name == ALLOWED) {
            let names: Vec<&str> = way.iter().map(|function| function.name.as_str()).collect();
            problems.insert(format!(
                "`{}` can panic: {}. Let the compiler see that it cannot: `get` instead of an index, `checked_…` \
                 and `split_at_checked` instead of their panicking sisters",
                image.functions[root].name,
                names.join(" → ")
            ));
        }
    }
    Ok(problems.into_iter().collect())
}

impl Function {
    fn calls_import(&self, image: &Image, name: &str) -> bool {
        self.calls.iter().any(|call| match call.callee {
            Callee::Import(import) => image.imports[import].name == name,
            Callee::Function(_) | Callee::Pointer => false,
        })
    }
}
