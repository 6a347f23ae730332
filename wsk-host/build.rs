//! Sets the configuration `images` for targets where the host runs images of drivers: Linux on x64 and on arm64, but not
//! Miri, which runs no foreign code.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(images)");
    let is = |name: &str, values: &[&str]| {
        env::var(name).is_ok_and(|value| values.contains(&value.as_str()))
    };
    let is_linux = is("CARGO_CFG_TARGET_OS", &["linux"]);
    let is_known = is("CARGO_CFG_TARGET_ARCH", &["x86_64", "aarch64"]);
    if is_linux && is_known && env::var_os("CARGO_CFG_MIRI").is_none() {
        println!("cargo::rustc-cfg=images");
    }
}
