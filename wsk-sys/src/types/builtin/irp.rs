//! I/O request packets.

use core::ptr;

use crate::{
    BOOLEAN, CCHAR, CHAR, CSHORT, KEVENT, KIRQL, KPROCESSOR_MODE, LARGE_INTEGER, LIST_ENTRY, LONG,
    NTSTATUS, PDEVICE_OBJECT, PDRIVER_CANCEL, PETHREAD, PFILE_OBJECT, PIO_COMPLETION_ROUTINE, PMDL,
    PVOID, UCHAR, ULONG, ULONG_PTR, USHORT,
};

/// The result of a request.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_io_status_block).
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct IO_STATUS_BLOCK {
    /// The final status. In C it is in a union with a pointer that clients do not use.
    pub Status: NTSTATUS,
    /// A request-specific value, such as a number of bytes.
    pub Information: ULONG_PTR,
}

/// Pointer to an [`IO_STATUS_BLOCK`].
pub type PIO_STATUS_BLOCK = *mut IO_STATUS_BLOCK;

/// An I/O request packet. Its stack locations follow the structure in memory.
///
/// A client initializes it ([`IoInitializeIrp`](crate::IoInitializeIrp)), sets a completion routine
/// ([`IoSetCompletionRoutine`](crate::IoSetCompletionRoutine)) and reads `IoStatus` in that routine. C's unnamed unions
/// are replaced by the field that a client may use.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_irp).
#[repr(C, align(16))]
pub struct IRP {
    /// Reserved.
    pub Type: CSHORT,
    /// The size in bytes, including the stack locations.
    pub Size: USHORT,
    /// The MDL of a direct I/O request.
    pub MdlAddress: PMDL,
    /// Flags for file systems.
    pub Flags: ULONG,
    /// The master IRP, or the buffer of a buffered I/O request.
    pub AssociatedIrp: IRP_0,
    /// Reserved.
    pub ThreadListEntry: LIST_ENTRY,
    /// The result of the completed request.
    pub IoStatus: IO_STATUS_BLOCK,
    /// The processor mode of the requestor.
    pub RequestorMode: KPROCESSOR_MODE,
    /// Whether a lower driver marked the IRP pending.
    pub PendingReturned: BOOLEAN,
    /// The number of stack locations.
    pub StackCount: CHAR,
    /// The number of the current stack location, counted from 1.
    pub CurrentLocation: CHAR,
    /// Whether cancellation was requested.
    pub Cancel: BOOLEAN,
    /// The IRQL to restore on release of the cancel spin lock.
    pub CancelIrql: KIRQL,
    /// Reserved.
    pub ApcEnvironment: CCHAR,
    /// Reserved.
    pub AllocationFlags: UCHAR,
    /// The requestor's status block, to which the I/O manager copies the result.
    pub UserIosb: PIO_STATUS_BLOCK,
    /// The requestor's event.
    pub UserEvent: *mut KEVENT,
    /// Reserved.
    pub Overlay: IRP_1,
    /// The cancel routine.
    pub CancelRoutine: PDRIVER_CANCEL,
    /// The requestor's buffer.
    pub UserBuffer: PVOID,
    /// Storage for the driver that owns the IRP, and the current stack location.
    pub Tail: IRP_2,
}

/// Pointer to an [`IRP`].
pub type PIRP = *mut IRP;

/// The type of [`IRP`]`.AssociatedIrp`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_0 {
    /// The master IRP of this associated IRP.
    pub MasterIrp: *mut IRP,
    /// The number of associated IRPs.
    pub IrpCount: LONG,
    /// The buffer of a buffered I/O request.
    pub SystemBuffer: PVOID,
}

/// The type of [`IRP`]`.Overlay`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_1 {
    /// Reserved.
    pub AsynchronousParameters: IRP_1_0,
    /// The initial size of a file.
    pub AllocationSize: LARGE_INTEGER,
}

/// The type of [`IRP`]`.Overlay.AsynchronousParameters`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct IRP_1_0 {
    /// Reserved.
    pub UserApcRoutine: PVOID,
    /// Reserved.
    pub UserApcContext: PVOID,
}

/// The type of [`IRP`]`.Tail`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_2 {
    /// The view of the driver that owns the IRP.
    pub Overlay: IRP_2_0,
    /// Reserved.
    pub Apc: [PVOID; 11],
    /// Reserved.
    pub CompletionKey: PVOID,
}

/// The type of [`IRP`]`.Tail.Overlay`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct IRP_2_0 {
    /// Storage for the driver that owns the IRP.
    pub DriverContext: [PVOID; 4],
    /// The requestor's thread.
    pub Thread: PETHREAD,
    /// Reserved.
    pub AuxiliaryBuffer: *mut CHAR,
    /// Links the IRP into a queue of the driver that owns it.
    pub ListEntry: LIST_ENTRY,
    /// The current stack location; one past the last, until the IRP is passed to a driver.
    pub CurrentStackLocation: PIO_STACK_LOCATION,
    /// The file object of the request.
    pub OriginalFileObject: PFILE_OBJECT,
}

/// The parameters of an IRP for one of the drivers that process it.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_io_stack_location).
#[repr(C)]
pub struct IO_STACK_LOCATION {
    /// The major function code.
    pub MajorFunction: UCHAR,
    /// The minor function code.
    pub MinorFunction: UCHAR,
    /// Flags, specific to the major function.
    pub Flags: UCHAR,
    /// `SL_…` flags.
    pub Control: UCHAR,
    /// Parameters, specific to the major function.
    pub Parameters: IO_STACK_LOCATION_0,
    /// The device object of the driver.
    pub DeviceObject: PDEVICE_OBJECT,
    /// The file object of the request.
    pub FileObject: PFILE_OBJECT,
    /// The completion routine of the next-higher driver.
    pub CompletionRoutine: PIO_COMPLETION_ROUTINE,
    /// The argument of the completion routine.
    pub Context: PVOID,
}

/// Pointer to an [`IO_STACK_LOCATION`].
pub type PIO_STACK_LOCATION = *mut IO_STACK_LOCATION;

/// The type of [`IO_STACK_LOCATION`]`.Parameters`, reduced to the one view that WSK clients may need.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IO_STACK_LOCATION_0 {
    /// Driver-defined parameters.
    pub Others: IO_STACK_LOCATION_0_0,
}

/// The type of [`IO_STACK_LOCATION`]`.Parameters.Others`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct IO_STACK_LOCATION_0_0 {
    /// The first parameter.
    pub Argument1: PVOID,
    /// The second parameter.
    pub Argument2: PVOID,
    /// The third parameter.
    pub Argument3: PVOID,
    /// The fourth parameter.
    pub Argument4: PVOID,
}

impl core::fmt::Debug for IRP {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IRP")
            .field("IoStatus", &self.IoStatus)
            .field("StackCount", &self.StackCount)
            .field("CurrentLocation", &self.CurrentLocation)
            .field("PendingReturned", &self.PendingReturned)
            .field("Cancel", &self.Cancel)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for IO_STACK_LOCATION {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IO_STACK_LOCATION")
            .field("MajorFunction", &self.MajorFunction)
            .field("Control", &self.Control)
            .field("DeviceObject", &self.DeviceObject)
            .field("CompletionRoutine", &self.CompletionRoutine)
            .field("Context", &ptr::from_ref(&self.Context))
            .finish_non_exhaustive()
    }
}
