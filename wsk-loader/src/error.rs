//! The reasons why a driver is not loaded.

use std::fmt;
use std::path::PathBuf;

use wsk_sys::NTSTATUS;

use crate::image::ImageError;

/// The reason why a driver is not loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// The file is not an image that can be loaded.
    Image {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: ImageError,
    },
    /// The image imports functions or statics that the host, or the emulated Windows, does not have.
    MissingImports {
        /// The file.
        path: PathBuf,
        /// All missing imports, each as `library!name`, or as `library!#number` if it is imported by ordinal.
        imports: Vec<String>,
    },
    /// The system has no memory for the image.
    Memory(std::io::Error),
    /// `DriverEntry` has failed.
    Entry(NTSTATUS),
    /// Images are loaded on Linux on x64 and arm64 only.
    Unsupported,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Self::Image { path, error } => write!(f, "cannot load {}: {error}", path.display()),
            Self::MissingImports { path, imports } => {
                write!(f, "cannot load {}: the host does not have", path.display())?;
                for import in imports {
                    write!(f, "\n  {import}")?;
                }
                if imports.iter().any(|import| import.contains("!#")) {
                    f.write_str(
                        "\nImports by number (#) are never found, because a function has other numbers in other builds \
                         of Windows: import it by name.",
                    )?;
                }
                Ok(())
            }
            Self::Memory(error) => write!(f, "the system has no memory for the image: {error}"),
            Self::Entry(status) => {
                let status = u32::from_ne_bytes(status.to_ne_bytes());
                write!(f, "DriverEntry has failed with the status 0x{status:08X}")
            }
            Self::Unsupported => f.write_str("images are loaded on Linux on x64 and arm64 only"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { error, .. } | Self::Memory(error) => Some(error),
            Self::Image { error, .. } => Some(error),
            _ => None,
        }
    }
}
