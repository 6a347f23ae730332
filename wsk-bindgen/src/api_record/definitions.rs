//! The definitions of macros in a header's text, by their names.

use std::collections::{BTreeMap, BTreeSet};

use super::gates::macros;

/// Macros of the compiler whose value depends on the place where they are used.
const OF_THE_PLACE: [&str; 3] = ["__LINE__", "__COUNTER__", "__INCLUDE_LEVEL__"];

/// The names of the macros, and those whose values depend on the place where they are used.
pub(super) struct Definitions {
    names: BTreeSet<String>,
    of_the_place: BTreeSet<String>,
}

impl Definitions {
    pub(super) fn read(text: &str) -> Self {
        let mut names = BTreeSet::new();
        // The macros whose bodies contain a name.
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for definition in macros(text) {
            for used in identifiers(&definition.body) {
                users.entry(used.to_owned()).or_default().push(definition.name.clone());
            }
            names.insert(definition.name);
        }
        let mut of_the_place = BTreeSet::new();
        let mut next: Vec<&str> = OF_THE_PLACE.to_vec();
        while let Some(name) = next.pop() {
            for user in users.get(name).into_iter().flatten() {
                if of_the_place.insert(user.clone()) {
                    next.push(user);
                }
            }
        }
        Self { names, of_the_place }
    }

    /// Whether the text defines this macro, perhaps in a branch that is not compiled.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether a macro stands for another value in another line.
    pub(super) fn depends_on_its_place(&self, name: &str) -> bool {
        self.of_the_place.contains(name)
    }
}

fn identifiers(body: &str) -> impl Iterator<Item = &str> {
    let words = body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::Definitions;

    #[test]
    fn a_macro_depends_on_its_place_through_others() {
        let text = "#define A (B + 1)\n#define B C(2)\n#define C(x) (x + __LINE__)\n#define D __LINE__X\n\
                    #define E F\n#define F E\n#define G __COUNTER__\n";
        let definitions = Definitions::read(text);
        let found: String = ["A", "B", "C", "D", "E", "F", "G", "H"]
            .into_iter()
            .filter(|name| definitions.depends_on_its_place(name))
            .collect();
        assert_eq!(found, "ABCG");
        assert!(definitions.has("E") && !definitions.has("x"));
    }
}
