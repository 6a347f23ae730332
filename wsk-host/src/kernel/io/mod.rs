//! `Io…`: IRPs, work items, devices and drivers.

mod cancel;
pub(crate) mod device;
pub(crate) mod device_table;
pub(crate) mod driver;
mod guarded_routine;
pub(crate) mod irp;
pub(crate) mod request;
mod stack;
pub(crate) mod work_item;
pub(crate) mod work_queue;
