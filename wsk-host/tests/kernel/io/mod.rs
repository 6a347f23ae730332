//! The I/O manager: IRPs and work items.

mod device;
mod irp;
pub(crate) mod work_item;
