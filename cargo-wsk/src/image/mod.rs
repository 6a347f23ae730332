//! Reads a driver's image: its sections, its imports, and its functions with their calls and their stack.
//!
//! The stack of a function follows from its unwind information, which the system itself relies on, and from its
//! instructions, some of which use stack without unwind data: the larger number counts. The calls are derived from the
//! instructions. The names are those of the symbol table that `/DEBUG:SYMTAB` leaves in the image, or of the linker's
//! map.

mod arm64;
mod graph;
mod map;
mod registers;
mod x64;

pub use self::graph::Depths;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::read::pe::{
    ImageNtHeaders as _, ImageOptionalHeader as _, Import as PeImport, PeFile64,
};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind, pe};

/// An image.
pub struct Image {
    /// The sections, in the order of the file.
    pub sections: Vec<Section>,
    /// The imports, in the order of the import tables.
    pub imports: Vec<Import>,
    /// The functions, in the order of their addresses.
    pub functions: Vec<Function>,
    /// Names, with indices into `functions`.
    pub exports: BTreeMap<String, usize>,
    /// The index of the entry point in `functions`.
    pub entry: Option<usize>,
}

/// A section.
pub struct Section {
    /// Such as `.text`.
    pub name: String,
    /// The characteristics: its purpose, and whether it can be read, written, executed or discarded.
    pub characteristics: u32,
}

/// A function of another image.
pub struct Import {
    /// The name of the other image.
    pub image: String,
    /// The name of the function, or `#` and its ordinal.
    pub name: String,
    /// The location that the loader writes the function's address to.
    slot: u32,
}

#[cfg(test)]
impl Import {
    pub(crate) fn for_test(name: &str) -> Self {
        Self { image: "ntoskrnl.exe".to_owned(), name: name.to_owned(), slot: 0 }
    }
}

/// A function of the image.
pub struct Function {
    /// The name in the source, without the hash.
    pub name: String,
    start: u32,
    end: u32,
    /// The stack that it uses in bytes, including the return address.
    pub frame: u32,
    /// Every distinct call in its code.
    pub calls: Vec<CallSite>,
    /// Whether it can be called through a pointer.
    pub is_address_taken: bool,
    /// One of its instructions that changes registers that the kernel does not save, as text.
    pub unsaved: Option<String>,
}

#[cfg(test)]
impl Function {
    pub(crate) fn for_test(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            start: 0,
            end: 0,
            frame: 0,
            calls: Vec::new(),
            is_address_taken: false,
            unsaved: None,
        }
    }
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallSite {
    /// The called function.
    pub callee: Callee,
    /// Whether it is a tail call, after the function has freed its stack.
    pub is_tail: bool,
}

/// A called function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Callee {
    /// An index into [`Image::functions`].
    Function(usize),
    /// An index into [`Image::imports`].
    Import(usize),
    /// A pointer that is known only at run time.
    Pointer,
}

/// The relevant effect of an instruction. Addresses are relative to the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Call(u32),
    /// A call through a pointer in memory at a known address.
    CallThrough(u32),
    CallPointer,
    Jump(u32),
    JumpThrough(u32),
    JumpPointer,
    /// An address is taken.
    Address(u32),
    /// The stack grows by this number of bytes.
    Push(u32),
    /// The stack grows by a number that is known only at run time.
    PushUnknown,
}

/// Finds an instruction that changes registers which the kernel does not save for a driver, and shows it as text.
type FindUnsaved = fn(&[u8], u32) -> Option<String>;

/// The progress through the three instructions with which a prologue allocates a frame of a page or more: the size is
/// loaded into a register, `__chkstk` touches each page and leaves the register unchanged, and the register is
/// subtracted.
#[derive(Clone, Copy)]
enum Probe {
    None,
    Size(u32),
    Called(u32),
}

/// The unwind information of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    start: u32,
    end: u32,
    size: u32,
}

/// The parts that depend on the processor.
struct InstructionSet {
    /// The flow of a function's code, which begins at an address.
    flows: fn(&[u8], u32) -> Vec<Flow>,
    frames: fn(&[u8], &Memory<'_>) -> Result<Vec<Frame>>,
    unsaved: FindUnsaved,
    /// The stack that a call itself uses, in bytes.
    return_address: u32,
}

/// The image as mapped in memory.
struct Memory<'a>(Vec<(u32, &'a [u8])>);

