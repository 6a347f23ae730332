//! Damaged images: each is refused with one message, or is an image all the same.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "images/sample.rs"]
mod sample;

use sample::EntryAction;
use wsk_loader::{Image, ImageError};

/// Reads an image. A message about a damaged one is one line.
fn parse(bytes: &[u8]) -> Result<Image, ImageError> {
    let parsed = Image::parse(bytes);
    if let Err(error) = &parsed {
        let message = error.to_string();
        assert!(!message.is_empty() && !message.contains('\n'), "{message:?}");
    }
    parsed
}

/// Overwrites bytes of the sample.
fn with(offset: usize, bytes: &[u8]) -> String {
    let mut image = sample::with_mode(EntryAction::Checks);
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
    parse(&image).err().map_or_else(|| "accepted".to_owned(), |error| error.to_string())
}

/// The offsets of fields: the headers of the file, the optional header, directories, the first section.
const FILE: usize = 68;
const OPTIONAL: usize = 88;
const DIRECTORIES: usize = OPTIONAL + 112;
const SECTION: usize = OPTIONAL + 240;

/// Defects of a category: the offset of the bytes that are overwritten, the bytes, and a part of the message.
type Defects<'a> = &'a [(usize, &'a [u8], &'a str)];

/// Asserts that each defect has its message.
#[track_caller]
fn refused(defects: Defects<'_>) {
    for (offset, bytes, expected) in defects {
        let message = with(*offset, bytes);
        assert!(message.contains(expected), "{bytes:02X?} at {offset:#x}: {message}");
    }
}

#[test]
fn the_sample_is_accepted() {
    assert_eq!(with(0, b"MZ"), "accepted");
}

#[test]
fn wrong_headers_are_refused() {
    refused(&[
        (0, b"ELF", "this is not a 64-bit PE image"),
        (60, &[0xFF; 4], "this is not a 64-bit PE image"),
        (60, &[0, 0x50], "this is not a 64-bit PE image"),
        (64, b"NE", "this is not a 64-bit PE image"),
        (FILE, &[0x64, 0xAA], "the machine type 0xaa64; this host runs images for x64 (0x8664)"),
        (FILE, &[0x4C, 0x01], "the machine type 0x014c; this host runs images for x64 (0x8664)"),
        (FILE + 2, &[0xFF, 0xFF], "this is not a 64-bit PE image"),
        (FILE + 16, &[0, 0], "this is not a 64-bit PE image"),
        (FILE + 18, &[0x20], "was not linked"),
        (FILE + 18, &[0x23], "has no relocations: link it without /FIXED"),
        (OPTIONAL, &[0x0B, 0x01], "this is not a 64-bit PE image"),
        (
            OPTIONAL + 68,
            &[3],
            "for the subsystem 3, not for the kernel: link it with /SUBSYSTEM:NATIVE",
        ),
        (OPTIONAL + 108, &[0xFF; 4], "this is not a 64-bit PE image"),
        (DIRECTORIES + 9 * 8, &[0, 0x20, 0, 0, 40], "has thread-local storage"),
        (DIRECTORIES + 13 * 8, &[0, 0x20, 0, 0, 64], "delays imports"),
        (DIRECTORIES + 8, &[0, 0xFF, 0xFF], "a directory is at 0xffff00"),
        (DIRECTORIES + 3 * 8, &[0xFF; 8], "a directory is at 0xffffffff"),
        (DIRECTORIES + 10 * 8 + 4, &[0xFF; 4], "a directory is at"),
    ]);
}

#[test]
fn wrong_sizes_and_alignments_are_refused() {
    refused(&[
        (OPTIONAL + 32, &[0, 2], "aligned to 512 bytes, a multiple of 4096 is required"),
        (OPTIONAL + 32, &[0, 0], "aligned to 0 bytes, a multiple of 4096 is required"),
        (OPTIONAL + 32, &[0, 0x30], "aligned to 12288 bytes, a multiple of 4096 is required"),
        (OPTIONAL + 56, &[0; 4], "the image has 0 bytes in memory"),
        (OPTIONAL + 56, &[0xFF; 4], "the image has 4294967295 bytes in memory"),
        (OPTIONAL + 56, &[1, 0, 0, 0x10], "the image has 268435457 bytes in memory"),
        (OPTIONAL + 56, &[0, 0x10], "its section .text is at"),
        (OPTIONAL + 60, &[0xFF; 4], "its headers have 4294967295 bytes"),
        (OPTIONAL + 60, &[1, 0x50], "its headers have 20481 bytes"),
        (OPTIONAL + 16, &[0; 4], "its entry point 0x0 is in no executable section"),
        (OPTIONAL + 16, &[0, 0x30], "its entry point 0x3000 is in no executable section"),
        (OPTIONAL + 16, &[0, 0x50], "its entry point 0x5000 is in no executable section"),
        (OPTIONAL + 16, &[0xFF; 4], "its entry point 0xffffffff is in no executable section"),
    ]);
}

