//! The target and the importance of deferred procedure calls.

use test_support::kernel::*;
use wsk_sys::*;

unsafe extern "C" fn does_nothing(_: *mut KDPC, _: PVOID, _: PVOID, _: PVOID) {}

/// The host's only processor is the first one.
#[test]
fn a_call_has_a_processor() {
    on_hosts(|_| {
        let call = dpc(Some(does_nothing), std::ptr::null_mut());
        let call: PKDPC = call.raw().cast();
        let mut number = PROCESSOR_NUMBER { Group: 1, Number: 1, Reserved: 1 };
        // SAFETY: the number is valid, and the call initialized and not queued.
        unsafe {
            assert_eq!(KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS), 1);
            assert_eq!(KeGetProcessorNumberFromIndex(1, &raw mut number), STATUS_INVALID_PARAMETER);
            assert_eq!(KeSetTargetProcessorDpcEx(call, &raw mut number), STATUS_INVALID_PARAMETER);
            assert_eq!(KeGetProcessorNumberFromIndex(0, &raw mut number), STATUS_SUCCESS);
            assert_eq!((number.Group, number.Number, number.Reserved), (0, 0, 0));
            assert_eq!(KeSetTargetProcessorDpcEx(call, &raw mut number), STATUS_SUCCESS);
            KeSetImportanceDpc(call, MediumHighImportance);
        }
    });
}
