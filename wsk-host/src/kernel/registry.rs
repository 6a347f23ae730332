//! The registry of a kernel: the keys and values that a test or a driver has set, and the keys that drivers have open.

use std::collections::BTreeMap;

use wsk_sys::{REG_DWORD, REG_SZ};

/// The data of a registry value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryValue {
    /// `REG_DWORD`: 32 bits.
    Dword(u32),
    /// `REG_SZ`: a string, stored as UTF-16 with a NUL.
    String(String),
}

impl RegistryValue {
    /// The type, and the bytes that a driver reads.
    fn stored(self) -> StoredValue {
        match self {
            Self::Dword(value) => (REG_DWORD, value.to_ne_bytes().to_vec()),
            Self::String(value) => {
                let units = value.encode_utf16().chain([0]);
                (REG_SZ, units.flat_map(u16::to_ne_bytes).collect())
            }
        }
    }
}

/// The type of a value, and its data.
type StoredValue = (u32, Vec<u8>);

/// The registry key of all drivers.
pub(crate) const SERVICES: &str = r"\Registry\Machine\System\CurrentControlSet\Services";

/// The keys that every system has, besides those above them.
const PRESENT: [&str; 3] = [SERVICES, r"\Registry\Machine\Software", r"\Registry\User"];

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The key, the key above it, or the value does not exist.
    NotFound,
    /// The key has subkeys.
    HasSubkeys,
    /// The key was deleted while it was open.
    Deleted,
    /// The key above is volatile.
    MustBeVolatile,
}

/// Keys by their path and values by their name, without regard to case.
pub(crate) struct Registry {
    keys: BTreeMap<String, Key>,
    /// The open keys, by handle.
    open: BTreeMap<usize, OpenKey>,
    last: usize,
}

/// A key that was not deleted.
struct Key {
    /// Distinguishes it from an earlier key with the same path.
    number: usize,
    is_volatile: bool,
    values: BTreeMap<String, StoredValue>,
}

/// An open key, which may have been deleted since.
#[derive(Clone)]
struct OpenKey {
    path: String,
    number: usize,
}

/// A bit that distinguishes handles of keys from handles of threads.
const KEY: usize = 0x4000_0000;

/// The form in which paths and names are compared.
fn folded(name: &str) -> String {
    name.to_uppercase()
}

impl Default for Registry {
    fn default() -> Self {
        let mut registry = Self { keys: BTreeMap::new(), open: BTreeMap::new(), last: 0 };
        for path in PRESENT {
            registry.add(path);
        }
        registry
    }
}

impl Registry {
    /// Creates a key and the keys above it, unless they exist.
    pub(crate) fn add(&mut self, key: &str) {
        let key = folded(key);
        let ends = key.match_indices('\\').map(|(end, _)| end).filter(|end| *end != 0);
        for end in ends.chain([key.len()]) {
            self.entry(&key[..end], false);
        }
    }

    fn entry(&mut self, path: &str, is_volatile: bool) -> &mut Key {
        self.last += 4;
        let number = self.last;
        self.keys.entry(path.to_owned()).or_insert_with(|| Key {
            number,
            is_volatile,
            values: BTreeMap::new(),
        })
    }

    /// Sets a value, and creates its key and the keys above it.
    pub(crate) fn set(&mut self, key: &str, name: &str, value: RegistryValue) {
        self.add(key);
        self.entry(&folded(key), false).values.insert(folded(name), value.stored());
    }

    /// The path of a key that a client names, alone or below an open key.
    fn path(&self, parent: Option<usize>, path: &str) -> Result<String, Refusal> {
        let Some(parent) = parent else { return Ok(folded(path)) };
        let parent = self.open_key(parent)?;
        Ok(if path.is_empty() { parent } else { format!("{parent}\\{}", folded(path)) })
    }

    /// The path of an open key, unless it was deleted.
    fn open_key(&self, handle: usize) -> Result<String, Refusal> {
        let open = self.open.get(&handle).ok_or(Refusal::Deleted)?;
        match self.keys.get(&open.path) {
            Some(key) if key.number == open.number => Ok(open.path.clone()),
            _ => Err(Refusal::Deleted),
        }
    }

    fn key(&mut self, handle: usize) -> Result<&mut Key, Refusal> {
        let path = self.open_key(handle)?;
        self.keys.get_mut(&path).ok_or(Refusal::Deleted)
    }

    /// Opens a key by its path, or by its path below an open key.
    pub(crate) fn open(&mut self, parent: Option<usize>, path: &str) -> Result<usize, Refusal> {
        let path = self.path(parent, path)?;
        let number = self.keys.get(&path).ok_or(Refusal::NotFound)?.number;
        self.last += 4;
        let handle = KEY | self.last;
        self.open.insert(handle, OpenKey { path, number });
        Ok(handle)
    }

