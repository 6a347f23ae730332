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
    /// The status. In C it shares its place with a pointer that clients have no use for.
    pub Status: NTSTATUS,
    /// What else the request has to say; each kind of request in its own way.
    pub Information: ULONG_PTR,
}

/// Pointer to an [`IO_STATUS_BLOCK`].
pub type PIO_STATUS_BLOCK = *mut IO_STATUS_BLOCK;

/// An I/O request packet, whose stack locations follow the structure.
///
/// A client initialises it ([`IoInitializeIrp`](crate::IoInitializeIrp)), sets a completion routine
/// ([`IoSetCompletionRoutine`](crate::IoSetCompletionRoutine)) and reads `IoStatus` in that routine. Unnamed unions of C are left out
/// in favour of the member that a client may meet.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_irp).
#[repr(C, align(16))]
pub struct IRP {
    /// Reserved.
    pub Type: CSHORT,
    /// The size with the stack locations, in bytes.
    pub Size: USHORT,
    /// The memory of a request for direct I/O.
    pub MdlAddress: PMDL,
    /// Flags of file systems.
    pub Flags: ULONG,
    /// The request that this one is a part of, or a buffer.
    pub AssociatedIrp: IRP_0,
    /// Reserved.
    pub ThreadListEntry: LIST_ENTRY,
    /// The result, once the request has completed.
    pub IoStatus: IO_STATUS_BLOCK,
    /// Where the request came from.
    pub RequestorMode: KPROCESSOR_MODE,
    /// Whether a lower driver marked the request pending.
    pub PendingReturned: BOOLEAN,
    /// How many stack locations follow.
    pub StackCount: CHAR,
    /// The number of the current stack location, from 1.
    pub CurrentLocation: CHAR,
    /// Whether the request was cancelled.
    pub Cancel: BOOLEAN,
    /// The IRQL to restore when the cancel spin lock is released.
    pub CancelIrql: KIRQL,
    /// Reserved.
    pub ApcEnvironment: CCHAR,
    /// Reserved.
    pub AllocationFlags: UCHAR,
    /// Where the I/O manager copies the result for the requestor.
    pub UserIosb: PIO_STATUS_BLOCK,
    /// The requestor's event.
    pub UserEvent: *mut KEVENT,
    /// Reserved.
    pub Overlay: IRP_1,
    /// Called to cancel the request.
    pub CancelRoutine: PDRIVER_CANCEL,
    /// The requestor's buffer.
    pub UserBuffer: PVOID,
    /// Room for drivers, and the current stack location.
    pub Tail: IRP_2,
}

/// Pointer to an [`IRP`].
pub type PIRP = *mut IRP;

/// [`IRP`]`.AssociatedIrp`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_0 {
    /// The request that this one is a part of.
    pub MasterIrp: *mut IRP,
    /// How many parts a request has.
    pub IrpCount: LONG,
    /// The buffer of a request for buffered I/O.
    pub SystemBuffer: PVOID,
}

/// [`IRP`]`.Overlay`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_1 {
    /// Reserved.
    pub AsynchronousParameters: IRP_1_0,
    /// The initial size of a file.
    pub AllocationSize: LARGE_INTEGER,
}

/// [`IRP`]`.Overlay.AsynchronousParameters`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct IRP_1_0 {
    /// Reserved.
    pub UserApcRoutine: PVOID,
    /// Reserved.
    pub UserApcContext: PVOID,
}

/// [`IRP`]`.Tail`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_2 {
    /// What drivers use while they own the request.
    pub Overlay: IRP_2_0,
    /// Reserved.
    pub Apc: [PVOID; 11],
    /// Reserved.
    pub CompletionKey: PVOID,
}

/// [`IRP`]`.Tail.Overlay`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct IRP_2_0 {
    /// For the driver that owns the request.
    pub DriverContext: [PVOID; 4],
    /// The thread that the request belongs to.
    pub Thread: PETHREAD,
    /// Reserved.
    pub AuxiliaryBuffer: *mut CHAR,
    /// For queues of the driver that owns the request.
    pub ListEntry: LIST_ENTRY,
    /// The current stack location: one beyond the last, if the request is nowhere yet.
    pub CurrentStackLocation: PIO_STACK_LOCATION,
    /// The file that the request was made for.
    pub OriginalFileObject: PFILE_OBJECT,
}

/// What one driver is asked to do, in a request that may pass through several.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_io_stack_location).
#[repr(C)]
pub struct IO_STACK_LOCATION {
    /// The kind of request.
    pub MajorFunction: UCHAR,
    /// The kind within the kind.
    pub MinorFunction: UCHAR,
    /// Flags of the kind.
    pub Flags: UCHAR,
    /// `SL_…` flags.
    pub Control: UCHAR,
    /// Parameters of the kind.
    pub Parameters: IO_STACK_LOCATION_0,
    /// The driver's device.
    pub DeviceObject: PDEVICE_OBJECT,
    /// The file that the request is made for.
    pub FileObject: PFILE_OBJECT,
    /// The completion routine of the driver above.
    pub CompletionRoutine: PIO_COMPLETION_ROUTINE,
    /// The argument of that routine.
    pub Context: PVOID,
}

/// Pointer to an [`IO_STACK_LOCATION`].
pub type PIO_STACK_LOCATION = *mut IO_STACK_LOCATION;

/// [`IO_STACK_LOCATION`]`.Parameters`, of which WSK's clients need no kind.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IO_STACK_LOCATION_0 {
    /// Parameters of a kind that drivers agree on among themselves.
    pub Others: IO_STACK_LOCATION_0_0,
}

/// [`IO_STACK_LOCATION`]`.Parameters.Others`.
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
