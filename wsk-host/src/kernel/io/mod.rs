//! `Io…`: IRPs and work items.

pub(crate) mod irp;
mod work_item;
pub(crate) mod work_queue;
