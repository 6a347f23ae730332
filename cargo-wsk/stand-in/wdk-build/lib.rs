//! A stand-in for wdk-build, which only builds on Windows.

use std::fmt;

/// Has no values: the driver model is always KMDF, which has all of WDM.
#[derive(Debug)]
pub enum ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for ConfigError {}

/// Sets the driver model to KMDF, as the real function does if the driver's manifest selects it.
///
/// # Errors
///
/// None.
pub fn configure_wdk_library_build() -> Result<(), ConfigError> {
    println!("cargo::rerun-if-changed=build.rs");
    println!(
        r#"cargo::rustc-check-cfg=cfg(driver_model__driver_type, values("WDM","KMDF","UMDF"))"#
    );
    println!(r#"cargo::rustc-cfg=driver_model__driver_type="KMDF""#);
    Ok(())
}

/// Sets the driver model for a driver. The real function also passes arguments to the linker.
///
/// # Errors
///
/// None.
pub fn configure_wdk_binary_build() -> Result<(), ConfigError> {
    configure_wdk_library_build()
}
