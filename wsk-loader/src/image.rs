//! The contents of an image: its memory as Windows maps it, and the facts that the loader needs.
//!
//! The bytes are foreign. Every offset and size is checked against the image before it is used.

use std::fmt;
use std::ops::Range;

use object::LittleEndian as LE;
use object::pe::{
    IMAGE_DIRECTORY_ENTRY_BASERELOC, IMAGE_DIRECTORY_ENTRY_DEBUG,
    IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT, IMAGE_DIRECTORY_ENTRY_EXCEPTION,
    IMAGE_DIRECTORY_ENTRY_IMPORT, IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG, IMAGE_DIRECTORY_ENTRY_TLS,
    IMAGE_FILE_EXECUTABLE_IMAGE, IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_MACHINE_ARM64,
    IMAGE_FILE_RELOCS_STRIPPED, IMAGE_REL_BASED_ABSOLUTE, IMAGE_REL_BASED_DIR64,
    IMAGE_SCN_MEM_EXECUTE, IMAGE_SCN_MEM_WRITE, IMAGE_SUBSYSTEM_NATIVE, ImageNtHeaders64,
    ImageSectionHeader, ImageThunkData64,
};
use object::read::pe::{
    ImageNtHeaders as _, ImageThunkData as _, ImportTable, PeFile64, RelocationBlockIterator,
};

/// The processor that images are for: that of this process.
const MACHINE: u16 =
    if cfg!(target_arch = "aarch64") { IMAGE_FILE_MACHINE_ARM64 } else { IMAGE_FILE_MACHINE_AMD64 };
const NAME: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };

/// The size of a page. Sections consist of whole pages.
pub(crate) const PAGE: usize = 4096;

/// The maximum size of an image, in bytes.
const LARGEST: usize = 256 << 20;

/// The maximum number of imports of an image.
const MOST_IMPORTS: usize = 1 << 16;

/// The offset of the address of the security cookie in the load configuration.
const COOKIE: usize = 88;

/// The reason why an image is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageError(String);

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ImageError {}

impl From<object::read::Error> for ImageError {
    fn from(error: object::read::Error) -> Self {
        Self(format!("the image is damaged: {error}"))
    }
}

type Result<T> = std::result::Result<T, ImageError>;

fn refuse<T>(message: impl Into<String>) -> Result<T> {
    Err(ImageError(message.into()))
}

fn damaged<T>(message: impl fmt::Display) -> Result<T> {
    refuse(format!("the image is damaged: {message}"))
}

/// The access to a section's pages. No page is writable and executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    Read,
    Write,
    Execute,
}

/// A section, in whole pages.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) range: Range<usize>,
    pub(crate) access: Protection,
}

/// An imported function or static.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) library: String,
    pub(crate) item: ImportName,
    /// The offset of the pointer to the item.
    pub(crate) slot: usize,
}

/// The imported item, by its name or its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ImportName {
    Name(String),
    Ordinal(u16),
}

impl fmt::Display for ImportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ordinal(number) => write!(f, "#{number}"),
        }
    }
}

/// The image of a driver for the processor of this process.
///
/// # Invariants
///
/// `bytes` consists of whole pages. Sections lie in it, in ascending order, and do not overlap. Eight bytes lie in it
/// at each relocation, at the slot of each import, and at the cookie. `entry` is in an executable section.
pub struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) headers: Range<usize>,
    pub(crate) sections: Vec<Section>,
    pub(crate) entry: usize,
    /// The address that the image was linked for.
    pub(crate) base: u64,
    /// The offsets of addresses.
    pub(crate) relocations: Vec<usize>,
    pub(crate) imports: Vec<Import>,
    /// The offset of the security cookie.
    pub(crate) cookie: Option<usize>,
    /// The function table: the frames of functions. Only that of x64 is read.
    #[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "backtraces end at an image"))]
    pub(crate) functions: Range<usize>,
    /// The GUID of the image's PDB, in the byte order of memory.
    pub(crate) pdb: Option<[u8; 16]>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("size", &self.bytes.len())
            .field("sections", &self.sections)
            .field("imports", &self.imports.len())
            .finish_non_exhaustive()
    }
}

