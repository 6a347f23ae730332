//! Since which Windows there is what, as constants.
//!
//! An item that is newer than WSK itself has a constant of its name here; what has none is as old as Windows
//! Vista. [`lengths`] has the lengths of the provider's tables: what the *running* Windows has of a table,
//! whichever header a driver was compiled with.
//!
//! They are generated from what each release of the WDK has in its `wsk.h`, and from Microsoft's pages where
//! that does not say it: a gate in the header (`#if NTDDI_VERSION >= …`) first, and the first kit that has an
//! item next.
//!
//! ```
//! use wsk_sys::since::{self, Version, lengths};
//!
//! // Windows 7 resolves names, and does not send several datagrams at once.
//! let seven = Version::new(6, 1, 7601);
//! assert!(seven.is_at_least(since::PFN_WSK_GET_ADDRESS_INFO));
//! assert!(!seven.is_at_least(since::PFN_WSK_SEND_MESSAGES));
//!
//! let slot = std::mem::offset_of!(wsk_sys::WSK_PROVIDER_DATAGRAM_DISPATCH, WskSendMessages);
//! assert!(slot >= since::length(&lengths::WSK_PROVIDER_DATAGRAM_DISPATCH, seven));
//! ```

use crate::ULONG;
pub use crate::generated::since::*;

/// A release of Windows, by the numbers that [`RtlGetVersion`](crate::RtlGetVersion) gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The major version.
    pub major: ULONG,
    /// The minor version.
    pub minor: ULONG,
    /// The number of the build.
    pub build: ULONG,
}

impl Version {
    /// The release with these numbers.
    #[must_use]
    pub const fn new(major: ULONG, minor: ULONG, build: ULONG) -> Self {
        Self { major, minor, build }
    }

    /// Whether this release has what came with another.
    #[must_use]
    pub const fn is_at_least(self, other: Self) -> bool {
        if self.major != other.major {
            return self.major > other.major;
        }
        if self.minor != other.minor {
            return self.minor > other.minor;
        }
        self.build >= other.build
    }
}

/// How long a table is since a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// The first release that has it so long.
    pub since: Version,
    /// In bytes.
    pub bytes: usize,
}

/// How long a release has a table, in bytes: zero, if it does not have it at all.
#[must_use]
pub const fn length(lengths: &[Length], windows: Version) -> usize {
    let (mut bytes, mut at) = (0, 0);
    while at < lengths.len() && windows.is_at_least(lengths[at].since) {
        bytes = lengths[at].bytes;
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_compared_number_by_number() {
        let [vista, seven, ten] =
            [Version::new(6, 0, 6002), Version::new(6, 1, 7600), Version::new(10, 0, 10240)];
        for (older, newer) in [(vista, seven), (seven, ten), (vista, ten)] {
            assert!(newer.is_at_least(older) && newer > older);
            assert!(!older.is_at_least(newer) && older < newer);
        }
        assert!(seven.is_at_least(seven));
    }

    #[test]
    fn a_table_is_as_long_as_its_newest_slot() {
        let table = &lengths::WSK_PROVIDER_CONNECTION_DISPATCH;
        for (build, bytes) in [(10240, 80), (15062, 80), (15063, 88), (17133, 88), (26100, 104)] {
            assert_eq!(length(table, Version::new(10, 0, build)), bytes, "build {build}");
        }
        let streams = &lengths::WSK_PROVIDER_STREAM_DISPATCH;
        assert_eq!(length(streams, Version::new(6, 1, 7601)), 0);
    }

    /// The tables' types are as long as the newest Windows has them.
    #[test]
    fn the_last_length_is_that_of_the_type() {
        macro_rules! is_whole {
            ($($table:ident)*) => {$(
                let last = lengths::$table[lengths::$table.len() - 1];
                assert_eq!(last.bytes, size_of::<crate::$table>(), stringify!($table));
            )*};
        }
        is_whole! {
            WSK_PROVIDER_DISPATCH WSK_PROVIDER_BASIC_DISPATCH WSK_PROVIDER_LISTEN_DISPATCH
            WSK_PROVIDER_DATAGRAM_DISPATCH WSK_PROVIDER_CONNECTION_DISPATCH WSK_PROVIDER_STREAM_DISPATCH
        }
    }
}
