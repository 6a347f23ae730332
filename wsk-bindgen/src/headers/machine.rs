//! The queries about a machine's kits: this machine's, and in tests a simulated one's.

use std::ffi::OsString;

#[cfg(windows)]
use anyhow::Context;
use anyhow::Result;

pub(super) trait Machine {
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<OsString>;
    /// The registry; none on systems other than Windows.
    fn registry(&self) -> Option<&dyn Registry>;
}

/// The part of the registry for all users, `HKEY_LOCAL_MACHINE`.
pub(super) trait Registry {
    /// A string, or `None` if the key or the value does not exist.
    fn string(&self, key: &str, value: &str) -> Result<Option<String>>;
}

pub(super) struct ThisMachine;

impl Machine for ThisMachine {
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name).filter(|value| !value.is_empty())
    }

    #[cfg(windows)]
    fn registry(&self) -> Option<&dyn Registry> {
        Some(self)
    }

    #[cfg(not(windows))]
    fn registry(&self) -> Option<&dyn Registry> {
        None
    }
}

#[cfg(windows)]
impl Registry for ThisMachine {
    fn string(&self, key: &str, value: &str) -> Result<Option<String>> {
        /// `HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND)`.
        const NOT_FOUND: u32 = 0x8007_0002;
        let read = || windows_registry::LOCAL_MACHINE.open(key)?.get_string(value);
        match read() {
            Ok(string) => Ok(Some(string)),
            Err(error) if error.code().0.cast_unsigned() == NOT_FOUND => Ok(None),
            Err(error) => Err(error)
                .with_context(|| format!(r"cannot read HKEY_LOCAL_MACHINE\{key}, {value}")),
        }
    }
}
