//! The images that are or were loaded, and the names of addresses in them.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wsk_host::images;

use crate::image::{Image, Protection, Section};
use crate::symbols::Symbols;

/// An image that is or was loaded.
pub(crate) struct Module {
    /// The name of its file.
    name: String,
    range: Range<usize>,
    /// The code of the executable sections, each with its address.
    #[cfg_attr(target_arch = "aarch64", expect(dead_code, reason = "no faults are decoded"))]
    code: Vec<(usize, Box<[u8]>)>,
    /// The names of its functions, read when they are first needed.
    symbols: Symbols,
    is_unloaded: AtomicBool,
}

static MODULES: Mutex<Vec<Arc<Module>>> = Mutex::new(Vec::new());

impl Module {
    /// Creates the entry of a file's image at a range of addresses.
    pub(crate) fn new(path: &Path, image: &Image, range: Range<usize>) -> Arc<Self> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let is_code = |section: &&Section| section.access == Protection::Execute;
        let copy = |section: &Section| {
            (range.start + section.range.start, image.bytes[section.range.clone()].into())
        };
        let code = image.sections.iter().filter(is_code).map(copy).collect();
        let symbols = Symbols::new(path, image.pdb);
        Arc::new(Self { name, range, code, symbols, is_unloaded: AtomicBool::new(false) })
    }

    pub(crate) fn unloaded(&self) {
        self.is_unloaded.store(true, Ordering::SeqCst);
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn is_unloaded(&self) -> bool {
        self.is_unloaded.load(Ordering::SeqCst)
    }

    /// The code at an address, to the end of its section.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn code_at(&self, address: usize) -> Option<&[u8]> {
        let mut sections = self.code.iter();
        sections.find_map(|(start, code)| code.get(address.checked_sub(*start)?..))
    }

    /// The name of an address in the image.
    pub(crate) fn describe(&self, address: usize) -> String {
        let offset = address - self.range.start;
        let place = format!("{}+{offset:#x}", self.name);
        match self.symbols.at(offset) {
            Some((function, Some((file, line)))) => {
                format!("{function} at {place} ({file}:{line})")
            }
            Some((function, None)) => format!("{function} at {place}"),
            None => place,
        }
    }
}

/// Adds an image.
pub(crate) fn add(module: Arc<Module>) {
    images::set_description(describe);
    MODULES.lock().unwrap_or_else(PoisonError::into_inner).push(module);
}

/// The image that an address is or was in.
pub(crate) fn find(address: usize) -> Option<Arc<Module>> {
    let modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    modules.iter().find(|module| module.range.contains(&address)).cloned()
}

fn describe(address: usize) -> Option<String> {
    find(address).map(|module| module.describe(address))
}
