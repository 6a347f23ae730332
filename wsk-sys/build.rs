//! Passes the driver model on that wdk-sys is built for, as wdk-build asks of a library that uses wdk-sys.

#[cfg(feature = "wdk-sys")]
fn main() -> Result<(), wdk_build::ConfigError> {
    wdk_build::configure_wdk_library_build()
}

#[cfg(not(feature = "wdk-sys"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