    /// Creates and opens a key, or opens it if it exists. The key above it must exist. Returns the handle, and whether
    /// the key is new.
    pub(crate) fn create(
        &mut self,
        parent: Option<usize>,
        path: &str,
        is_volatile: bool,
    ) -> Result<(usize, bool), Refusal> {
        let full = self.path(parent, path)?;
        let is_new = !self.keys.contains_key(&full);
        if is_new {
            let above = full.rsplit_once('\\').and_then(|(above, _)| self.keys.get(above));
            let above = above.ok_or(Refusal::NotFound)?;
            if above.is_volatile && !is_volatile {
                return Err(Refusal::MustBeVolatile);
            }
            self.entry(&full, is_volatile);
        }
        Ok((self.open(parent, path)?, is_new))
    }

    /// Deletes an open key, which must have no subkeys. Its handles stay to be closed.
    pub(crate) fn delete(&mut self, handle: usize) -> Result<(), Refusal> {
        let path = self.open_key(handle)?;
        let below = format!("{path}\\");
        if self.keys.range(below.clone()..).next().is_some_and(|(key, _)| key.starts_with(&below)) {
            return Err(Refusal::HasSubkeys);
        }
        self.keys.remove(&path);
        Ok(())
    }

    /// Whether a handle is of an open key.
    pub(crate) fn is_open(&self, handle: usize) -> bool {
        self.open.contains_key(&handle)
    }

    /// Closes a key. Returns whether the handle belonged to an open key.
    pub(crate) fn close(&mut self, handle: usize) -> bool {
        self.open.remove(&handle).is_some()
    }

    /// The type and the data of a value of an open key.
    pub(crate) fn value(&mut self, handle: usize, name: &str) -> Result<StoredValue, Refusal> {
        let value = self.key(handle)?.values.get(&folded(name));
        value.cloned().ok_or(Refusal::NotFound)
    }

    /// Sets a value of an open key.
    pub(crate) fn set_value(
        &mut self,
        handle: usize,
        name: &str,
        kind: u32,
        data: Vec<u8>,
    ) -> Result<(), Refusal> {
        self.key(handle)?.values.insert(folded(name), (kind, data));
        Ok(())
    }

    /// Deletes a value of an open key.
    pub(crate) fn delete_value(&mut self, handle: usize, name: &str) -> Result<(), Refusal> {
        let deleted = self.key(handle)?.values.remove(&folded(name));
        deleted.map(drop).ok_or(Refusal::NotFound)
    }

    /// Returns an error if an open key was deleted.
    pub(crate) fn require_not_deleted(&self, handle: usize) -> Result<(), Refusal> {
        self.open_key(handle).map(drop)
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
        assert_eq!(registry.value(key, "port"), Ok((REG_DWORD, 7_u32.to_ne_bytes().to_vec())));
        assert_eq!(registry.value(key, "Host"), Err(Refusal::NotFound));
        assert_eq!(registry.open(Some(parent), "Other"), Err(Refusal::NotFound));
        let again = registry.open(Some(key), "").unwrap();
        assert!(registry.value(again, "Port").is_ok());
        assert!(registry.close(key) && !registry.close(key));
        assert!(registry.is_open(parent) && !registry.is_open(key));
    }

    #[test]
    fn keys_are_created_below_others_and_deleted_after_their_subkeys() {
        let mut registry = Registry::default();
        let services = registry.open(None, SERVICES).unwrap();
        assert_eq!(registry.create(Some(services), r"None\Below", false), Err(Refusal::NotFound));
        let (key, is_new) = registry.create(Some(services), "New", false).unwrap();
        let (same, is_again_new) = registry.create(Some(services), "NEW", false).unwrap();
        assert!(is_new && !is_again_new && key != same);
        let (below, _) = registry.create(Some(key), "Below", true).unwrap();
        assert_eq!(registry.create(Some(below), "Lasting", false), Err(Refusal::MustBeVolatile));
        // A sibling whose name begins like the key's is not below it.
        registry.create(Some(services), "New-2", false).unwrap();
        assert_eq!(registry.delete(key), Err(Refusal::HasSubkeys));
        registry.delete(below).unwrap();
        registry.delete(key).unwrap();
        // The handles of the deleted key are not of a key that is created later.
        registry.create(Some(services), "New", false).unwrap();
        assert_eq!(registry.set_value(same, "A", 4, vec![0; 4]), Err(Refusal::Deleted));
        assert_eq!(registry.delete(same), Err(Refusal::Deleted));
        assert!(registry.close(key) && registry.close(same) && registry.close(below));
    }
}
