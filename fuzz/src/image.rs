//! Images of drivers: any file, and any tables in an image whose headers are right.
//!
//! The first byte decides. `Image::parse` reads everything that the loader uses before it maps an image.

use wsk_loader::Image;

/// The size of a page, and of the headers.
const PAGE: usize = 4096;

/// Runs the target.
///
/// # Panics
///
/// If a damaged image is refused without a message, or with one of several lines.
pub fn run(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    let parsed = if kind == b'M' { Image::parse(data) } else { Image::parse(&with_tables(rest)) };
    if let Err(error) = parsed {
        let message = error.to_string();
        assert!(!message.is_empty() && !message.contains('\n'), "{message:?}");
    }
}

/// An image of one section, which begins with the bytes. Each table begins there.
fn with_tables(tables: &[u8]) -> Vec<u8> {
    /// The tables of imports, functions, relocations and the load configuration.
    const DIRECTORIES: [usize; 4] = [1, 3, 5, 10];
    let tables = &tables[..tables.len().min(PAGE)];
    let mut image = vec![0; 2 * PAGE];
    let mut put = |offset: usize, bytes: &[u8]| {
        image[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    let page = u32::try_from(PAGE).unwrap_or(u32::MAX).to_le_bytes();
    let two_pages = u32::try_from(2 * PAGE).unwrap_or(u32::MAX).to_le_bytes();
    put(0, b"MZ");
    put(60, &[64]);
    put(64, b"PE\0\0");
    put(68, &[0x64, 0x86, 1]);
    put(84, &[240, 0, 0x22]);
    put(88, &[0x0B, 0x02]);
    // The entry point, the alignments, the sizes of the image and of its headers, the subsystem.
    put(88 + 16, &page);
    put(88 + 32, &page);
    put(88 + 36, &page);
    put(88 + 56, &two_pages);
    put(88 + 60, &page);
    put(88 + 68, &[1]);
    put(88 + 108, &[16]);
    for directory in DIRECTORIES {
        put(88 + 112 + 8 * directory, &page);
        put(88 + 112 + 8 * directory + 4, &u32::try_from(tables.len()).unwrap_or(0).to_le_bytes());
    }
    // The section's sizes and places, and its access.
    for field in [8, 12, 16, 20] {
        put(88 + 240 + field, &page);
    }
    put(88 + 240 + 36, &[0x20, 0, 0, 0x60]);
    put(PAGE, tables);
    image
}
