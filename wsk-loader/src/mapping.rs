//! An image in memory: relocated, bound to the host, and protected.

use std::collections::BTreeSet;
use std::ffi::c_char;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use wsk_host::Host;
use wsk_host::images::{self, Pages};

use crate::error::LoadError;
use crate::image::{Image, Import, ImportName, PAGE, Protection, read_word, write_word};
use crate::modules;
use crate::modules::Module;
#[cfg(target_arch = "x86_64")]
use crate::{trap, unwind};

/// The security cookie that linkers put into images. A driver stops if its cookie still has this value.
const DEFAULT_COOKIE: u64 = 0x2B99_2DDF_A232;

/// The size of the function that replaces a missing import.
const STUB: usize = 32;

/// An image in memory.
pub(crate) struct Mapping {
    pages: Pages,
    module: Arc<Module>,
    entry: usize,
    #[cfg(target_arch = "x86_64")]
    _frames: unwind::RegisteredTable,
    /// The names that the functions for missing imports refer to.
    _missing: Box<[Box<[u8]>]>,
}

impl Mapping {
    /// Maps an image. None of its code has run when this returns.
    pub(crate) fn new(
        mut image: Image,
        path: &Path,
        allows_missing: bool,
    ) -> Result<Self, LoadError> {
        let windows = Host::current().config().windows;
        let address = |import: &Import| match &import.item {
            ImportName::Name(name) if exports(&import.library, name) => {
                images::import(name, windows)
            }
            _ => None,
        };
        let found: Vec<(usize, Option<usize>)> =
            image.imports.iter().map(|import| (import.slot, address(import))).collect();
        let missing: Vec<&Import> =
            image.imports.iter().filter(|import| address(import).is_none()).collect();
        let full = |import: &&Import| format!("{}!{}", import.library, import.item);
        if !missing.is_empty() && !allows_missing {
            let imports: BTreeSet<String> = missing.iter().map(full).collect();
            return Err(LoadError::MissingImports {
                path: path.to_owned(),
                imports: imports.into_iter().collect(),
            });
        }
        let names: Box<[Box<[u8]>]> = missing
            .iter()
            .map(|import| [full(import).as_bytes(), b"\0"].concat().into_boxed_slice())
            .collect();
        let size = image.bytes.len();
        let stubs = (names.len() * STUB).next_multiple_of(PAGE);
        let memory = || LoadError::Memory(std::io::ErrorKind::OutOfMemory.into());
        let mut pages = Pages::reserve(size + stubs).ok_or_else(memory)?;
        let start = pages.range().start;
        relocate(&mut image, start as u64);
        let mut stub = start + size;
        for (slot, address) in found {
            let address = address.unwrap_or_else(|| {
                stub += STUB;
                stub - STUB
            });
            write_word(&mut image.bytes, slot, address as u64);
        }
        if let Some(cookie) = image.cookie {
            initialize_cookie(&mut image.bytes, cookie, start as u64);
        }
        pages.write(0, &image.bytes).map_err(LoadError::Memory)?;
        pages.write(size, &stubs_of(&names)).map_err(LoadError::Memory)?;
        protect(&mut pages, &image, size..size + stubs).map_err(LoadError::Memory)?;
        #[cfg(target_arch = "x86_64")]
        trap::install().map_err(LoadError::Memory)?;
        let module = Module::new(path, &image, start..start + size);
        modules::add(Arc::clone(&module));
        Ok(Self {
            pages,
            module,
            entry: start + image.entry,
            #[cfg(target_arch = "x86_64")]
            _frames: unwind::register(&image, start),
            _missing: names,
        })
    }

    /// The address of the entry point.
    pub(crate) fn entry(&self) -> usize {
        self.entry
    }

