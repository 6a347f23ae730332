//! The names of an image's functions and the lines of their sources, from the PDB beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use pdb::{FallibleIterator as _, PDB, SymbolData};

/// The functions of an image. Its PDB is read once, when a report needs a name.
pub(crate) struct Symbols {
    /// The file, if the image names one.
    file: Option<(PathBuf, [u8; 16])>,
    /// The functions, by their offsets in the image.
    functions: OnceLock<BTreeMap<usize, Function>>,
}

struct Function {
    end: usize,
    name: String,
    /// The source and the line of the code from an offset in the image to the next.
    lines: BTreeMap<usize, (Arc<str>, u32)>,
}

impl Symbols {
    /// The symbols of the image with this path, whose PDB has this GUID.
    pub(crate) fn new(image: &Path, guid: Option<[u8; 16]>) -> Self {
        let absolute = std::path::absolute(image).unwrap_or_else(|_| image.to_owned());
        let file = guid.map(|guid| (absolute.with_extension("pdb"), guid));
        Self { file, functions: OnceLock::new() }
    }

    /// The name of the function at an offset in the image, and its source and line if the PDB has them. `None` if there
    /// is no PDB, or if it belongs to another image.
    pub(crate) fn at(&self, offset: usize) -> Option<(&str, Option<(&str, u32)>)> {
        let functions = self.functions.get_or_init(|| {
            let file = self.file.as_ref();
            // A report is complete without names, too.
            file.and_then(|(path, guid)| read(path, guid).ok()).unwrap_or_default()
        });
        let (_, function) = functions.range(..=offset).next_back()?;
        if offset >= function.end {
            return None;
        }
        let line = function.lines.range(..=offset).next_back();
        Some((&function.name, line.map(|(_, (file, line))| (&**file, *line))))
    }
}

/// Reads the functions of a PDB. Returns none if its GUID differs.
fn read(path: &Path, guid: &[u8; 16]) -> pdb::Result<BTreeMap<usize, Function>> {
    let mut functions = BTreeMap::new();
    let mut pdb = PDB::open(File::open(path)?)?;
    if pdb.pdb_information()?.guid.to_bytes_le() != *guid {
        return Ok(functions);
    }
    let addresses = pdb.address_map()?;
    // A PDB without sources has no source names.
    let names = pdb.string_table().ok();
    let information = pdb.debug_information()?;
    let mut modules = information.modules()?;
    while let Some(module) = modules.next()? {
        let Some(information) = pdb.module_info(&module)? else { continue };
        let program = information.line_program().ok();
        let mut sources: BTreeMap<u32, Arc<str>> = BTreeMap::new();
        let mut symbols = information.symbols()?;
        while let Some(symbol) = symbols.next()? {
            let Ok(SymbolData::Procedure(procedure)) = symbol.parse() else { continue };
            let Some(start) = procedure.offset.to_rva(&addresses) else { continue };
            let [start, length] = [start.0, procedure.len].map(offset);
            let mut lines = BTreeMap::new();
            if let (Some(program), Some(names)) = (&program, &names) {
                let mut found = program.lines_for_symbol(procedure.offset);
                while let Some(line) = found.next()? {
                    let Some(start) = line.offset.to_rva(&addresses) else { continue };
                    let source = if let Some(source) = sources.get(&line.file_index.0) {
                        Arc::clone(source)
                    } else {
                        let source = program.get_file_info(line.file_index)?.name;
                        let source: Arc<str> = source.to_string_lossy(names)?.into();
                        sources.insert(line.file_index.0, Arc::clone(&source));
                        source
                    };
                    lines.insert(offset(start.0), (source, line.line_start));
                }
            }
            let name = procedure.name.to_string().into_owned();
            functions.insert(start, Function { end: start + length, name, lines });
        }
    }
    Ok(functions)
}

/// Converts an offset in the image, which is smaller than an address.
fn offset(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
