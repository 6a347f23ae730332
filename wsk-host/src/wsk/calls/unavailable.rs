//! Functions that the host's Windows does not have ([INV-8](crate::rules#inv-8)).
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use wsk_sys::{
    GUID, NTSTATUS, PADDRINFOEXW, PCMSGHDR, PEPROCESS, PETHREAD, PIRP, PSOCKADDR, PULONG,
    PUNICODE_STRING, PWSK_BUF, PWSK_BUF_LIST, PWSK_CLIENT, PWSK_SOCKET, ULONG,
};

use crate::kernel::current;
use crate::verifier::{Rule, fatal_violation};

fn unavailable(function: &str) -> ! {
    let windows = current().config().windows;
    let found = format!(
        "Windows {}.{}.{} lacks this function: the dispatch table ends before it",
        windows.major, windows.minor, windows.build
    );
    let why = "memory behind the table is not a function";
    fatal_violation(Rule::PROVIDER_TABLE_LENGTH, function, &found, None, why)
}

pub(in crate::wsk) unsafe extern "C" fn get_address_info(
    _client: PWSK_CLIENT,
    _node: PUNICODE_STRING,
    _service: PUNICODE_STRING,
    _name_space: ULONG,
    _provider: *mut GUID,
    _hints: PADDRINFOEXW,
    _result: *mut PADDRINFOEXW,
    _process: PEPROCESS,
    _thread: PETHREAD,
    _irp: PIRP,
) -> NTSTATUS {
    unavailable("WskGetAddressInfo")
}

pub(in crate::wsk) unsafe extern "C" fn free_address_info(
    _client: PWSK_CLIENT,
    _info: PADDRINFOEXW,
) {
    unavailable("WskFreeAddressInfo")
}

pub(in crate::wsk) unsafe extern "C" fn get_name_info(
    _client: PWSK_CLIENT,
    _address: PSOCKADDR,
    _length: ULONG,
    _node: PUNICODE_STRING,
    _service: PUNICODE_STRING,
    _flags: ULONG,
    _process: PEPROCESS,
    _thread: PETHREAD,
    _irp: PIRP,
) -> NTSTATUS {
    unavailable("WskGetNameInfo")
}

pub(in crate::wsk) unsafe extern "C" fn send_messages(
    _socket: PWSK_SOCKET,
    _list: PWSK_BUF_LIST,
    _flags: ULONG,
    _to: PSOCKADDR,
    _control_length: ULONG,
    _control: PCMSGHDR,
    _irp: PIRP,
) -> NTSTATUS {
    unavailable("WskSendMessages")
}

pub(in crate::wsk) unsafe extern "C" fn connect_ex(
    _socket: PWSK_SOCKET,
    _to: PSOCKADDR,
    _buffer: PWSK_BUF,
    _flags: ULONG,
    _irp: PIRP,
) -> NTSTATUS {
    unavailable("WskConnectEx")
}

pub(in crate::wsk) unsafe extern "C" fn send_ex(
    _socket: PWSK_SOCKET,
    _buffer: PWSK_BUF,
    _flags: ULONG,
    _control_length: ULONG,
    _control: PCMSGHDR,
    _irp: PIRP,
) -> NTSTATUS {
    unavailable("WskSendEx")
}

pub(in crate::wsk) unsafe extern "C" fn receive_ex(
    _socket: PWSK_SOCKET,
    _buffer: PWSK_BUF,
    _flags: ULONG,
    _control_length: PULONG,
    _control: PCMSGHDR,
    _control_flags: PULONG,
    _irp: PIRP,
) -> NTSTATUS {
    unavailable("WskReceiveEx")
}
