//! The configuration of a kernel: its threads, its timing and its version of Windows.

use wsk_sys::since::WindowsVersion;

use crate::kernel::choices::Schedule;
use crate::verifier::Levels;

/// When deferred work runs: completions, callbacks and DPCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Requests complete before their call returns, where possible.
    Inline,
    /// Requests complete during or after their call, at `DISPATCH_LEVEL`.
    Deferred,
    /// The seed picks one or the other for each request. It also picks the order of deferred work, the delays of the
    /// simulated network, the size of partial receives, and the thread that runs.
    Mixed(u64),
}

/// How the threads of a kernel run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One thread runs at a time, picked by the seed of [`Timing::Mixed`]. Time advances while all threads wait, and by a
    /// millisecond for every thousand steps that they take without a wait.
    Deterministic,
    /// The machine schedules the threads, in real time.
    Native,
}

/// A release of Windows, by the numbers that `RtlGetVersion` returns.
///
/// It determines the length of the provider's tables: calling a function that this Windows lacks ends the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Windows {
    /// The major version.
    pub major: u32,
    /// The minor version.
    pub minor: u32,
    /// The build number.
    pub build: u32,
}

impl Windows {
    /// Windows Vista: the first with WSK.
    pub const VISTA: Self = Self::new(6, 0, 6002);
    /// Windows 7, which brought name resolution.
    pub const SEVEN: Self = Self::new(6, 1, 7601);
    /// Windows 8, which brought `WskSendMessages`.
    pub const EIGHT: Self = Self::new(6, 2, 9200);
    /// The first release of Windows 10.
    pub const TEN: Self = Self::new(10, 0, 10240);
    /// Windows 10, version 1703, which brought stream sockets and `WskConnectEx`.
    pub const TEN_1703: Self = Self::new(10, 0, 15063);
    /// Windows 10, version 1803, which brought `WskSendEx` and `WskReceiveEx`.
    pub const TEN_1803: Self = Self::new(10, 0, 17134);
    /// Windows 10, version 2004, which brought segmentation and coalescing of datagrams.
    pub const TEN_2004: Self = Self::new(10, 0, 19041);
    /// Windows 11, version 24H2.
    pub const ELEVEN: Self = Self::new(10, 0, 26100);

    const fn new(major: u32, minor: u32, build: u32) -> Self {
        Self { major, minor, build }
    }

    /// Whether this Windows has a feature that version `since` introduced: see [`wsk_sys::since`].
    pub(crate) const fn has(self, since: WindowsVersion) -> bool {
        WindowsVersion::new(self.major, self.minor, self.build).is_at_least(since)
    }
}

/// The configuration of a [`Kernel`](super::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How threads run.
    pub threads: Threads,
    /// When deferred work runs.
    pub timing: Timing,
    /// How choices are made with [`Timing::Mixed`].
    pub schedule: Schedule,
    /// The emulated version of Windows.
    pub windows: Windows,
    /// Do nothing in `IoCancelIrp`, as Wine does.
    pub refuse_cancel: bool,
    /// The level of each rule.
    pub rules: Levels,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            threads: Threads::Deterministic,
            timing: Timing::Mixed(0),
            schedule: Schedule::Uniform,
            windows: Windows::ELEVEN,
            refuse_cancel: false,
            rules: Levels::STRICT,
        }
    }
}

impl Timing {
    /// The seed, or zero if the timing uses none.
    pub(crate) fn seed_or_zero(self) -> u64 {
        match self {
            Self::Mixed(seed) => seed,
            Self::Inline | Self::Deferred => 0,
        }
    }

    /// Whether the timing uses a seed.
    pub(crate) fn is_mixed(self) -> bool {
        matches!(self, Self::Mixed(_))
    }
}
