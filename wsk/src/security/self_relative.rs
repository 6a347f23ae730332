//! Validates self-relative security descriptors.
//!
//! The layout is `SECURITY_DESCRIPTOR_RELATIVE` and its parts. A descriptor from a program or a file may have any contents,
//! and the kernel relies on a well-formed one.
//! [Microsoft's page](https://learn.microsoft.com/openspecs/windows_protocols/ms-dtyp/7d4dac05-9cef-4563-a058-f108abecce1d).

/// `SE_SELF_RELATIVE` in the control word.
const SELF_RELATIVE: u16 = 0x8000;
/// The size of the header, which the parts follow.
const HEADER: usize = 20;
const HAS_DISCRETIONARY_LIST: u16 = 0x0004;
const HAS_SYSTEM_LIST: u16 = 0x0010;

/// Whether the bytes are a self-relative security descriptor with an owner and a group, whose lists, if any, have only
/// entries of the four basic kinds.
pub(super) fn is_valid(descriptor: &[u8]) -> bool {
    check(descriptor).is_some()
}

/// `None` if the descriptor is invalid.
fn check(descriptor: &[u8]) -> Option<()> {
    let [revision, _] = *chunk(descriptor, 0)?;
    let control = u16::from_le_bytes(*chunk(descriptor, 2)?);
    (revision == 1 && control & SELF_RELATIVE != 0).then_some(())?;
    // An access check needs an owner and a group.
    for at in [4, 8] {
        sid(part(descriptor, offset(descriptor, at)?)?)?;
    }
    for (at, bit) in [(12, HAS_SYSTEM_LIST), (16, HAS_DISCRETIONARY_LIST)] {
        let offset = offset(descriptor, at)?;
        // A present list may be null, which grants all access.
        if offset != 0 && control & bit != 0 {
            entries(part(descriptor, offset)?)?;
        }
    }
    Some(())
}

/// Reads the offset of a part; zero if the part is missing.
fn offset(descriptor: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*chunk(descriptor, at)?)).ok()
}

/// The bytes from the part at `offset` on. None if the offset is not aligned, or inside the header.
fn part(descriptor: &[u8], offset: usize) -> Option<&[u8]> {
    let is_part = offset >= HEADER && offset % 4 == 0;
    is_part.then(|| descriptor.get(offset..)).flatten()
}

/// Checks the security identifier at the start of the bytes, and returns its length.
fn sid(bytes: &[u8]) -> Option<usize> {
    let [revision, count] = *chunk(bytes, 0)?;
    let size = 8 + 4 * usize::from(count);
    (revision == 1 && count <= 15 && size <= bytes.len()).then_some(size)
}

/// Checks the list at the start of the bytes, and its entries.
fn entries(list: &[u8]) -> Option<()> {
    let [revision, _] = *chunk(list, 0)?;
    let size = usize::from(u16::from_le_bytes(*chunk(list, 2)?));
    let count = u16::from_le_bytes(*chunk(list, 4)?);
    let is_list = (2..=4).contains(&revision) && size % 4 == 0;
    let mut rest = is_list.then(|| list.get(8..size)).flatten()?;
    for _ in 0..count {
        rest = entry(rest)?;
    }
    Some(())
}

