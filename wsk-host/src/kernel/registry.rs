//! The registry of a kernel: the values that a test has set, and the keys that drivers have open.

use std::collections::BTreeMap;

/// The data of a registry value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryValue {
    /// `REG_DWORD`: 32 bits.
    Dword(u32),
    /// `REG_SZ`: a string, stored as UTF-16 with a NUL.
    String(String),
}

/// Keys by their path and values by their name, without regard to case.
#[derive(Default)]
pub(crate) struct Registry {
    keys: BTreeMap<String, BTreeMap<String, RegistryValue>>,
    /// The paths of the open keys, by handle.
    open: BTreeMap<usize, String>,
    last: usize,
}

/// A bit that distinguishes handles of keys from handles of threads.
const KEY: usize = 0x4000_0000;

/// The form in which paths and names are compared.
fn folded(name: &str) -> String {
    name.to_uppercase()
}

impl Registry {
    /// Sets a value, and creates its key and the keys above it.
    pub(crate) fn set(&mut self, key: &str, name: &str, value: RegistryValue) {
        let key = folded(key);
        for (end, _) in key.match_indices('\\') {
            self.keys.entry(key[..end].to_owned()).or_default();
        }
        self.keys.entry(key).or_default().insert(folded(name), value);
    }

    /// Opens a key by its path, or by its path below an open key. `None` if it does not exist.
    pub(crate) fn open(&mut self, parent: Option<usize>, path: &str) -> Option<usize> {
        let path = match parent {
            Some(parent) => format!("{}\\{}", self.open.get(&parent)?, folded(path)),
            None => folded(path),
        };
        if !self.keys.contains_key(&path) {
            return None;
        }
        self.last += 4;
        let handle = KEY | self.last;
        self.open.insert(handle, path);
        Some(handle)
    }

    /// Whether a handle is of an open key.
    pub(crate) fn is_open(&self, handle: usize) -> bool {
        self.open.contains_key(&handle)
    }

    /// Closes a key. Returns whether the handle belonged to an open key.
    pub(crate) fn close(&mut self, handle: usize) -> bool {
        self.open.remove(&handle).is_some()
    }

    /// A value of an open key.
    pub(crate) fn value(&self, handle: usize, name: &str) -> Option<&RegistryValue> {
        self.keys.get(self.open.get(&handle)?)?.get(&folded(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_found_without_regard_to_case() {
        let mut registry = Registry::default();
        registry.set(r"\Registry\A\Parameters", "Port", RegistryValue::Dword(7));
        let parent = registry.open(None, r"\registry\a").unwrap();
        let key = registry.open(Some(parent), "PARAMETERS").unwrap();
        assert_eq!(registry.value(key, "port"), Some(&RegistryValue::Dword(7)));
        assert_eq!(registry.value(key, "Host"), None);
        assert_eq!(registry.open(Some(parent), "Other"), None);
        assert!(registry.close(key) && !registry.close(key));
        assert!(registry.is_open(parent) && !registry.is_open(key));
    }
}