    /// Frees the image's memory. The process ends with a report if a routine of the driver is still running.
    pub(crate) fn unload(self) {
        let running = images::wait_for_calls(&self.pages.range());
        if running > 0 {
            images::stop_after_unload(
                "the image",
                &format!("{running} of its routines are still running when the driver is unloaded"),
            );
        }
        if !images::are_unused(&self.pages.range()) {
            std::mem::forget(self);
            return;
        }
        self.module.unloaded();
        #[cfg(target_arch = "x86_64")]
        let range = self.pages.range();
        drop(self);
        #[cfg(target_arch = "x86_64")]
        unwind::register_unloaded(&range);
    }
}

/// Whether a library exports a function of the host: WSK's functions are in `netio.sys`, those of cryptography in
/// `cng.sys`, and all others in the kernel.
fn exports(library: &str, name: &str) -> bool {
    let (of_wsk, of_cng) = (name.starts_with("Wsk"), name.starts_with("BCrypt"));
    match library.to_ascii_lowercase().as_str() {
        "netio.sys" => of_wsk,
        "cng.sys" => of_cng,
        "ntoskrnl.exe" | "hal.dll" => !of_wsk && !of_cng,
        _ => false,
    }
}

/// Adds the difference between the image's actual addresses and those that it was linked for.
fn relocate(image: &mut Image, start: u64) {
    let distance = start.wrapping_sub(image.base);
    for offset in &image.relocations {
        let address = read_word(&image.bytes, *offset).wrapping_add(distance);
        write_word(&mut image.bytes, *offset, address);
    }
}

/// Replaces the default cookie, as the kernel does, with a 48-bit number that differs from it.
fn initialize_cookie(bytes: &mut [u8], offset: usize, start: u64) {
    if matches!(read_word(bytes, offset), 0 | DEFAULT_COOKIE) {
        let cookie = start.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        write_word(bytes, offset, if cookie == DEFAULT_COOKIE { cookie + 1 } else { cookie });
    }
}

/// The functions for missing imports. Each calls [`missing`] with its name, whatever its arguments.
fn stubs_of(names: &[Box<[u8]>]) -> Vec<u8> {
    let mut code = Vec::new();
    for name in names {
        let name = (name.as_ptr().expose_provenance() as u64).to_le_bytes();
        let missing = (missing as *const () as u64).to_le_bytes();
        #[cfg(target_arch = "x86_64")]
        {
            // mov rcx, name; mov r11, missing; jmp r11
            code.extend([0x48, 0xB9]);
            code.extend(name);
            code.extend([0x49, 0xBB]);
            code.extend(missing);
            code.extend([0x41, 0xFF, 0xE3]);
        }
        #[cfg(target_arch = "aarch64")]
        {
            // ldr x0, name; ldr x16, missing; br x16; nop; name: …; missing: …
            for instruction in [0x5800_0080_u32, 0x5800_00B0, 0xD61F_0200, 0xD503_201F] {
                code.extend(instruction.to_le_bytes());
            }
            code.extend(name);
            code.extend(missing);
        }
        code.resize(code.len().next_multiple_of(STUB), 0xCC);
    }
    code
}

#[expect(unsafe_code, reason = "the name is in memory of a mapping's own")]
unsafe extern "efiapi" fn missing(name: *const c_char) -> ! {
    // SAFETY: only the functions of `stubs_of` call this, with a name that the mapping keeps and that ends with a NUL.
    let name = unsafe { std::ffi::CStr::from_ptr(name) }.to_string_lossy();
    images::stop(&format!("{name}: the image calls it, and the host does not have it"))
}

/// Protects each part of an image. Pages outside of sections are inaccessible.
fn protect(pages: &mut Pages, image: &Image, stubs: Range<usize>) -> std::io::Result<()> {
    pages.protect(0..stubs.start, libc::PROT_NONE)?;
    pages.protect(image.headers.clone(), libc::PROT_READ)?;
    pages.protect(stubs, libc::PROT_READ | libc::PROT_EXEC)?;
    for section in &image.sections {
        let access = match section.access {
            Protection::Read => libc::PROT_READ,
            Protection::Write => libc::PROT_READ | libc::PROT_WRITE,
            Protection::Execute => libc::PROT_READ | libc::PROT_EXEC,
        };
        pages.protect(section.range.clone(), access)?;
    }
    Ok(())
}
