//! `Io…`: IRPs and work items.

pub(crate) mod irp;
pub(crate) mod work_item;
