//! The parts of WSK that the running Windows has. It determines the length of WSK's tables, whichever header a driver was
//! compiled with ([INV-8](crate::rules#inv-8)).
//!
//! # Safety
//!
//! The kernel's version query is called at `PASSIVE_LEVEL`, which a token proves.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;

use wsk_sys::since;
use wsk_sys::{RTL_OSVERSIONINFOW, RtlGetVersion};

use crate::irql::Passive;

/// A release of Windows, as `RtlGetVersion` returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowsVersion {
    /// The major version.
    pub major: u32,
    /// The minor version.
    pub minor: u32,
    /// The build number.
    pub build: u32,
}

impl WindowsVersion {
    const fn new(major: u32, minor: u32, build: u32) -> Self {
        Self { major, minor, build }
    }

    const fn is_at_least(self, since: since::WindowsVersion) -> bool {
        since::WindowsVersion::new(self.major, self.minor, self.build).is_at_least(since)
    }
}

impl fmt::Display for WindowsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.build)
    }
}

/// The capabilities of the running Windows. See [`Provider::capabilities`](crate::Provider::capabilities).
///
/// ```
/// use wsk::{Registration, irql::Passive};
///
/// # let host = wsk_host::Host::new(
/// #     wsk_host::Config::default().windows(wsk_host::Windows::SEVEN));
/// # let _entered = host.enter();
/// // SAFETY: an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let registration = Registration::register(passive)?;
/// let capabilities = registration.try_capture()?.capabilities();
/// // Windows 7 resolves names, and does not send several datagrams at once.
/// assert!(capabilities.name_resolution().is_some());
/// assert!(capabilities.send_messages().is_none());
/// # Ok::<(), wsk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(WindowsVersion);

impl Capabilities {
    /// Queries the system.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlgetversion).
    #[must_use]
    pub fn of_system(_passive: Passive) -> Self {
        let mut information = RTL_OSVERSIONINFOW {
            dwOSVersionInfoSize: u32::try_from(size_of::<RTL_OSVERSIONINFOW>()).unwrap_or(0),
            dwMajorVersion: 0,
            dwMinorVersion: 0,
            dwBuildNumber: 0,
            dwPlatformId: 0,
            szCSDVersion: [0; 128],
        };
        // SAFETY: the structure holds its size. No failure is documented; the values from before the call would mean an
        // old system.
        unsafe { RtlGetVersion(&raw mut information) };
        Self(WindowsVersion::new(
            information.dwMajorVersion,
            information.dwMinorVersion,
            information.dwBuildNumber,
        ))
    }

    /// The running Windows.
    #[must_use]
    pub const fn windows(self) -> WindowsVersion {
        self.0
    }

    /// Name resolution, since Windows 7.
    #[must_use]
    pub const fn name_resolution(self) -> Option<has::NameResolution> {
        if self.0.is_at_least(since::PFN_WSK_GET_ADDRESS_INFO) {
            Some(has::NameResolution(()))
        } else {
            None
        }
    }

    /// `WskSendMessages`, since Windows 8.
    #[must_use]
    pub const fn send_messages(self) -> Option<has::SendMessages> {
        if self.0.is_at_least(since::PFN_WSK_SEND_MESSAGES) {
            Some(has::SendMessages(()))
        } else {
            None
        }
    }

    /// Stream sockets and `WskConnectEx`, since Windows 10, version 1703.
    #[must_use]
    pub const fn streams(self) -> Option<has::Streams> {
        if self.0.is_at_least(since::WSK_PROVIDER_STREAM_DISPATCH) {
            Some(has::Streams(()))
        } else {
            None
        }
    }

    /// `WskSendEx` and `WskReceiveEx`, since Windows 10, version 1803. They are reserved for the system.
    #[must_use]
    pub const fn extended_transfers(self) -> Option<has::ExtendedTransfers> {
        if self.0.is_at_least(since::PFN_WSK_SEND_EX) {
            Some(has::ExtendedTransfers(()))
        } else {
            None
        }
    }
}

/// Proofs of what the running Windows can do: values of these types come from [`Capabilities`] only, and calls that
/// need a capability take its proof.
pub mod has {
    /// Name resolution.
    #[derive(Clone, Copy, Debug)]
    pub struct NameResolution(pub(super) ());

    /// Sending several datagrams at once.
    #[derive(Clone, Copy, Debug)]
    pub struct SendMessages(pub(super) ());

    /// Stream sockets, and connecting with data.
    #[derive(Clone, Copy, Debug)]
    pub struct Streams(pub(super) ());

    /// The functions that are reserved for the system.
    #[derive(Clone, Copy, Debug)]
    pub struct ExtendedTransfers(pub(super) ());
}
