//! The first Windows version of each item, as constants.
//!
//! Each item introduced after Windows Vista has a constant of its name here; items without one exist since Windows
//! Vista. [`lengths`] has the lengths of the provider's tables: these depend on the *running* Windows, not on the
//! header that a driver was compiled with.
//!
//! The constants are generated from the `wsk.h` of each WDK release: a version condition in the header
//! (`#if NTDDI_VERSION >= …`) takes precedence, then the first kit that has the item. Microsoft's pages fill one gap.
//!
//! ```
//! use wsk_sys::since::{self, WindowsVersion, lengths};
//!
//! // Windows 7 resolves names, but cannot send several datagrams in one call.
//! let seven = WindowsVersion::new(6, 1, 7601);
//! assert!(seven.is_at_least(since::PFN_WSK_GET_ADDRESS_INFO));
//! assert!(!seven.is_at_least(since::PFN_WSK_SEND_MESSAGES));
//!
//! let slot = std::mem::offset_of!(wsk_sys::WSK_PROVIDER_DATAGRAM_DISPATCH, WskSendMessages);
//! assert!(slot >= since::length(&lengths::WSK_PROVIDER_DATAGRAM_DISPATCH, seven));
//! ```

use crate::ULONG;
pub use crate::generated::since::*;

/// A version of Windows, with the numbers that [`RtlGetVersion`](crate::RtlGetVersion) returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowsVersion {
    /// The major version.
    pub major: ULONG,
    /// The minor version.
    pub minor: ULONG,
    /// The build number.
    pub build: ULONG,
}

impl WindowsVersion {
    /// Returns the version with these numbers.
    #[must_use]
    pub const fn new(major: ULONG, minor: ULONG, build: ULONG) -> Self {
        Self { major, minor, build }
    }

    /// Returns whether this version is `other` or a later one.
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

/// The length of a table from one version of Windows on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLength {
    /// The first version with this length.
    pub since: WindowsVersion,
    /// The length in bytes.
    pub bytes: usize,
}

/// Returns the length of a table in bytes on a version of Windows, or zero if that version lacks the table.
#[must_use]
pub const fn length(lengths: &[TableLength], windows: WindowsVersion) -> usize {
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
    fn versions_compare_number_by_number() {
        let [vista, seven, ten] = [
            WindowsVersion::new(6, 0, 6002),
            WindowsVersion::new(6, 1, 7600),
            WindowsVersion::new(10, 0, 10240),
        ];
        for (older, newer) in [(vista, seven), (seven, ten), (vista, ten)] {
            assert!(newer.is_at_least(older) && newer > older);
            assert!(!older.is_at_least(newer) && older < newer);
        }
        assert!(seven.is_at_least(seven));
    }

    #[test]
    fn a_table_ends_with_its_newest_slot() {
        let table = &lengths::WSK_PROVIDER_CONNECTION_DISPATCH;
        for (build, bytes) in [(10240, 80), (15062, 80), (15063, 88), (17133, 88), (26100, 104)] {
            assert_eq!(length(table, WindowsVersion::new(10, 0, build)), bytes, "build {build}");
        }
        let streams = &lengths::WSK_PROVIDER_STREAM_DISPATCH;
        assert_eq!(length(streams, WindowsVersion::new(6, 1, 7601)), 0);
    }

    /// The types of the tables have the length of the newest Windows version.
    #[test]
    fn the_last_length_is_the_size_of_the_type() {
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
