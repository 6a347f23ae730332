//! A crash of Wine itself, which the driver does not cause.
//!
//! When a socket is closed, Wine 8's netio.sys cancels the pending requests, disarms the waits of its thread
//! pool, waits for their callbacks, and completes the rest. The thread that waits for the pool may by
//! then have been woken, and submit its callback after all. The callback no longer finds an IRP, and writes to the
//! field at 0x38 of a null pointer, in `dispatch_pending_io`. The driver has done nothing but close a
//! socket with a request in flight, which is allowed (INV-45).

use std::fs;
use std::ops::Range;
use std::path::Path;

use object::read::pe::{ImageNtHeaders as _, ImageOptionalHeader as _, PeFile64};

/// Where this is explained.
pub const WHERE: &str = "cargo-wsk/src/wine/netio.rs";

const IMAGE: &str = "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/netio.sys";

/// Whether a line of the log is that crash.
#[must_use]
pub fn is_late_callback(line: &str) -> bool {
    image().is_some_and(|image| is_fault_in(line, &image))
}

fn is_fault_in(line: &str, image: &Range<u64>) -> bool {
    let fault = "page fault on write access to 0000000000000038 at address ";
    line.split_once(fault)
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .and_then(|address| u64::from_str_radix(address, 16).ok())
        .is_some_and(|address| image.contains(&address))
}

/// The addresses of Wine's netio.sys, which is loaded at its preferred address.
fn image() -> Option<Range<u64>> {
    let data = fs::read(Path::new(IMAGE)).ok()?;
    let file = PeFile64::parse(&*data).ok()?;
    let header = file.nt_headers().optional_header();
    let base = header.image_base();
    Some(base..base + u64::from(header.size_of_image()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_fault_in_this_image_is_wines() {
        let image = 0x1_D826_0000..0x1_D828_0000;
        let line = |access: &str, address: &str| {
            format!("wine: Unhandled page fault on {access} at address {address} (thread 0268), …")
        };
        let write = "write access to 0000000000000038";
        assert!(is_fault_in(&line(write, "00000001D826436E"), &image));
        assert!(!is_fault_in(&line(write, "000000018000436E"), &image), "the driver's own");
        assert!(!is_fault_in(&line("read access to 0000000000000038", "00000001D826436E"), &image));
        assert!(!is_fault_in(
            &line("write access to 0000000000000000", "00000001D826436E"),
            &image
        ));
        assert!(!is_fault_in("echo: serving on port 7", &image));
    }
}
