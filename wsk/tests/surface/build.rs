//! Links a driver, with the names of its functions, so that it can be looked into.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "msvc") {
        for argument in [
            "/DRIVER",
            "/SUBSYSTEM:NATIVE,6.02",
            "/RELEASE",
            "/ENTRY:DriverEntry",
            "/NODEFAULTLIB",
            // Functions that are the same stay apart: each has its own name.
            "/OPT:REF,NOICF",
            "/DEBUG:SYMTAB",
        ] {
            println!("cargo::rustc-link-arg-cdylib={argument}");
        }
    }
}
