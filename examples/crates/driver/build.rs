//! Adds the root certificate that the variable `CRATES_ROOT` names, if it is set: a file in DER.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=CRATES_ROOT");
    let own = match env::var_os("CRATES_ROOT") {
        Some(file) => {
            println!("cargo::rerun-if-changed={}", file.display());
            fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        }
        None => Vec::new(),
    };
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("root.der"), own).expect("OUT_DIR can be written");
}
