//! The names of functions from the map that a linker writes with `/MAP`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Reads a map: the names by their addresses relative to the image.
pub(super) fn read(path: &Path) -> Result<BTreeMap<u32, String>> {
    let text = fs::read_to_string(path).with_context(|| {
        format!(
            "it has no symbols, and {} cannot be read: build it with `cargo wsk build`, or link it with /MAP",
            path.display()
        )
    })?;
    let names = parse(&text).with_context(|| format!("{} is not a linker map", path.display()))?;
    ensure!(!names.is_empty(), "{} has no functions", path.display());
    Ok(names)
}

fn parse(text: &str) -> Result<BTreeMap<u32, String>> {
    const BASE: &str = "Preferred load address is";
    let base = text.lines().find_map(|line| line.trim().strip_prefix(BASE));
    let base = base.context("it has no load address")?;
    let base = u64::from_str_radix(base.trim(), 16).context("its load address is not a number")?;
    let mut names = BTreeMap::new();
    for line in text.lines() {
        // ` 0001:0000dcb0       name       000000018000ecb0 f   object`, where `f` is of one linker only.
        let words: Vec<&str> = line.split_whitespace().collect();
        let [place, name, address, ..] = words[..] else {
            continue;
        };
        let is_place = place.len() == 13 && place.as_bytes()[4] == b':';
        let address = (address.len() == 16).then(|| u64::from_str_radix(address, 16).ok());
        let (true, Some(Some(address))) = (is_place, address) else {
            continue;
        };
        // Absolute symbols have no address in the image.
        let relative = address.checked_sub(base).and_then(|relative| u32::try_from(relative).ok());
        if let Some(relative) = relative {
            let name = format!("{:#}", rustc_demangle::demangle(name));
            names.entry(relative).or_insert(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_linkers_are_read() {
        let map = " echo\n\n Preferred load address is 0000000180000000\n\n Start  Length  Name  Class\n \
                   0001:00000000 00017911H .text                   CODE\n\n  Address  Publics by Value\n\n \
                   0000:00000000       __ImageBase                0000000180000000     <linker-defined>\n \
                   0001:00000000       DriverEntry                0000000180001000 f   a.o\n \
                   0001:00000010       _RNvCs1_4echo5serve        0000000180001010     b.o\n\n Static symbols\n\n \
                   0000:00000001       absolute                   0000000000000001     c.o\n";
        let names = parse(map).unwrap();
        let names: Vec<(u32, &str)> = names.iter().map(|(at, name)| (*at, name.as_str())).collect();
        assert_eq!(names, [(0, "__ImageBase"), (0x1000, "DriverEntry"), (0x1010, "echo::serve")]);
        assert!(parse("a driver").is_err());
    }
}
