//! The start of a connection: the server describes the export.

use wsk::{Buffer, TcpStream};

use crate::error::{Error, Result};
use crate::protocol::{
    FIXED_NEWSTYLE, GREETING, INFO_BLOCK_SIZE, INFO_EXPORT, NO_ZEROES, OPTION, OPTION_EXPORT_NAME,
    OPTION_GO, OPTION_REPLY, READ_ONLY, REPLY_ACK, REPLY_INFO, REPLY_UNSUPPORTED,
};

/// The name of an export.
pub type ExportName = heapless::String<128>;

/// A disk of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its size in bytes.
    pub size: u64,
    /// The maximum length of a read or write in bytes.
    pub longest: u32,
    /// The size of a block in bytes: offsets and lengths are multiples of it.
    pub block: u32,
    pub(crate) flags: u16,
}

/// The maximum length of a request if the server names none, by the protocol.
const LONGEST: u32 = 32 << 20;

/// The most that this client sends in one request, whatever the server says.
const MOST_LONGEST: u32 = 1 << 30;

/// The most bytes of an option's reply, and the most replies, that are read: a server's texts are short.
const MOST: (usize, u32) = (4096, 64);

impl Export {
    /// Whether it cannot be written to.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.has(READ_ONLY)
    }

    pub(crate) const fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// Asks the server for an export. Afterwards, requests can be sent.
pub(crate) async fn negotiate(stream: &TcpStream, name: &str) -> Result<Export> {
    if u64::from_be_bytes(read(stream).await?) != GREETING
        || u64::from_be_bytes(read(stream).await?) != OPTION
    {
        return Err(Error::NotNbd);
    }
    let flags = u16::from_be_bytes(read(stream).await?) & (FIXED_NEWSTYLE | NO_ZEROES);
    if flags & FIXED_NEWSTYLE == 0 {
        return Err(Error::NotNbd);
    }
    write(stream, &[&u32::from(flags).to_be_bytes()]).await?;
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    let (magic, go) = (&OPTION.to_be_bytes(), &OPTION_GO.to_be_bytes());
    let (size, of_name) = ((length + 8).to_be_bytes(), length.to_be_bytes());
    let asked = [1_u16.to_be_bytes(), INFO_BLOCK_SIZE.to_be_bytes()];
    write(stream, &[magic, go, &size, &of_name, name.as_bytes(), &asked[0], &asked[1]]).await?;
    if let Some(export) = answer(stream).await? {
        return Ok(export);
    }
    // An older server.
    let option = OPTION_EXPORT_NAME.to_be_bytes();
    write(stream, &[magic, &option, &of_name, name.as_bytes()]).await?;
    let size = u64::from_be_bytes(read(stream).await?);
    let of_export = u16::from_be_bytes(read(stream).await?);
    if flags & NO_ZEROES == 0 {
        skip(stream, 124).await?;
    }
    Ok(Export { size, longest: LONGEST, block: 1, flags: of_export })
}

/// The export that the server describes, or none if it does not know the option.
async fn answer(stream: &TcpStream) -> Result<Option<Export>> {
    let mut export = None;
    let (mut block, mut longest) = (1, LONGEST);
    for _ in 0..MOST.1 {
        let magic = u64::from_be_bytes(read(stream).await?);
        let option = u32::from_be_bytes(read(stream).await?);
        if magic != OPTION_REPLY || option != OPTION_GO {
            return Err(Error::Unexpected("something else than a reply to the option"));
        }
        let reply = u32::from_be_bytes(read(stream).await?);
        let mut rest = u32::from_be_bytes(read(stream).await?) as usize;
        if rest > MOST.0 {
            return Err(Error::Unexpected("a reply that is too long"));
        }
        if reply == REPLY_INFO && rest >= 2 {
            let info = u16::from_be_bytes(read(stream).await?);
            rest -= 2;
            if info == INFO_EXPORT && rest >= 10 {
                let size = u64::from_be_bytes(read(stream).await?);
                export = Some((size, u16::from_be_bytes(read(stream).await?)));
                rest -= 10;
            } else if info == INFO_BLOCK_SIZE && rest >= 12 {
                block = u32::from_be_bytes(read(stream).await?).max(1);
                let _best: [u8; 4] = read(stream).await?;
                longest = u32::from_be_bytes(read(stream).await?).min(MOST_LONGEST);
                rest -= 12;
            }
        }
        skip(stream, rest).await?;
        match (reply, export) {
            (REPLY_ACK, Some((size, flags))) => {
                return Ok(Some(Export { size, longest, block, flags }));
            }
            (REPLY_ACK, None) => return Err(Error::Unexpected("no size of the export")),
            (REPLY_UNSUPPORTED, _) => return Ok(None),
            (number, _) if number & (1 << 31) != 0 => return Err(Error::Refused(number)),
            _ => {}
        }
    }
    Err(Error::Unexpected("replies without an end"))
}

async fn read<const N: usize>(stream: &TcpStream) -> Result<[u8; N]> {
    let ((), bytes) = stream.recv_exact(Buffer::new(N)?).await.into_result()?;
    // All of them have been received.
    Ok(bytes.first_chunk().copied().unwrap_or([0; N]))
}

async fn skip(stream: &TcpStream, length: usize) -> Result<()> {
    if length > 0 {
        stream.recv_exact(Buffer::new(length)?).await.into_result()?;
    }
    Ok(())
}

async fn write(stream: &TcpStream, parts: &[&[u8]]) -> Result<()> {
    let mut buffer = Buffer::new(parts.iter().map(|part| part.len()).sum())?;
    for (to, from) in buffer.iter_mut().zip(parts.iter().copied().flatten()) {
        *to = *from;
    }
    stream.send_all(buffer).await.into_result()?;
    Ok(())
}
