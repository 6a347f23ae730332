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

#[test]
fn every_defect_has_its_message() {
    assert_eq!(with(0, b"MZ"), "accepted");
    let cases: [(usize, &[u8], &str); 16] = [
        (0, b"ELF", "this is not a 64-bit PE image"),
        (FILE, &[0x64, 0xAA], "the machine type 0xaa64; this host runs images for x64 (0x8664)"),
        (FILE + 18, &[0x20], "was not linked"),
        (FILE + 18, &[0x23], "has no relocations: link it without /FIXED"),
        (
            OPTIONAL + 68,
            &[3],
            "for the subsystem 3, not for the kernel: link it with /SUBSYSTEM:NATIVE",
        ),
        (OPTIONAL + 32, &[0, 2], "aligned to 512 bytes, a multiple of 4096 is required"),
        (OPTIONAL + 56, &[0xFF; 4], "the image has 4294967295 bytes in memory"),
        (OPTIONAL + 60, &[0xFF; 4], "its headers have 4294967295 bytes"),
        (OPTIONAL + 16, &[0, 0x30], "its entry point 0x3000 is in no executable section"),
        (DIRECTORIES + 9 * 8, &[0, 0x20, 0, 0, 40], "has thread-local storage"),
        (DIRECTORIES + 13 * 8, &[0, 0x20, 0, 0, 64], "delays imports"),
        (DIRECTORIES + 8, &[0, 0xFF, 0xFF], "a directory is at 0xffff00"),
        (SECTION + 12, &[0, 0], "its section .text"),
        (SECTION + 20, &[0, 0, 0xFF], "of the file, which ends before it"),
        (0x4008, &[0xFF, 0x2F], "a relocation has the type 2"),
        (0x4000, &[0, 0xF0], "a relocation is at 0xf"),
    ];
    for (offset, bytes, expected) in cases {
        let message = with(offset, bytes);
        assert!(message.contains(expected), "at {offset:#x}: {message}");
    }
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
