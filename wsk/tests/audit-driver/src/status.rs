//! Errors, and the capabilities of the running Windows.

use core::fmt::{Debug, Display};

use wsk::irql::Passive;
use wsk::sys::NTSTATUS;
use wsk::{Capabilities, Error, ErrorKind, Version, WindowsVersion};

calls! {
    "Error::from_status": |status: NTSTATUS| Error::from_status(status);
    "Error::status": |error: Error| error.status();
    "Error::name": |error: Error| error.name();
    "Error::kind": |error: Error| error.kind();
    "ErrorKind::is_disconnect": |kind: ErrorKind| kind.is_disconnect();
    "Capabilities::of_system": |passive: Passive| Capabilities::of_system(passive);
    "Capabilities::windows": |capabilities: Capabilities| capabilities.windows();
    "Capabilities::name_resolution": |capabilities: Capabilities| capabilities.name_resolution();
    "Capabilities::send_messages": |capabilities: Capabilities| capabilities.send_messages();
    "Capabilities::streams": |capabilities: Capabilities| capabilities.streams();
    "Capabilities::extended_transfers": |capabilities: Capabilities| {
        capabilities.extended_transfers()
    };
    "Passive::assume": |()| {
        // SAFETY: the caller of the export is at PASSIVE_LEVEL.
        unsafe { Passive::assume() }
    };
}

formats! {
    "Error::fmt<Debug>": Error as Debug;
    "Error::fmt<Display>": Error as Display;
    "ErrorKind::fmt<Debug>": ErrorKind as Debug;
    "WindowsVersion::fmt<Debug>": WindowsVersion as Debug;
    "WindowsVersion::fmt<Display>": WindowsVersion as Display;
    "Version::fmt<Debug>": Version as Debug;
}