#[test]
fn sections_that_overlap_or_are_outside_are_refused() {
    refused(&[
        (SECTION + 12, &[0, 0], "its section .text is at 0x0"),
        (SECTION + 12, &[0, 0x18], "its section .text is at 0x1800"),
        (SECTION + 12, &[0xFF; 4], "its section .text is at 0xffffffff"),
        (SECTION + 12, &[0, 0x50], "its section .text is at 0x5000"),
        (SECTION + 8, &[0xFF; 4], "its section .text is at 0x1000"),
        (SECTION + 8, &[1, 0x10], "its section .rdata is at 0x2000"),
        (SECTION + 40 + 12, &[0, 0x10], "its section .rdata is at 0x1000"),
        (SECTION + 40 + 12, &[0, 0x30], "its section .data is at 0x3000"),
        (SECTION + 120 + 8, &[1, 0x10], "its section .reloc is at 0x4000"),
        (SECTION + 20, &[0, 0, 0xFF], "of the file, which ends before it"),
        (SECTION + 20, &[0xFF; 4], "of the file, which ends before it"),
    ]);
}

#[test]
fn wrong_relocations_are_refused() {
    refused(&[
        (0x4000, &[0, 0xF0], "a relocation is at 0xf"),
        (0x4000, &[0xFF; 4], "a block of relocations is at 0xffffffff"),
        (0x4004, &[0; 4], "the image is damaged"),
        (0x4004, &[7], "the image is damaged"),
        (0x4004, &[0xFF; 4], "the image is damaged"),
        (0x4008, &[0xFF, 0x2F], "a relocation has the type 2"),
        (0x4008, &[0, 0x30], "a relocation has the type 3"),
        // The last word of the image begins 8 bytes before its end.
        (0x4000, &[0, 0x40, 0, 0, 12, 0, 0, 0, 0xF9, 0xAF], "a relocation is at 0x4ff9"),
    ]);
}

#[test]
fn wrong_import_tables_are_refused() {
    /// The descriptor of the only library: its name, the pointers to its functions, and the end of the table.
    const IMPORTS: usize = 0x2000;
    let slots = u32::from_le_bytes(sample::bytes()[IMPORTS + 16..IMPORTS + 20].try_into().unwrap());
    let first_slot = usize::try_from(slots).unwrap();
    refused(&[
        (DIRECTORIES + 8, &[0xF0, 0x4F, 0, 0, 16], "the image is damaged"),
        (IMPORTS + 12, &[0xFF; 4], "the image is damaged"),
        // The library's name is the empty end of the page.
        (IMPORTS + 12, &[0xFF, 0x2F], "a name in its import table is no text"),
        // It is the descriptor itself.
        (IMPORTS + 12, &[0, 0x20, 0, 0], "a name in its import table is no text"),
        (IMPORTS + 16, &[0xFF; 4], "the image is damaged"),
        // The names are the descriptor itself, or the names of names.
        (IMPORTS, &[0, 0x20, 0, 0], "the image is damaged"),
        (first_slot, &slots.to_le_bytes(), "the image is damaged"),
        (first_slot, &[0xFF, 0xFF, 0xFF, 0x7F], "the image is damaged"),
        // Another descriptor instead of the end: of the same functions, and of none behind it.
        (IMPORTS + 20 + 12, &[0xFF; 4], "the image is damaged"),
    ]);
}

#[test]
fn an_image_that_is_cut_off_anywhere_is_refused() {
    let image = sample::bytes();
    for length in (0..image.len()).step_by(61) {
        assert!(parse(&image[..length]).is_err(), "{length} bytes are accepted");
    }
}

#[test]
fn changed_bytes_never_panic() {
    let image = sample::bytes();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        usize::try_from(state >> 33).unwrap() % below
    };
    let values = [0, 1, 0x7F, 0x80, 0xFF];
    let mut refused = 0;
    for _ in 0..2_000 {
        let mut changed = image.clone();
        for _ in 0..=random(4) {
            // The headers, the tables, and the relocations.
            let start = [0, 0x2000, 0x4000][random(3)];
            changed[start + random(512)] = values[random(values.len())];
        }
        refused += usize::from(parse(&changed).is_err());
    }
    assert!((100..1_900).contains(&refused), "{refused} of 2,000 were refused");
}
