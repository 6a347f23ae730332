//! Checks that a driver changes no registers that the kernel does not save for it.

use super::finding::{DefectKind, Finding};
use crate::image::{Function, Image};

/// The function that saves these registers. The audit cannot determine which instructions run after a call of it, so it
/// trusts a driver that calls it.
const SAVES: &str = "KeSaveExtendedProcessorState";

/// The functions with such an instruction.
#[must_use]
pub fn findings(image: &Image) -> Vec<Finding> {
    const REMEDY: &str = "Its registers belong to whatever program was interrupted. Compile without `-C target-feature` and \
                          `-C target-cpu`, turn off the crate's detection of the processor, or call \
                          KeSaveExtendedProcessorState first.";
    if image.imports.iter().any(|import| import.name == SAVES) {
        return Vec::new();
    }
    let finding = |function: &Function| {
        let instruction = function.unsaved.as_ref()?;
        let message = format!(
            "`{}` changes registers that the kernel does not save (`{instruction}`)",
            function.name
        );
        Some(Finding::new(DefectKind::Registers, message, REMEDY).of(&function.name))
    };
    image.functions.iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::image::Import;

    #[test]
    fn a_driver_that_saves_them_may_change_them() {
        let function = |name, unsaved: Option<&str>| {
            let mut function = Function::for_test(name);
            function.unsaved = unsaved.map(str::to_owned);
            function
        };
        let mut image = Image {
            sections: Vec::new(),
            imports: vec![Import::for_test("KeSetEvent")],
            functions: vec![function("copy", None), function("digest", Some("vzeroupper"))],
            exports: BTreeMap::new(),
            entry: None,
        };
        let found = findings(&image);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].function.as_deref(), Some("digest"));
        assert!(found[0].message.contains("(`vzeroupper`)"), "{}", found[0].message);
        image.imports.push(Import::for_test(SAVES));
        assert_eq!(findings(&image), []);
    }
}
