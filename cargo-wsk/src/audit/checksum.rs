//! The checksum of an image, as the system computes it when it loads a driver. `object` can only read it.

/// The checksum of an image: the one's complement sum of its 16-bit words, except the checksum field, plus the size of
/// the file. `None` if the headers are truncated.
pub(super) fn checksum(image: &[u8]) -> Option<u32> {
    /// The offset of the DOS header's field with the offset of the NT headers.
    const NT_HEADERS: usize = 0x3C;
    /// The signature, the file header, and the fields of the optional header before the checksum.
    const CHECKSUM: usize = 4 + 20 + 64;
    let headers = image.get(NT_HEADERS..)?.first_chunk().copied().map(u32::from_le_bytes)?;
    let field = usize::try_from(headers).ok()?.checked_add(CHECKSUM)?;
    image.get(field..field.checked_add(4)?)?;
    let mut sum = 0;
    for (index, bytes) in image.chunks(2).enumerate() {
        if (field..field + 4).contains(&(index * 2)) {
            continue;
        }
        let high = bytes.get(1).copied().unwrap_or_default();
        sum += u32::from(u16::from_le_bytes([bytes[0], high]));
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    Some(sum + u32::try_from(image.len()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::checksum;

    /// A file with headers at 0x40, and the checksum's field at 0x98.
    fn image(size: usize) -> Vec<u8> {
        let mut image = vec![0; size];
        image[0x3C] = 0x40;
        image
    }

    #[test]
    fn words_are_added_with_their_carry_and_the_size() {
        let mut image = image(0xA1);
        // The offset of the headers, and the size.
        assert_eq!(checksum(&image), Some(0x40 + 0xA1));
        // The checksum itself does not count.
        image[0x98..0x9C].fill(0xFF);
        assert_eq!(checksum(&image), Some(0x40 + 0xA1));
        // 0xFFFF + 0x40, whose carry is added as 1; and an odd last byte.
        image[0..2].fill(0xFF);
        image[0xA0] = 2;
        assert_eq!(checksum(&image), Some(0x40 + 2 + 0xA1));
    }

    #[test]
    fn headers_that_are_cut_off_have_none() {
        assert_eq!(checksum(&image(0x9B)), None);
        assert_eq!(checksum(&[0; 8]), None);
    }
}
