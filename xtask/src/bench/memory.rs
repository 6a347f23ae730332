//! The pool that an idle connection of an echo driver takes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::project;

/// The size of the buffer that each of the drivers has for a connection.
const BUFFER: u64 = 64 * 1024;

/// What an idle connection takes besides its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionMemory {
    pub(crate) bytes: u64,
    /// With that of the buffer.
    pub(crate) allocations: u64,
}

impl ConnectionMemory {
    /// Runs the image of an echo driver on a host, with connections to it.
    pub(super) fn of(shell: &Shell, image: &Path) -> Result<Self> {
        let program = build(shell)?;
        let printed = cmd!(shell, "{program} {image}").quiet().ignore_stderr().read()?;
        Self::parse(&printed).with_context(|| format!("the example `idle` printed: {printed}"))
    }

    fn parse(printed: &str) -> Option<Self> {
        let each = printed.lines().find_map(|line| line.strip_prefix("one idle connection: "))?;
        let (bytes, allocations) = each.strip_suffix(" allocations")?.split_once(" bytes in ")?;
        let bytes: u64 = bytes.parse().ok()?;
        Some(Self { bytes: bytes.checked_sub(BUFFER)?, allocations: allocations.parse().ok()? })
    }
}

fn build(shell: &Shell) -> Result<PathBuf> {
    cmd!(shell, "cargo build --quiet --package wsk-loader --example idle").run()?;
    Ok(project::target()?.join("debug/examples/idle"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_does_not_count() {
        let printed =
            "echo: serving on port 7\none idle connection: 65546 bytes in 2 allocations\n";
        let expected = ConnectionMemory { bytes: 10, allocations: 2 };
        assert_eq!(ConnectionMemory::parse(printed), Some(expected));
        assert_eq!(ConnectionMemory::parse("one idle connection: 7 bytes in 2 allocations"), None);
    }
}
