//! Passes on the driver model of wdk-sys, which wdk-build requires of libraries that use wdk-sys.

#[cfg(feature = "wdk-sys")]
fn main() -> Result<(), wdk_build::ConfigError> {
    wdk_build::configure_wdk_library_build()
}

#[cfg(not(feature = "wdk-sys"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
