//! Stands in for wdk-build, which refuses to build anywhere but on Windows.

use std::fmt;

/// No error: the driver model is always that of WDM.
#[derive(Debug)]
pub enum ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for ConfigError {}

/// Says that the driver model is that of WDM, as the real function does if the driver's manifest says so.
///
/// # Errors
///
/// None.
pub fn configure_wdk_library_build() -> Result<(), ConfigError> {
    println!("cargo::rerun-if-changed=build.rs");
    println!(
        r#"cargo::rustc-check-cfg=cfg(driver_model__driver_type, values("WDM","KMDF","UMDF"))"#
    );
    println!(r#"cargo::rustc-cfg=driver_model__driver_type="WDM""#);
    Ok(())
}

/// The same for a driver. The real function has the linker's arguments, too.
///
/// # Errors
///
/// None.
pub fn configure_wdk_binary_build() -> Result<(), ConfigError> {
    configure_wdk_library_build()
}
