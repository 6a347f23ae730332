//! Checks that an image contains no panic.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use super::finding::{DefectKind, Finding};
use crate::image::{Callee, Function, Image};

/// Functions of `core` with panics that no argument from wsk can reach. All other functions of `core` are judged by
/// the paths to a panic that the compiler has left.
///
/// - Every `async fn` panics if it is polled after it was ready. Neither `.await` nor wsk does that; an executor that
///   does breaks the contract of `Future`.
/// - Whether a character is printable is looked up in constant tables by constant numbers.
const ALLOWED: [&str; 1] = ["core::panicking::panic_const::panic_const_async_fn_resumed"];

/// Whether a function is one of these exceptions. They include the formatting of `core`'s types, such as addresses,
/// durations and strings, which slices its own buffers to the length that it has written.
fn is_allowed(function: &Function) -> bool {
    let name = function.name.trim_start_matches(['<', '&']);
    let is_of_core = name.starts_with("core::") || name.starts_with("str as ");
    let formats = is_of_core && name.contains(" as core::fmt::") && !name.contains("wsk");
    formats || ALLOWED.iter().any(|allowed| function.name.starts_with(allowed))
}

/// The functions that `core` calls to panic, which do not return.
const PANICS: [&str; 6] = [
    "core::cell::panic_",
    "core::option::",
    "core::panicking::",
    "core::result::",
    "core::slice::index::slice_",
    "core::str::slice_error_fail",
];

/// The driver's panic handler, where every panic ends.
const HANDLER: &str = "rust_begin_unwind";

/// The function that only the driver's panic handler calls.
const END: &str = "KeBugCheckEx";

/// Whether a function of `core` panics, and never returns.
#[must_use]
pub fn is_panic(function: &Function) -> bool {
    let name = &function.name;
    name.contains(HANDLER)
        || PANICS.iter().any(|panic| name.starts_with(panic)) && !name.contains("::fmt")
}

/// The functions that can panic, each with its path to the handler.
///
/// # Errors
///
/// If the driver's panic handler cannot be recognized.
pub fn findings(image: &Image) -> Result<Vec<Finding>> {
    let handler = image.functions.iter().position(|function| function.name.contains(HANDLER));
    // A driver in another language has no panics: it may call KeBugCheckEx as it likes.
    if handler.is_none() && !image.functions.iter().any(|function| function.name.contains("::")) {
        return Ok(Vec::new());
    }
    let ends: Vec<&Function> =
        image.functions.iter().filter(|function| function.calls_import(image, END)).collect();
    // The names may have changed, or the handler may be outside the image.
    ensure!(
        ends.iter().all(|function| function.name.contains(HANDLER))
            && ends.is_empty() == handler.is_none(),
        "the panic handler `{HANDLER}` should be what calls {END}, but these do: {:?}",
        ends.iter().map(|function| &function.name).collect::<Vec<_>>()
    );
    let Some(handler) = handler else {
        return Ok(Vec::new());
    };
    // The functions that lead to a panic, by the panicking function and the kind of panic.
    let mut culprits = BTreeMap::<(&str, &str), BTreeSet<&str>>::new();
    for root in image.roots() {
        let Some(path) = image.path([root], handler, is_allowed) else {
            continue;
        };
        let panic = path.iter().position(|function| is_panic(function)).unwrap_or(0);
        let name = |place: usize| path.get(place).map_or("?", |function| function.name.as_str());
        let roots = culprits.entry((name(panic.saturating_sub(1)), name(panic))).or_default();
        roots.insert(name(0));
    }
    let finding = |((culprit, panic), roots): (&(&str, &str), &BTreeSet<&str>)| {
        let roots: Vec<&str> = roots.iter().copied().collect();
        let message = format!("`{culprit}` can panic, by `{panic}`, in {}", roots.join(", "));
        Finding::new(DefectKind::Panic, message, REMEDY).of(culprit)
    };
    Ok(culprits.iter().map(finding).collect())
}

/// The remedy for a panic.
const REMEDY: &str = "A panic brings the system down. Let the compiler see that there is none: `get` instead of an index, \
                      `checked_…` and `split_at_checked` instead of their counterparts that panic, an error instead of `unwrap`.";

impl Function {
    fn calls_import(&self, image: &Image, name: &str) -> bool {
        self.calls.iter().any(|call| match call.callee {
            Callee::Import(import) => image.imports[import].name == name,
            Callee::Function(_) | Callee::Pointer => false,
        })
    }
}
