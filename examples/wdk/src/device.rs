//! The device: its WSK client, from `EvtDevicePrepareHardware` to `EvtDeviceReleaseHardware`, and its queue.

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_IO_QUEUE_DISPATCH_TYPE, _WDF_SYNCHRONIZATION_SCOPE, _WDF_TRI_STATE,
    GUID, NT_SUCCESS, NTSTATUS, PVOID, PWDFDEVICE_INIT, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_SUCCESS, ULONG, WDF_IO_QUEUE_CONFIG, WDF_NO_HANDLE, WDF_NO_OBJECT_ATTRIBUTES,
    WDF_OBJECT_ATTRIBUTES, WDF_OBJECT_CONTEXT_TYPE_INFO, WDF_PNPPOWER_EVENT_CALLBACKS,
    WDFCMRESLIST, WDFDEVICE, WDFDRIVER, WDFOBJECT, WDFQUEUE, WDFREQUEST,
    call_unsafe_wdf_function_binding,
};
use wsk::Provider;
use wsk::irql::Passive;
use wsk::sync::Arc;
use wsk_driver::DeviceClient;

use crate::{discard, names, size};

/// The interface by which programs open the device.
static INTERFACE: GUID = GUID {
    Data1: 0x6F6E_1C5B,
    Data2: 0x52D4,
    Data3: 0x4A7E,
    Data4: [0x9D, 0x3B, 0x2C, 0x61, 0x8E, 0x47, 0xF0, 0x15],
};

/// The control code that returns the number of bytes discarded, a `u64`: `CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800,
/// METHOD_BUFFERED, FILE_READ_ACCESS)`.
const GET_COUNT: ULONG = (0x22 << 16) | (1 << 14) | (0x800 << 2);

/// The context of a device, in memory that the framework allocates with the device.
struct Device {
    /// The number of bytes discarded.
    discarded: Arc<AtomicU64>,
    /// Used only by `prepare_hardware` and `release_hardware`, which the framework never calls at the same time for a
    /// device.
    client: Option<DeviceClient<()>>,
}

/// Describes [`Device`] to the framework.
struct ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: the structure is only read, and its pointers are to statics.
unsafe impl Sync for ContextType {}

static CONTEXT: ContextType = ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: size(size_of::<WDF_OBJECT_CONTEXT_TYPE_INFO>()),
    ContextName: c"Device".as_ptr().cast_mut(),
    ContextSize: size_of::<Device>(),
    UniqueType: &raw const CONTEXT.0,
    EvtDriverGetUniqueContextType: None,
});

/// The context of a device.
///
/// # Safety
///
/// `device` is a device with a context of [`CONTEXT`], as `add` creates it.
unsafe fn context(device: WDFOBJECT) -> *mut Device {
    // SAFETY: the device has a context of this type (this function's contract).
    let context: PVOID = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfObjectGetTypedContextWorker,
            device,
            &raw const CONTEXT.0
        )
    };
    context.cast()
}

/// Creates a device, with its queue and its interface.
///
/// # Safety
///
/// Called by the framework, at `PASSIVE_LEVEL`.
pub(crate) unsafe extern "C" fn add(_driver: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    // Created before the device, so that the device's context is complete as soon as the device exists.
    let discarded = match Arc::new(AtomicU64::new(0)) {
        Ok(discarded) => discarded,
        Err(error) => return error.status(),
    };
    let mut callbacks = WDF_PNPPOWER_EVENT_CALLBACKS {
        Size: size(size_of::<WDF_PNPPOWER_EVENT_CALLBACKS>()),
        EvtDevicePrepareHardware: Some(prepare_hardware),
        EvtDeviceReleaseHardware: Some(release_hardware),
        ..WDF_PNPPOWER_EVENT_CALLBACKS::default()
    };
    // SAFETY: the framework has passed `init`; the callbacks have the framework's size.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceInitSetPnpPowerEventCallbacks,
            init,
            &raw mut callbacks
        );
    };
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        Size: size(size_of::<WDF_OBJECT_ATTRIBUTES>()),
        EvtDestroyCallback: Some(destroy),
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ContextTypeInfo: &raw const CONTEXT.0,
        ..WDF_OBJECT_ATTRIBUTES::default()
    };
    let mut device: WDFDEVICE = ptr::null_mut();
    // SAFETY: the framework has passed `init`; the attributes have the framework's size.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceCreate,
            &raw mut init,
            &raw mut attributes,
            &raw mut device
        )
    };
    if !NT_SUCCESS(status) {
        return status;
    }
    // SAFETY: the device was created with this context.
    let place = unsafe { context(device.cast()) };
    // SAFETY: the context has the size of a `Device`, and no callback of the device runs before this one returns.
    unsafe { place.write(Device { discarded, client: None }) };
    // SAFETY: the device was just created, and its context is complete.
    let status = unsafe { create_queue(device) };
    if !NT_SUCCESS(status) {
        return status;
    }
    // SAFETY: the device was just created; the interface needs no name.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceCreateDeviceInterface,
            device,
            ptr::from_ref(&INTERFACE),
            ptr::null()
        )
    }
}

