//! Self-relative security descriptors: any bytes.
//!
//! `CachedSecurityDescriptor::from_bytes` must accept whole descriptors only. The check here follows the layout in
//! [MS-DTYP], 2.4.6, and shares no code with `wsk`.

use wsk::security::CachedSecurityDescriptor;

/// The size of `SECURITY_DESCRIPTOR_RELATIVE`.
const HEADER: usize = 20;

/// Runs the target.
///
/// # Panics
///
/// If a descriptor is accepted that the kernel could not read.
pub fn run(data: &[u8]) {
    super::with_provider(|_, wsk| {
        if CachedSecurityDescriptor::from_bytes(wsk, data).is_ok() {
            assert_is_whole(data);
        }
    });
}

fn assert_is_whole(data: &[u8]) {
    assert!(data.len() >= HEADER, "the header is cut off");
    assert_eq!(data[0], 1, "the revision");
    let control = u16::from_le_bytes([data[2], data[3]]);
    assert_ne!(control & 0x8000, 0, "it is not self-relative");
    let offset =
        |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().expect("four bytes")) as usize;
    for owner_or_group in [offset(4), offset(8)] {
        assert!(owner_or_group >= HEADER, "a SID is inside the header");
        assert_is_sid(&data[owner_or_group..]);
    }
    for (at, bit) in [(12, 0x10), (16, 0x04)] {
        if control & bit != 0 && offset(at) != 0 {
            assert!(offset(at) >= HEADER, "an ACL is inside the header");
            assert_is_acl(&data[offset(at)..]);
        }
    }
}

fn assert_is_sid(bytes: &[u8]) {
    assert_eq!(bytes[0], 1, "the revision of a SID");
    assert!(bytes[1] <= 15, "the number of subauthorities");
    assert!(8 + 4 * usize::from(bytes[1]) <= bytes.len(), "a SID is cut off");
}

fn assert_is_acl(bytes: &[u8]) {
    let size = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
    assert!((8..=bytes.len()).contains(&size), "an ACL is cut off");
    let mut rest = &bytes[8..size];
    for _ in 0..u16::from_le_bytes([bytes[4], bytes[5]]) {
        let size = usize::from(u16::from_le_bytes([rest[2], rest[3]]));
        // The header of an ACE, an access mask, and a SID.
        assert!((16..=rest.len()).contains(&size), "an ACE is cut off");
        assert_is_sid(&rest[8..size]);
        rest = &rest[size..];
    }
}
