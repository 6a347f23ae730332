//! The macros of wsk.h, and the identifier that it declares without a value.

use crate::{NPIID, UCHAR, USHORT};

/// Identifies WSK among the network programming interfaces.
///
/// In C it is a variable in uuid.lib. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/so-wsk-event-callback).
pub const NPI_WSK_INTERFACE_ID: NPIID = NPIID {
    Data1: 0x2227_E803,
    Data2: 0x8D8B,
    Data3: 0x11D4,
    Data4: [0xAB, 0xAD, 0x00, 0x90, 0x27, 0x71, 0x9E, 0x09],
};

/// Combines a major and a minor version number. Like the C macro, it keeps the low 8 bits of each.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_client_dispatch).
///
/// ```
/// use wsk_sys::{MAKE_WSK_VERSION, WSK_MAJOR_VERSION, WSK_MINOR_VERSION};
///
/// const VERSION: u16 = MAKE_WSK_VERSION(1, 2);
/// assert_eq!((WSK_MAJOR_VERSION(VERSION), WSK_MINOR_VERSION(VERSION)), (1, 2));
/// ```
#[must_use]
pub const fn MAKE_WSK_VERSION(Major: USHORT, Minor: USHORT) -> USHORT {
    (Major << 8) | (Minor & 0xFF)
}

/// Returns the major part of a version number.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_provider_dispatch).
#[must_use]
pub const fn WSK_MAJOR_VERSION(Version: USHORT) -> UCHAR {
    Version.to_be_bytes()[0]
}

/// Returns the minor part of a version number.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/ns-wsk-_wsk_provider_dispatch).
#[must_use]
pub const fn WSK_MINOR_VERSION(Version: USHORT) -> UCHAR {
    Version.to_be_bytes()[1]
}
