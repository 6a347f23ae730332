//! `KUSER_SHARED_DATA`: the page where inline functions read the time and the version of Windows.

use crate::kernel::Kernel;
use crate::kernel::ke::clock::INCREMENT;
use crate::kernel::ke::time::system_time;

/// The address of the page in a Windows kernel.
pub(crate) const ADDRESS: usize = 0xFFFF_F780_0000_0000;

/// The number of bytes of the page that are emulated.
pub(crate) const SIZE: usize = 0x330;

/// The current contents of the page.
pub(crate) fn contents() -> [u8; SIZE] {
    let kernel = Kernel::current();
    let windows = kernel.config().windows;
    let now = kernel.now();
    let mut page = [0; SIZE];
    let mut write = |offset: usize, bytes: &[u8]| {
        page[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    // A `KSYSTEM_TIME` is a number, and its upper half again.
    let mut time = |offset: usize, value: u64| {
        let bytes = value.to_le_bytes();
        write(offset, &bytes);
        write(offset + 8, &bytes[4..]);
    };
    time(0x08, now);
    time(0x14, system_time(&kernel).unsigned_abs());
    time(0x320, now / INCREMENT);
    let numbers = [
        // The milliseconds of a tick, in units of 2^-24.
        (0x04, u32::try_from((INCREMENT << 24) / 10_000).unwrap_or(u32::MAX)),
        (0x260, windows.build),
        (0x26C, windows.major),
        (0x270, windows.minor),
    ];
    for (offset, number) in numbers {
        write(offset, &number.to_le_bytes());
    }
    page
}