impl Image {
    /// Reads the image of a driver for the processor of this process from the bytes of its file.
    ///
    /// # Errors
    ///
    /// One sentence, if the bytes are not such an image, or are damaged.
    pub fn parse(file: &[u8]) -> Result<Self> {
        let pe = match PeFile64::parse(file) {
            Ok(pe) => pe,
            Err(error) => return refuse(format!("this is not a 64-bit PE image: {error}")),
        };
        let headers = pe.nt_headers();
        require_driver(headers)?;
        let optional = headers.optional_header();
        let size = usize_of(optional.size_of_image.get(LE));
        if size == 0 || size > LARGEST {
            return refuse(format!(
                "the image has {size} bytes in memory; 1 to {LARGEST} can be loaded"
            ));
        }
        let mut bytes = vec![0; size.next_multiple_of(PAGE)];
        let of_headers = usize_of(optional.size_of_headers.get(LE));
        let Some(source) = file.get(..of_headers).filter(|_| of_headers <= bytes.len()) else {
            return damaged(format_args!("its headers have {of_headers} bytes"));
        };
        bytes[..of_headers].copy_from_slice(source);
        let of_headers = 0..of_headers.next_multiple_of(PAGE).min(bytes.len());
        let mut sections = Vec::new();
        let mut end = of_headers.end;
        for section in pe.section_table().iter() {
            let section = map_section(section, file, &mut bytes, end)?;
            end = section.range.end;
            sections.push(section);
        }
        let directory = |number| match pe.data_directory(number) {
            Some(found) => directory(&bytes, found.address_range()),
            None => Ok(0..0),
        };
        if !directory(IMAGE_DIRECTORY_ENTRY_TLS)?.is_empty() {
            return refuse("the image has thread-local storage, which the kernel does not support");
        }
        if !directory(IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT)?.is_empty() {
            return refuse("the image delays imports, which the kernel does not support");
        }
        let entry = usize_of(optional.address_of_entry_point.get(LE));
        let is_code = |section: &Section| {
            section.access == Protection::Execute && section.range.contains(&entry)
        };
        if !sections.iter().any(is_code) {
            return damaged(format_args!("its entry point {entry:#x} is in no executable section"));
        }
        let base = optional.image_base.get(LE);
        Ok(Self {
            relocations: relocations(&bytes, directory(IMAGE_DIRECTORY_ENTRY_BASERELOC)?)?,
            imports: imports(&bytes, &directory(IMAGE_DIRECTORY_ENTRY_IMPORT)?)?,
            cookie: cookie(&bytes, &directory(IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG)?, base)?,
            functions: directory(IMAGE_DIRECTORY_ENTRY_EXCEPTION)?,
            pdb: pdb_guid(&bytes, directory(IMAGE_DIRECTORY_ENTRY_DEBUG)?),
            headers: of_headers,
            bytes,
            sections,
            entry,
            base,
        })
    }
}

/// Converts a 32-bit number to an offset or a size. This crate supports 64-bit systems only.
fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn require_driver(headers: &ImageNtHeaders64) -> Result<()> {
    let (file, optional) = (headers.file_header(), headers.optional_header());
    let machine = file.machine.get(LE);
    if machine != MACHINE {
        return refuse(format!(
            "the image is for the machine type {machine:#06x}; this host runs images for {NAME} ({MACHINE:#06x})"
        ));
    }
    let characteristics = file.characteristics.get(LE);
    if characteristics & IMAGE_FILE_EXECUTABLE_IMAGE == 0 {
        return refuse("the image was not linked: the linker has reported unresolved symbols");
    }
    if characteristics & IMAGE_FILE_RELOCS_STRIPPED != 0 {
        return refuse("the image has no relocations: link it without /FIXED");
    }
    let subsystem = optional.subsystem.get(LE);
    if subsystem != IMAGE_SUBSYSTEM_NATIVE {
        return refuse(format!(
            "the image is for the subsystem {subsystem}, not for the kernel: link it with /SUBSYSTEM:NATIVE"
        ));
    }
    let alignment = usize_of(optional.section_alignment.get(LE));
    if !alignment.is_power_of_two() || alignment < PAGE {
        return refuse(format!(
            "the sections of the image are aligned to {alignment} bytes, a multiple of {PAGE} is required"
        ));
    }
    Ok(())
}

