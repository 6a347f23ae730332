//! Passes the libraries and linker arguments of wdk-build.

fn main() -> Result<(), wdk_build::ConfigError> {
    wdk_build::configure_wdk_binary_build()
}