/// Checks an entry, and returns the bytes after it.
fn entry(bytes: &[u8]) -> Option<&[u8]> {
    /// Access-allowed, access-denied, audit and mandatory-label entries: each an access mask and a security identifier.
    const PLAIN: [u8; 4] = [0, 1, 2, 0x11];
    let [kind, _] = *chunk(bytes, 0)?;
    let size = usize::from(u16::from_le_bytes(*chunk(bytes, 2)?));
    let (entry, rest) = bytes.split_at_checked(size)?;
    (PLAIN.contains(&kind) && size % 4 == 0).then_some(())?;
    sid(entry.get(8..)?)?;
    Some(rest)
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// The owner and the group are the system, and everyone has full access.
    const EVERYBODY: [u8; 72] = [
        1, 0, 0x04, 0x80, 20, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0, //
        1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, //
        1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, //
        2, 0, 28, 0, 1, 0, 0, 0, //
        0, 0, 20, 0, 0, 0, 0, 0x10, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
    ];

    fn with(changes: &[(usize, u8)]) -> Vec<u8> {
        let mut bytes = EVERYBODY.to_vec();
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        bytes
    }

    #[test]
    fn a_complete_descriptor_is_valid() {
        assert!(is_valid(&EVERYBODY));
        // Further bytes may follow.
        assert!(is_valid(&[&EVERYBODY[..], &[7; 9]].concat()));
        // No list, an empty list, and a list whose control bit is clear.
        assert!(is_valid(&with(&[(16, 0)])));
        assert!(is_valid(&with(&[(46, 8), (48, 0)])));
        assert!(is_valid(&with(&[(2, 0), (44, 9)])));
        // The other kinds, and other revisions of the list.
        for kind in [1, 2, 0x11] {
            assert!(is_valid(&with(&[(52, kind)])));
        }
        assert!(is_valid(&with(&[(44, 4)])));
        // The same list as the one the system builds.
        assert!(is_valid(&with(&[(2, 0x14), (12, 44)])));
    }

    #[test]
    fn a_truncated_descriptor_is_refused() {
        for length in 0..EVERYBODY.len() {
            assert!(!is_valid(&EVERYBODY[..length]), "{length} bytes");
        }
    }

    #[test]
    fn a_damaged_descriptor_is_refused() {
        for (why, changes) in [
            ("its revision", &[(0, 2)][..]),
            ("in several pieces", &[(3, 0)]),
            ("no owner", &[(4, 0)]),
            ("no group", &[(8, 0)]),
            ("an owner that is not aligned", &[(4, 21)]),
            ("an owner beyond it", &[(4, 72)]),
            ("an owner far beyond it", &[(7, 0xff)]),
            ("the owner's revision", &[(20, 2)]),
            ("more than the owner can have", &[(21, 16)]),
            ("more of the owner than there is", &[(21, 13)]),
            ("the list's revision", &[(44, 1)]),
            ("the list's revision", &[(44, 5)]),
            ("a list that is longer than there is", &[(46, 32)]),
            ("a list that is not aligned", &[(46, 27)]),
            ("a list without its own beginning", &[(46, 4)]),
            ("more entries than there are", &[(48, 2)]),
            ("an entry that is longer than its list", &[(54, 24)]),
            ("an entry without whom it is about", &[(54, 8), (46, 16)]),
            ("an entry that is not aligned", &[(54, 19)]),
            ("an entry of no length", &[(54, 0)]),
            ("another kind of entry", &[(52, 5)]),
            ("another kind of entry", &[(52, 0x12)]),
            ("more of whom it is about than there is", &[(61, 2)]),
            ("the system's list", &[(2, 0x10), (12, 72)]),
        ] {
            assert!(!is_valid(&with(changes)), "{why}: {changes:?}");
        }
    }

    /// The kernel would read the owner's bytes as offsets, and the other way round.
    #[test]
    fn a_part_inside_the_header_is_refused() {
        let owner_and_group_at_12 =
            [1, 0, 0, 0x80, 12, 0, 0, 0, 12, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
        assert!(!is_valid(&owner_and_group_at_12));
        for at in [4, 8, 16] {
            for offset in [4, 8, 12, 16] {
                assert!(!is_valid(&with(&[(at, offset)])), "the part of offset {at} at {offset}");
            }
        }
    }

    /// The group is the last part, and loses bytes at its end.
    #[test]
    fn a_sid_cut_off_at_the_end_is_refused() {
        let without_lists = &with(&[(2, 0), (16, 0)])[..44];
        assert!(is_valid(without_lists));
        for length in 32..44 {
            assert!(!is_valid(&without_lists[..length]), "{length} bytes");
        }
        // One more subauthority than there are bytes for.
        let mut longer = without_lists.to_vec();
        longer[33] = 2;
        assert!(!is_valid(&longer));
    }

    /// No read is out of bounds, whatever the bytes.
    #[test]
    fn no_byte_is_trusted() {
        let mut state = 1_u32;
        for _ in 0..if cfg!(miri) { 100 } else { 100_000 } {
            let mut bytes = EVERYBODY;
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let [.., at, byte] = state.to_be_bytes();
                bytes[usize::from(at) % EVERYBODY.len()] = byte ^ state.to_be_bytes()[0];
            }
            let _ = is_valid(&bytes);
        }
    }
}
