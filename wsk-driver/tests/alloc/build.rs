//! Passes the linker arguments of a driver: a kernel image, without a C library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "msvc") {
        for argument in [
            "/DRIVER",
            "/SUBSYSTEM:NATIVE,6.02",
            "/RELEASE",
            "/ENTRY:DriverEntry",
            "/NODEFAULTLIB",
            "/OPT:REF,ICF",
        ] {
            println!("cargo::rustc-link-arg-cdylib={argument}");
        }
    }
}
