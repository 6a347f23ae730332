//! Runs the image of a Windows driver, the `.sys` that ships, in this process, on [`wsk_host`].
//!
//! `wsk-host` runs a driver's source, compiled for the machine. This crate runs the image that the linker made for
//! Windows: it maps the image, relocates it, binds its imports to the host, and calls `DriverEntry`. Everything that
//! the host offers to a linked client works for the image: the networks, seeds, versions of Windows, faults, and the
//! verifier.
//!
//! ```no_run
//! use wsk_host::{Config, Host};
//! use wsk_loader::Driver;
//!
//! let host = Host::new(Config::real());
//! let _entered = host.enter();
//! // SAFETY: the driver is this project's own; it runs with the rights of this process.
//! let driver = unsafe { Driver::load("target/driver/x64/release/echo.sys") }?;
//! // Programs of this machine are now served.
//! driver.unload();
//! # Ok::<(), wsk_loader::LoadError>(())
//! ```
//!
//! # Images
//!
//! 64-bit images with relocations, for x64 or, in a process on arm64, for arm64, as rustc, clang, gcc and MSVC link them. Imports are from `ntoskrnl.exe`,
//! `hal.dll` and `netio.sys`, by name. All imports that the host lacks are listed before the image runs, and so are
//! imports by ordinal, because the ordinals of a function differ between builds of Windows. No page is writable and
//! executable.
//!
//! A report names a location as `echo.sys+0x1234`. If the linker has left `echo.pdb` beside the image, it adds the name
//! of the function, the source file and the line.
//!
//! Inline code that reads the kernel's registers and pages works: the IRQL in `cr8`, the current thread at `gs:[188h]`,
//! and the time and the version in `KUSER_SHARED_DATA`. Any other privileged instruction, a breakpoint, or an access to
//! memory that does not exist ends the process with a report that names the instruction and its place.
//!
//! # Limits
//!
//! - **It is not a sandbox.** The image runs with your rights, and can do what your programs can. Never load one that
//!   you do not trust.
//! - Linux on x64 and on arm64 only. Elsewhere [`Driver::load`] fails.
//! - On arm64, images run under the verifier, but nothing handles faults: a privileged instruction, a read of
//!   `KUSER_SHARED_DATA` or of the processor's data at `x18`, or an access to memory that does not exist ends the process by
//!   a signal, without a report. The backtrace in a report ends at the first function of an image. Pages have 4 KiB.
//! - Exceptions do not reach the driver's handlers: an exception ends the process with a report.
//! - With a seed, the host emulates one processor, so threads do not run at the same time. It has no interrupts:
//!   deferred procedure calls run when a thread calls the kernel.
//! - The registers of debugging and of performance counters, ports and other devices are not emulated.

#![deny(unsafe_code)]

mod driver;
mod error;
#[cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    allow(dead_code, reason = "other systems load no images")
)]
mod image;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod mapping;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod modules;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod symbols;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod trap;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod unwind;

pub use driver::{Driver, Options};
pub use error::LoadError;
pub use image::{Image, ImageError};
