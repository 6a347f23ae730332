//! Facts that a test can only learn from its compiler.

use proc_macro::TokenStream;

/// The compiler that compiles this crate, and the arguments that name its edition and its dependencies: a `&[&str]`.
///
/// A program that runs it with these arguments compiles code against the very libraries that this crate is linked with.
#[proc_macro]
pub fn compiler(_input: TokenStream) -> TokenStream {
    let text = command().unwrap_or_else(|error| format!("compile_error!({error:?})"));
    text.parse().unwrap_or_default()
}

/// The slice, as source text.
fn command() -> Result<String, String> {
    // A macro runs in the compiler's process. A wrapper, such as clippy's driver, has the path of rustc in front of the options.
    let mut arguments = std::env::args().peekable();
    let mut command = Vec::new();
    while let Some(path) = arguments.next_if(|argument| !argument.starts_with('-')) {
        command = vec![path];
    }
    while let Some(argument) = arguments.next() {
        if argument == "--extern" || argument == "-L" {
            let value = arguments.next();
            let value = value.ok_or_else(|| format!("the compiler's `{argument}` has no value"))?;
            command.extend([argument, value]);
        } else if argument.starts_with("--edition=") {
            command.push(argument);
        }
    }
    Ok(format!("&{command:?}"))
}
