//! `ExQueueWorkItem`: work items that keep no driver loaded.
//!
//! # Safety
//!
//! The exported function has the contract that Microsoft documents. It uses the client's item until its routine is
//! called.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{DISPATCH_LEVEL, PASSIVE_LEVEL, WORK_QUEUE_TYPE};

use crate::kernel::abi::Routine as _;
use crate::kernel::ex::pool::require_resident_object;
use crate::kernel::io::work_item::{in_worker_thread, require_queue};
use crate::kernel::io::work_queue::OldWorkItem;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::schedule::ClientPointer;
use crate::kernel::{current, interrupt};
use crate::verifier::{Origin, kernel_violation};

const NAME: &str = "ExQueueWorkItem";
const ROUTINE: &str = "the routine of a work item of ExQueueWorkItem, which unlike IoQueueWorkItem does not keep the driver loaded";

#[wsk_host_macros::export]
unsafe extern "C" fn ExQueueWorkItem(item: *mut OldWorkItem, queue: WORK_QUEUE_TYPE) {
    require_at_most(DISPATCH_LEVEL, NAME);
    require_queue(queue, NAME);
    let (kernel, address) = (current().clone(), item.addr());
    require_resident_object(address, "the work item", NAME);
    let origin = Origin::here(NAME);
    let mut items = kernel.work_items();
    items.require_unused(&(address..address + size_of::<OldWorkItem>()), NAME);
    items.insert_old(address, origin.clone());
    drop(items);
    // SAFETY: the caller passes an initialized item, which has no other user while it is queued.
    let OldWorkItem { routine, parameter, .. } = unsafe { item.read() };
    let Some(routine) = routine else {
        kernel_violation(&format!("{NAME}: the routine is null"));
    };
    let parameter = ClientPointer(parameter);
    let of = kernel.clone();
    in_worker_thread(&kernel, move || {
        // From here on the item may be freed, or queued again.
        of.work_items().remove_old(address);
        let call = of.begin_client(ROUTINE, Some(origin));
        // SAFETY: the client queued the item with this routine for this parameter.
        unsafe { routine.invoke((parameter.get(),)) };
        require_at_most(PASSIVE_LEVEL, "the end of a work item's routine");
        of.end_client(call);
    });
    interrupt();
}
