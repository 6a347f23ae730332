//! The file: blocks of pcapng, which Wireshark reads.
//!
//! The format is that of the Internet draft "PCAP Now Generic (pcapng) Capture File Format".

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::kernel::schedule::Ticks;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const UNKNOWN_LENGTH: u64 = u64::MAX;
const ETHERNET: u16 = 1;

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const USER_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const TIME_RESOLUTION: u16 = 9;

/// Times are in units of 10^-7 seconds, as those of the kernel.
const RESOLUTION: u8 = 7;

/// A file with one section and one interface.
pub(super) struct PacketFile(File);

impl PacketFile {
    pub(super) fn create(path: &Path, comment: &str) -> io::Result<Self> {
        let mut header = Vec::new();
        header.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        header.extend(1_u16.to_le_bytes());
        header.extend(0_u16.to_le_bytes());
        header.extend(UNKNOWN_LENGTH.to_le_bytes());
        option(&mut header, COMMENT, comment.as_bytes());
        option(&mut header, USER_APPLICATION, b"wsk-host");
        option(&mut header, END_OF_OPTIONS, &[]);

        let mut interface = Vec::new();
        interface.extend(ETHERNET.to_le_bytes());
        interface.extend(0_u16.to_le_bytes());
        // Packets have any length.
        interface.extend(0_u32.to_le_bytes());
        option(&mut interface, INTERFACE_NAME, b"host");
        option(&mut interface, TIME_RESOLUTION, &[RESOLUTION]);
        option(&mut interface, END_OF_OPTIONS, &[]);

        let mut file = Self(File::create(path)?);
        file.block(SECTION_HEADER, &header)?;
        file.block(INTERFACE_DESCRIPTION, &interface)?;
        Ok(file)
    }

    /// Appends a packet. `time` is since the Unix epoch.
    pub(super) fn packet(&mut self, time: Ticks, frame: &[u8], comment: &str) -> io::Result<()> {
        let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let length = u32::try_from(frame.len()).map_err(too_long)?;
        let [low, high] = [time, time >> 32].map(u64::to_le_bytes);
        let mut body = Vec::with_capacity(frame.len() + comment.len() + 40);
        body.extend(0_u32.to_le_bytes());
        body.extend(&high[..4]);
        body.extend(&low[..4]);
        body.extend(length.to_le_bytes());
        body.extend(length.to_le_bytes());
        padded(&mut body, frame);
        option(&mut body, COMMENT, comment.as_bytes());
        option(&mut body, END_OF_OPTIONS, &[]);
        self.block(ENHANCED_PACKET, &body)
    }

    /// Each block is written in one call, so that the file of a process that was stopped ends with a whole block.
    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let length = u32::try_from(body.len() + 12).map_err(too_long)?.to_le_bytes();
        let mut block = Vec::with_capacity(body.len() + 12);
        block.extend(kind.to_le_bytes());
        block.extend(length);
        block.extend(body);
        block.extend(length);
        self.0.write_all(&block)
    }
}

/// Appends bytes, and zeros to the next multiple of four.
fn padded(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(bytes);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// Appends an option. One that is longer than the format allows is cut off.
fn option(to: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    to.extend(code.to_le_bytes());
    to.extend(length.to_le_bytes());
    padded(to, &value[..usize::from(length)]);
}
