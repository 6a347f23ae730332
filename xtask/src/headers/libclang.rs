//! libclang, which bindgen loads at run time.

use anyhow::{Result, bail};

use crate::setup::{self, Need};

const PACKAGE: &str = "libclang1-19";

/// For the steps that regenerate.
pub(crate) static LIBCLANG: Need =
    Need { name: "libclang", package: PACKAGE, is_there: || clang_sys::load().is_ok() };

/// Loads libclang for this thread, or says how to get it. Returns its version.
pub(crate) fn load(setup: bool) -> Result<String> {
    if let Err(reason) = clang_sys::load() {
        if !setup {
            bail!("{}", missing(&reason));
        }
        setup::install(&[PACKAGE])?;
        if let Err(reason) = clang_sys::load() {
            bail!("{}", missing(&reason));
        }
    }
    Ok(bindgen::clang_version().full)
}

/// The first libclang that reads the WDK of Windows 11.
const SUFFICIENT: u32 = 16;

/// What to do about errors in a WDK's headers that come from an old libclang: those before it reject `__ptr32`
/// where wdm.h has it.
pub(crate) fn hint() -> Option<String> {
    let version = bindgen::clang_version();
    let is_old = version.parsed.is_some_and(|(major, _)| major < SUFFICIENT);
    is_old.then(|| {
        format!(
            "This is {}. A WDK may need libclang {SUFFICIENT} or later: install the Debian package \
             `{PACKAGE}`, and unset LIBCLANG_PATH.",
            version.full
        )
    })
}

fn missing(reason: &str) -> String {
    format!(
        "the bindings are made with libclang, which was not found.\n\
         Install it with `cargo xtask regen --setup` (the Debian package `{PACKAGE}`), or set \
         LIBCLANG_PATH to the folder that holds it.\n\
         The search said: {reason}"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_missing_libclang_names_the_package_and_the_flag() {
        let message = super::missing("no libclang.so");
        assert!(message.contains("`libclang1-19`"));
        assert!(message.contains("--setup"));
        assert!(message.contains("no libclang.so"));
    }
}
