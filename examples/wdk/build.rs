//! As wdk-build asks of every driver: the libraries and the linker's options.

fn main() -> Result<(), wdk_build::ConfigError> {
    wdk_build::configure_wdk_binary_build()
}