/// Copies a section to its place, after the one that ends at `end`.
fn map_section(
    section: &ImageSectionHeader,
    file: &[u8],
    bytes: &mut [u8],
    end: usize,
) -> Result<Section> {
    let name = String::from_utf8_lossy(section.raw_name()).into_owned();
    let start = usize_of(section.virtual_address.get(LE));
    let in_file = usize_of(section.size_of_raw_data.get(LE));
    let size = match usize_of(section.virtual_size.get(LE)) {
        0 => in_file,
        size => size,
    };
    let range = start..start.saturating_add(size).next_multiple_of(PAGE);
    if start % PAGE != 0 || start < end || range.end > bytes.len() {
        return damaged(format_args!(
            "its section {name} is at {start:#x}..{:#x} of {:#x} bytes, after {end:#x}",
            range.end,
            bytes.len()
        ));
    }
    let length = in_file.min(size);
    if length > 0 {
        let from = usize_of(section.pointer_to_raw_data.get(LE));
        let Some(source) = file.get(from..from.saturating_add(length)) else {
            return damaged(format_args!(
                "its section {name} is at {from:#x} of the file, which ends before it"
            ));
        };
        bytes[start..start + length].copy_from_slice(source);
    }
    let characteristics = section.characteristics.get(LE);
    // An example is the section INIT of Microsoft's linker. Nothing writes to its code.
    let access = if characteristics & IMAGE_SCN_MEM_EXECUTE != 0 {
        Protection::Execute
    } else if characteristics & IMAGE_SCN_MEM_WRITE != 0 {
        Protection::Write
    } else {
        Protection::Read
    };
    Ok(Section { range, access })
}

/// A directory's range in the image.
fn directory(bytes: &[u8], (start, size): (u32, u32)) -> Result<Range<usize>> {
    let range = usize_of(start)..usize_of(start).saturating_add(usize_of(size));
    if start == 0 || size == 0 {
        return Ok(0..0);
    }
    if range.end > bytes.len() {
        return damaged(format_args!("a directory is at {:#x}..{:#x}", range.start, range.end));
    }
    Ok(range)
}

fn relocations(bytes: &[u8], directory: Range<usize>) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    let mut blocks = RelocationBlockIterator::new(&bytes[directory]);
    while let Some(block) = blocks.next()? {
        let page = block.virtual_address();
        for relocation in block {
            if relocation.virtual_address < page {
                return damaged(format_args!("a block of relocations is at {page:#x}"));
            }
            let offset = usize_of(relocation.virtual_address);
            match relocation.typ {
                IMAGE_REL_BASED_ABSOLUTE => {}
                IMAGE_REL_BASED_DIR64 if has_word(bytes, offset) => found.push(offset),
                IMAGE_REL_BASED_DIR64 => {
                    return damaged(format_args!("a relocation is at {offset:#x}"));
                }
                kind => return damaged(format_args!("a relocation has the type {kind}")),
            }
        }
    }
    Ok(found)
}

/// Whether the image has eight bytes at an offset.
fn has_word(bytes: &[u8], offset: usize) -> bool {
    offset.checked_add(8).is_some_and(|end| end <= bytes.len())
}

