//! Links the driver with the names of its functions, for the audit of the image.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "msvc") {
        for argument in [
            "/DRIVER",
            "/SUBSYSTEM:NATIVE,6.02",
            "/RELEASE",
            "/ENTRY:DriverEntry",
            "/NODEFAULTLIB",
            // Identical functions are not folded, so that each has its own name.
            "/OPT:REF,NOICF",
            "/DEBUG:SYMTAB",
        ] {
            println!("cargo::rustc-link-arg-cdylib={argument}");
        }
    }
}