/// Creates the default queue of a device. Its requests arrive only while the device works.
///
/// # Safety
///
/// `device` is a device of [`add`], whose context is complete.
unsafe fn create_queue(device: WDFDEVICE) -> NTSTATUS {
    let mut config = WDF_IO_QUEUE_CONFIG {
        Size: size(size_of::<WDF_IO_QUEUE_CONFIG>()),
        DispatchType: _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel,
        PowerManaged: _WDF_TRI_STATE::WdfUseDefault,
        DefaultQueue: 1,
        EvtIoDeviceControl: Some(device_control),
        ..WDF_IO_QUEUE_CONFIG::default()
    };
    // No limit on concurrent requests.
    config.Settings.Parallel.NumberOfPresentedRequests = ULONG::MAX;
    // SAFETY: the device is valid (this function's contract); the configuration has the framework's size.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfIoQueueCreate,
            device,
            &raw mut config,
            WDF_NO_OBJECT_ATTRIBUTES,
            WDF_NO_HANDLE.cast::<WDFQUEUE>()
        )
    }
}

/// Starts the WSK client of a device. If this fails, the framework calls [`release_hardware`] all the same.
///
/// # Safety
///
/// Called by the framework, at `PASSIVE_LEVEL`, with a device of [`add`].
unsafe extern "C" fn prepare_hardware(
    device: WDFDEVICE,
    _raw: WDFCMRESLIST,
    _translated: WDFCMRESLIST,
) -> NTSTATUS {
    // SAFETY: the framework calls EvtDevicePrepareHardware at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    // SAFETY: the device is one of `add`.
    let context = unsafe { context(device.cast()) };
    // SAFETY: the context is complete, and no other callback that changes it runs at the same time.
    let context = unsafe { &mut *context };
    let started = DeviceClient::start(passive, 1, async |wsk, spawner| {
        report_addresses(wsk, passive);
        discard::start(wsk, spawner, context.discarded.clone()).await
    });
    match started {
        Ok(client) => {
            context.client = Some(client);
            STATUS_SUCCESS
        }
        Err(error) => {
            wsk_driver::println!("the device does not start: {error}");
            error.status()
        }
    }
}

/// Logs the number of addresses of `localhost`.
fn report_addresses(wsk: &Provider, passive: Passive) {
    let addresses = names::count_addresses(wsk, passive);
    if NT_SUCCESS(addresses.status) {
        wsk_driver::println!("localhost has {} addresses", addresses.count);
    } else {
        wsk_driver::println!("cannot resolve localhost: {:#010X}", addresses.status);
    }
}

/// Ends the WSK client of a device: when it is disabled or removed, or did not start.
///
/// # Safety
///
/// Called by the framework, at `PASSIVE_LEVEL`, with a device of [`add`].
unsafe extern "C" fn release_hardware(device: WDFDEVICE, _translated: WDFCMRESLIST) -> NTSTATUS {
    // SAFETY: the framework calls EvtDeviceReleaseHardware at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    // SAFETY: the device is one of `add`.
    let context = unsafe { context(device.cast()) };
    // SAFETY: the context is complete, and no other callback that changes it runs at the same time.
    let client = unsafe { (*context).client.take() };
    if let Some(client) = client {
        client.stop(passive);
    }
    STATUS_SUCCESS
}

/// Drops the context of a device, which the framework then frees.
///
/// # Safety
///
/// Called by the framework, once, with a device of [`add`], whose client has ended.
unsafe extern "C" fn destroy(device: WDFOBJECT) {
    // SAFETY: the device is one of `add`.
    let context = unsafe { context(device) };
    // SAFETY: the context is complete, since `add` writes it as soon as the device exists; it is dropped once.
    unsafe { context.drop_in_place() };
}

/// Answers [`GET_COUNT`].
///
/// # Safety
///
/// Called by the framework, at up to `DISPATCH_LEVEL`, with the queue of a device of [`add`].
unsafe extern "C" fn device_control(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    _output_length: usize,
    _input_length: usize,
    code: ULONG,
) {
    if code != GET_COUNT {
        // SAFETY: the request is the framework's, and is completed once.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfRequestComplete,
                request,
                STATUS_INVALID_DEVICE_REQUEST
            );
        };
        return;
    }
    // SAFETY: the queue belongs to a device.
    let device = unsafe { call_unsafe_wdf_function_binding!(WdfIoQueueGetDevice, queue) };
    // SAFETY: the device is one of `add`.
    let context = unsafe { context(device.cast()) };
    // SAFETY: the context is complete. Only this field is borrowed, which is changed by its atomic operations only.
    let counter: &AtomicU64 = unsafe { &(*context).discarded };
    let count = counter.load(Ordering::Relaxed);
    let mut output: PVOID = ptr::null_mut();
    // SAFETY: the request is the framework's, and not completed yet.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfRequestRetrieveOutputBuffer,
            request,
            size_of_val(&count),
            &raw mut output,
            ptr::null_mut()
        )
    };
    let mut length = 0;
    if NT_SUCCESS(status) {
        // SAFETY: after success, the buffer has at least the size of the count.
        unsafe { output.cast::<u64>().write_unaligned(count) };
        length = size_of_val(&count) as u64;
    }
    // SAFETY: the request is the framework's, and is completed once.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfRequestCompleteWithInformation,
            request,
            status,
            length
        );
    };
}