impl<'a> Memory<'a> {
    /// The bytes from an address to the end of its section.
    fn at(&self, address: u32) -> Result<&'a [u8]> {
        let found = self.0.iter().find_map(|(start, data)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            data.get(offset..).filter(|data| !data.is_empty())
        });
        found.with_context(|| format!("there is nothing at {address:#x}"))
    }

    fn u32(&self, address: u32) -> Result<u32> {
        let bytes = self.at(address)?.first_chunk().context("a section ends too early")?;
        Ok(u32::from_le_bytes(*bytes))
    }

    fn u64(&self, address: u32) -> Result<u64> {
        let bytes = self.at(address)?.first_chunk().context("a section ends too early")?;
        Ok(u64::from_le_bytes(*bytes))
    }
}

impl Image {
    /// Reads the image of a driver that is linked with `/DEBUG:SYMTAB`, or with `/MAP` and has its map beside it.
    ///
    /// # Errors
    ///
    /// If it is not a 64-bit image, has no symbols or no unwind information, or has instructions or unwind codes that
    /// are not understood.
    pub fn read(path: &Path) -> Result<Self> {
        let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&data, &path.with_extension("map"))
            .with_context(|| format!("cannot analyze {}", path.display()))
    }

    fn parse(data: &[u8], map: &Path) -> Result<Self> {
        let file = PeFile64::parse(data).context("this is not a 64-bit image")?;
        let processor = match file.architecture() {
            object::Architecture::X86_64 => x64::PROCESSOR,
            object::Architecture::Aarch64 => arm64::PROCESSOR,
            other => bail!("the processor is {other:?}"),
        };
        let base = file.relative_address_base();
        let (sections, imports) = (sections(&file)?, imports(&file)?);
        let mut memory = Vec::new();
        let mut code = Vec::new();
        for (section, read) in file.sections().zip(&sections) {
            let start = relative(section.address(), base)?;
            memory.push((start, section.data()?));
            if read.characteristics & pe::IMAGE_SCN_MEM_EXECUTE != 0 {
                code.push(start..start + u32::try_from(section.size())?);
            }
        }
        let memory = Memory(memory);

        let mut named = BTreeMap::new();
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text) {
            let address = relative(symbol.address(), base)?;
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name()?));
            named.entry(address).or_insert(name);
        }
        if named.is_empty() {
            named = map::read(map)?;
        }
        let mut exported = Vec::new();
        for export in file.exports()? {
            let name = String::from_utf8_lossy(export.name()).into_owned();
            let address = relative(export.address(), base)?;
            if code.iter().any(|code| code.contains(&address)) {
                named.insert(address, name.clone());
                exported.push((name, address));
            }
        }

        let directories = file.data_directories();
        let unwind = match directories.get(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION) {
            Some(directory) => {
                let (start, size) = directory.address_range();
                let data = memory.at(start)?;
                data.get(..usize::try_from(size)?).context("the unwind information is cut off")?
            }
            None => bail!("it has no unwind information"),
        };
        let frames = (processor.frames)(unwind, &memory)?;
        let mut functions = functions(&named, &frames, &code, processor.return_address);
        let pointers = pointers(&file, &memory, base)?;
        connect(&mut functions, &imports, &memory, &processor, pointers)?;
        let place = |address: u32| functions.iter().position(|function| function.start == address);
        let mut exports = BTreeMap::new();
        for (name, address) in exported {
            let place = place(address).with_context(|| format!("`{name}` is not a function"))?;
            exports.insert(name, place);
        }
        let entry = file.nt_headers().optional_header().address_of_entry_point();
        let entry = functions.iter().position(|function| function.start == entry);
        Ok(Self { sections, imports, functions, exports, entry })
    }
}

/// An address relative to the image.
fn relative(address: u64, base: u64) -> Result<u32> {
    let relative = address.checked_sub(base).context("an address before the image")?;
    u32::try_from(relative).context("an address after the image")
}

/// An image's sections, in the order of the file.
///
/// # Errors
///
/// If a name is not Unicode.
pub fn sections(file: &PeFile64<'_>) -> Result<Vec<Section>> {
    let section = |section: object::read::pe::PeSection64<'_, '_>| match section.flags() {
        SectionFlags::Coff { characteristics } => {
            Ok(Section { name: section.name()?.to_owned(), characteristics })
        }
        _ => bail!("a section without flags"),
    };
    file.sections().map(section).collect()
}

/// The imports of an image, in the order of its tables.
///
/// # Errors
///
/// If there are none, or the tables are not well-formed.
pub fn imports(file: &PeFile64<'_>) -> Result<Vec<Import>> {
    let table = file.import_table()?.context("the image imports nothing")?;
    let mut imports = Vec::new();
    let mut descriptors = table.descriptors()?;
    while let Some(descriptor) = descriptors.next()? {
        let image = String::from_utf8_lossy(table.name(descriptor.name.get(LittleEndian))?);
        let mut slot = descriptor.first_thunk.get(LittleEndian);
        let mut thunks = table.thunks(descriptor.original_first_thunk.get(LittleEndian))?;
        while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>()? {
            let name = match table.import::<pe::ImageNtHeaders64>(thunk)? {
                PeImport::Name(_, name) => String::from_utf8_lossy(name).into_owned(),
                PeImport::Ordinal(number) => format!("#{number}"),
            };
            imports.push(Import { image: image.clone().into_owned(), name, slot });
            slot += 8;
        }
    }
    Ok(imports)
}

