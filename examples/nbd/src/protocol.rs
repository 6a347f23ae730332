//! The numbers and headers of the protocol. All are in network byte order.

use wsk::sys::{
    NTSTATUS, STATUS_ACCESS_DENIED, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED, STATUS_SUCCESS,
};

use crate::error::{Error, Result};

/// `NBDMAGIC`: the server's first bytes.
pub(crate) const GREETING: u64 = u64::from_be_bytes(*b"NBDMAGIC");
/// `IHAVEOPT`: a server that negotiates, and each option of a client.
pub(crate) const OPTION: u64 = u64::from_be_bytes(*b"IHAVEOPT");
pub(crate) const OPTION_REPLY: u64 = 0x0003_E889_0455_65A9;
const REQUEST: u32 = 0x2560_9513;
const SIMPLE_REPLY: u32 = 0x6744_6698;

/// Flags of the handshake: both sides know replies to options, and the server leaves out 124 zeroes.
pub(crate) const FIXED_NEWSTYLE: u16 = 1 << 0;
pub(crate) const NO_ZEROES: u16 = 1 << 1;

pub(crate) const OPTION_EXPORT_NAME: u32 = 1;
pub(crate) const OPTION_GO: u32 = 7;
pub(crate) const REPLY_ACK: u32 = 1;
pub(crate) const REPLY_INFO: u32 = 3;
pub(crate) const REPLY_UNSUPPORTED: u32 = 0x8000_0001;
pub(crate) const INFO_EXPORT: u16 = 0;
pub(crate) const INFO_BLOCK_SIZE: u16 = 3;

/// Flags of an export.
pub(crate) const READ_ONLY: u16 = 1 << 1;
pub(crate) const SEND_FLUSH: u16 = 1 << 2;
pub(crate) const SEND_FUA: u16 = 1 << 3;
pub(crate) const SEND_TRIM: u16 = 1 << 5;
pub(crate) const SEND_WRITE_ZEROES: u16 = 1 << 6;

/// The sizes of the headers in bytes.
pub(crate) const REQUEST_SIZE: usize = 28;
pub(crate) const REPLY_SIZE: usize = 16;

const fn ntstatus(bits: u32) -> NTSTATUS {
    NTSTATUS::from_ne_bytes(bits.to_ne_bytes())
}

// Statuses that `wsk-sys` lacks, since WSK has no use for them.
const STATUS_IO_DEVICE_ERROR: NTSTATUS = ntstatus(0xC000_0185);
const STATUS_DISK_FULL: NTSTATUS = ntstatus(0xC000_007F);
pub(crate) const STATUS_DEVICE_BUSY: NTSTATUS = ntstatus(0x8000_0011);
pub(crate) const STATUS_MEDIA_WRITE_PROTECTED: NTSTATUS = ntstatus(0xC000_00A2);

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Read,
    Write,
    Disconnect,
    Flush,
    Trim,
    WriteZeroes,
}

impl Command {
    const fn number(self) -> u16 {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Disconnect => 2,
            Self::Flush => 3,
            Self::Trim => 4,
            Self::WriteZeroes => 6,
        }
    }

    /// Whether it changes the disk.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Trim | Self::WriteZeroes)
    }
}

/// The fields of a request but for its data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) command: Command,
    /// Force unit access: the reply comes after the data is on the disk.
    pub(crate) fua: bool,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

impl Header {
    pub(crate) fn encode(self, cookie: u64) -> [u8; REQUEST_SIZE] {
        let Self { command, fua, offset, length } = self;
        let mut bytes = [0; REQUEST_SIZE];
        let fields: [&[u8]; 6] = [
            &REQUEST.to_be_bytes(),
            &u16::from(fua).to_be_bytes(),
            &command.number().to_be_bytes(),
            &cookie.to_be_bytes(),
            &offset.to_be_bytes(),
            &length.to_be_bytes(),
        ];
        for (to, from) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// Whether the order of the two matters: they overlap, and one of them changes the disk.
    pub(crate) fn conflicts_with(&self, other: &Self) -> bool {
        let end = |header: &Self| header.offset.saturating_add(header.length.into());
        let overlap = self.offset < end(other) && other.offset < end(self);
        overlap && (self.command.writes() || other.command.writes())
    }
}

/// The reply to a request: the error number and the request's cookie.
pub(crate) fn decode_reply(bytes: [u8; REPLY_SIZE]) -> Result<(u32, u64)> {
    let [m0, m1, m2, m3, e0, e1, e2, e3, cookie @ ..] = bytes;
    if u32::from_be_bytes([m0, m1, m2, m3]) != SIMPLE_REPLY {
        return Err(Error::Unexpected("a reply without its magic number"));
    }
    Ok((u32::from_be_bytes([e0, e1, e2, e3]), u64::from_be_bytes(cookie)))
}

/// The server is ending, and has not done the request.
pub(crate) const SHUTTING_DOWN: u32 = 108;

/// The status for an error number, which is that of Linux.
pub(crate) const fn status(error: u32) -> NTSTATUS {
    match error {
        0 => STATUS_SUCCESS,
        // EPERM
        1 => STATUS_ACCESS_DENIED,
        // ENOMEM
        12 => STATUS_INSUFFICIENT_RESOURCES,
        // EINVAL, EOVERFLOW
        22 | 75 => STATUS_INVALID_PARAMETER,
        // ENOSPC
        28 => STATUS_DISK_FULL,
        // ENOTSUP
        95 => STATUS_NOT_SUPPORTED,
        // EIO, and others
        _ => STATUS_IO_DEVICE_ERROR,
    }
}
