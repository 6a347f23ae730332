//! The names of an image's functions, from the PDB beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pdb::{FallibleIterator as _, PDB, SymbolData};

/// The functions of an image. Its PDB is read once, when a report needs a name.
pub(crate) struct Symbols {
    /// The file, if the image names one.
    file: Option<(PathBuf, [u8; 16])>,
    /// The end and the name of each function, by its offset in the image.
    functions: OnceLock<BTreeMap<usize, (usize, String)>>,
}

impl Symbols {
    /// Those of an image with this path, whose PDB has this GUID.
    pub(crate) fn new(image: &Path, guid: Option<[u8; 16]>) -> Self {
        let absolute = std::path::absolute(image).unwrap_or_else(|_| image.to_owned());
        let file = guid.map(|guid| (absolute.with_extension("pdb"), guid));
        Self { file, functions: OnceLock::new() }
    }

    /// The function at an offset in the image. `None` if there is no PDB, or if it belongs to another image.
    pub(crate) fn function_at(&self, offset: usize) -> Option<&str> {
        let functions = self.functions.get_or_init(|| {
            let file = self.file.as_ref();
            // A report is complete even without names.
            file.and_then(|(path, guid)| read(path, guid).ok()).unwrap_or_default()
        });
        let (_, (end, name)) = functions.range(..=offset).next_back()?;
        (offset < *end).then_some(name)
    }
}

/// Reads the functions of a PDB. There are none if its GUID is another.
fn read(path: &Path, guid: &[u8; 16]) -> pdb::Result<BTreeMap<usize, (usize, String)>> {
    let mut functions = BTreeMap::new();
    let mut pdb = PDB::open(File::open(path)?)?;
    if pdb.pdb_information()?.guid.to_bytes_le() != *guid {
        return Ok(functions);
    }
    let addresses = pdb.address_map()?;
    let information = pdb.debug_information()?;
    let mut modules = information.modules()?;
    while let Some(module) = modules.next()? {
        let Some(information) = pdb.module_info(&module)? else { continue };
        let mut symbols = information.symbols()?;
        while let Some(symbol) = symbols.next()? {
            let Ok(SymbolData::Procedure(procedure)) = symbol.parse() else { continue };
            let Some(start) = procedure.offset.to_rva(&addresses) else { continue };
            let [start, length] =
                [start.0, procedure.len].map(|number| usize::try_from(number).unwrap_or(0));
            functions.insert(start, (start + length, procedure.name.to_string().into_owned()));
        }
    }
    Ok(functions)
}