fn imports(bytes: &[u8], directory: &Range<usize>) -> Result<Vec<Import>> {
    let mut found: Vec<Import> = Vec::new();
    if directory.is_empty() {
        return Ok(found);
    }
    let start = u32::try_from(directory.start).unwrap_or(u32::MAX);
    let table = ImportTable::new(bytes, 0, start);
    let mut libraries = table.descriptors()?;
    while let Some(descriptor) = libraries.next()? {
        let library = text(table.name(descriptor.name.get(LE))?)?;
        let slots = descriptor.first_thunk.get(LE);
        let names = match descriptor.original_first_thunk.get(LE) {
            0 => slots,
            names => names,
        };
        let mut thunks = table.thunks(names)?;
        let mut slot = usize_of(slots);
        while let Some(thunk) = thunks.next::<ImageNtHeaders64>()? {
            let item = item(&table, thunk)?;
            if !has_word(bytes, slot) {
                return damaged(format_args!("the pointer to the import {item} is at {slot:#x}"));
            }
            if found.len() == MOST_IMPORTS {
                return refuse(format!("the image has more than {MOST_IMPORTS} imports"));
            }
            found.push(Import { library: library.clone(), item, slot });
            slot += 8;
        }
    }
    Ok(found)
}

fn item(table: &ImportTable<'_>, thunk: ImageThunkData64) -> Result<ImportName> {
    if thunk.is_ordinal() {
        return Ok(ImportName::Ordinal(thunk.ordinal()));
    }
    let (_, name) = table.hint_name(thunk.address())?;
    Ok(ImportName::Name(text(name)?))
}

/// A name in the import table. It consists of printable ASCII, as every linker writes it.
fn text(name: &[u8]) -> Result<String> {
    const LONGEST: usize = 4096;
    match std::str::from_utf8(name) {
        Ok(text)
            if !text.is_empty()
                && text.len() <= LONGEST
                && text.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(text.to_owned())
        }
        _ => damaged("a name in its import table is no text"),
    }
}

/// The offset of the security cookie.
fn cookie(bytes: &[u8], configuration: &Range<usize>, base: u64) -> Result<Option<usize>> {
    let field = configuration.start + COOKIE;
    if configuration.is_empty() || configuration.len() < COOKIE + 8 || !has_word(bytes, field) {
        return Ok(None);
    }
    let address = read_word(bytes, field);
    if address == 0 {
        return Ok(None);
    }
    let offset = address.checked_sub(base).and_then(|offset| usize::try_from(offset).ok());
    match offset.filter(|offset| has_word(bytes, *offset)) {
        Some(offset) => Ok(Some(offset)),
        None => damaged(format_args!("its security cookie is at {address:#x}")),
    }
}

/// The GUID of the image's PDB. An image without one, or with damaged debug information, has none.
fn pdb_guid(bytes: &[u8], directory: Range<usize>) -> Option<[u8; 16]> {
    /// The size of an entry of the directory, and the kind of those that name a PDB.
    const ENTRY: usize = 28;
    const CODE_VIEW: u32 = 2;
    let number = |entry: &[u8], at: usize| {
        let number = entry.get(at..at + 4).and_then(|number| number.try_into().ok());
        number.map_or(0, u32::from_le_bytes)
    };
    let mut entries = bytes.get(directory)?.chunks_exact(ENTRY);
    let entry = entries.find(|entry| number(entry, 12) == CODE_VIEW)?;
    let data = bytes.get(usize_of(number(entry, 20))..)?;
    data.strip_prefix(b"RSDS")?.get(..16)?.try_into().ok()
}

/// The word at an offset where the image has eight bytes.
pub(crate) fn read_word(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(word)
}

/// Writes a word at an offset where the image has eight bytes.
pub(crate) fn write_word(bytes: &mut [u8], offset: usize, word: u64) {
    bytes[offset..offset + 8].copy_from_slice(&word.to_le_bytes());
}
