//! The I/O manager: IRPs and work items.

mod irp;
pub(crate) mod work_item;