/// All functions, by name or by unwind information. A function without unwind information ends where the next one
/// begins, and uses no stack except for the return address.
fn functions(
    named: &BTreeMap<u32, String>,
    frames: &[Frame],
    code: &[std::ops::Range<u32>],
    return_address: u32,
) -> Vec<Function> {
    let in_code = |address: &u32| code.iter().find(|code| code.contains(address));
    let starts: BTreeSet<u32> =
        named.keys().copied().chain(frames.iter().map(|frame| frame.start)).collect();
    let starts: Vec<u32> = starts.into_iter().filter(|start| in_code(start).is_some()).collect();
    let function = |(index, &start): (usize, &u32)| {
        let frame = frames.iter().find(|frame| frame.start == start);
        let next = starts.get(index + 1).copied().unwrap_or(u32::MAX);
        let section = in_code(&start).map_or(start, |code| code.end);
        Function {
            name: named.get(&start).cloned().unwrap_or_else(|| format!("unnamed at {start:#x}")),
            start,
            end: frame.map_or(next.min(section), |frame| frame.end),
            frame: frame.map_or(0, |frame| frame.size).saturating_add(return_address),
            calls: Vec::new(),
            is_address_taken: false,
            unsaved: None,
        }
    };
    starts.iter().enumerate().map(function).collect()
}

/// The addresses that the loader relocates: all pointers in data.
fn pointers(file: &PeFile64<'_>, memory: &Memory<'_>, base: u64) -> Result<Vec<u32>> {
    let mut pointers = Vec::new();
    let directories = file.data_directories();
    let Some(mut blocks) = directories.relocation_blocks(file.data(), &file.section_table())?
    else {
        return Ok(pointers);
    };
    while let Some(block) = blocks.next()? {
        for relocation in block.filter(|one| one.typ == pe::IMAGE_REL_BASED_DIR64) {
            let pointer = memory.u64(relocation.virtual_address)?;
            pointers.push(relative(pointer, base)?);
        }
    }
    Ok(pointers)
}

/// Finds the calls of each function, and the functions that can be called through pointers.
fn connect(
    functions: &mut [Function],
    imports: &[Import],
    memory: &Memory<'_>,
    processor: &InstructionSet,
    mut taken: Vec<u32>,
) -> Result<()> {
    let starts: BTreeMap<u32, usize> =
        functions.iter().enumerate().map(|(index, function)| (function.start, index)).collect();
    let through = |slot: u32| {
        let import = imports.iter().position(|import| import.slot == slot);
        import.map_or(Callee::Pointer, Callee::Import)
    };
    for function in functions.iter_mut() {
        let size =
            function.end.checked_sub(function.start).context("a function ends before it begins")?;
        let size = usize::try_from(size)?;
        let code = memory.at(function.start)?;
        let code = code.get(..size.min(code.len())).context("a function is cut off")?;
        let mut pushed = 0;
        let own = function.start..function.end;
        let mut calls = BTreeSet::new();
        for flow in (processor.flows)(code, function.start) {
            let (callee, is_tail) = match flow {
                Flow::Address(address) => {
                    taken.push(address);
                    continue;
                }
                Flow::Push(bytes) => {
                    pushed += bytes;
                    continue;
                }
                Flow::PushUnknown => {
                    bail!("the stack use of `{}` cannot be determined", function.name)
                }
                Flow::Jump(target) if own.contains(&target) => continue,
                Flow::Call(target) | Flow::Jump(target) => {
                    let callee = starts.get(&target).with_context(|| {
                        format!("`{}` jumps to {target:#x}, which is not a function", function.name)
                    })?;
                    (Callee::Function(*callee), matches!(flow, Flow::Jump(_)))
                }
                Flow::CallThrough(slot) => (through(slot), false),
                Flow::JumpThrough(slot) => (through(slot), true),
                Flow::CallPointer => (Callee::Pointer, false),
                Flow::JumpPointer => (Callee::Pointer, true),
            };
            calls.insert(CallSite { callee, is_tail });
        }
        function.frame = function.frame.max(pushed + processor.return_address);
        function.calls = calls.into_iter().collect();
        function.unsaved = (processor.unsaved)(code, function.start);
    }
    for address in taken {
        if let Some(index) = starts.get(&address) {
            functions[*index].is_address_taken = true;
        }
    }
    Ok(())
}
