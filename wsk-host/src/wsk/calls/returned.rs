//! The status that a call returns for its IRP: the final one, with the IRP completed and not marked pending, or
//! `STATUS_PENDING`.
//!
//! # Safety
//!
//! An IRP that was taken over belongs to the provider, and is at the provider's stack location, until it is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use wsk_sys::{IoMarkIrpPending, NTSTATUS, PIRP, STATUS_PENDING, STATUS_SUCCESS};

use crate::kernel::Kernel;
use crate::kernel::choices::ChoiceKind;
use crate::kernel::config::Timing;
use crate::kernel::trace::TraceEvent;
use crate::wsk::action::{Action, Actions, IrpCompletion};
use crate::wsk::config::CallStatus;
use crate::wsk::execute::{execute, execute_call};

/// The status that a call returns for its IRP.
pub(super) enum ReturnedStatus {
    /// `STATUS_PENDING`.
    Pending,
    /// The final status of the request with this number. Its completion must not be deferred.
    Final { irp: PIRP, number: u64, status: NTSTATUS },
}

impl ReturnedStatus {
    /// Decides what the call returns, and marks the IRP pending if that is `STATUS_PENDING`. The final status can be returned
    /// if one of the actions completes the IRP.
    ///
    /// The call has taken the IRP over. No other thread can complete it yet: the caller holds the stack's lock, which that
    /// needs, or has not made the request known to the stack or another thread.
    pub(super) fn decide(kernel: &Kernel, irp: PIRP, actions: &Actions) -> Self {
        Self::of(kernel, irp, actions, returns_final(kernel))
    }

    /// Decides like [`decide`](Self::decide), for a call that always returns the final status, unless
    /// [`CallStatus::Pending`] forbids it.
    pub(super) fn prefer_final(kernel: &Kernel, irp: PIRP, actions: &Actions) -> Self {
        let may_be_final = kernel.wsk_config().call_status != CallStatus::Pending;
        Self::of(kernel, irp, actions, may_be_final)
    }

    fn of(kernel: &Kernel, irp: PIRP, actions: &Actions, may_be_final: bool) -> Self {
        let status = actions.iter().find_map(|action| final_status(action, irp));
        if let Some(status) = status.filter(|_| may_be_final) {
            let number = kernel.usage().set_returned(irp, status);
            return Self::Final { irp, number, status };
        }
        // SAFETY: the call has taken the IRP over, and no other thread has completed it, as the caller ensures; so it is
        // the provider's, and at its location.
        unsafe { IoMarkIrpPending(irp) };
        Self::Pending
    }

    /// Executes the actions, and returns the status. The caller holds no lock of the provider.
    pub(super) fn execute(self, kernel: &Kernel, actions: Actions) -> NTSTATUS {
        match self {
            Self::Pending => {
                execute(kernel, actions);
                STATUS_PENDING
            }
            Self::Final { irp, number, status } => {
                execute_call(kernel, actions, irp);
                kernel.record(TraceEvent::Return { irp: number, status });
                status
            }
        }
    }
}

/// Completes an IRP that the call has taken over, and returns the result of the call.
pub(super) fn complete(kernel: &Kernel, irp: PIRP, completion: IrpCompletion) -> NTSTATUS {
    let actions = vec![Action::Complete(completion)];
    ReturnedStatus::decide(kernel, irp, &actions).execute(kernel, actions)
}

/// The final status of an IRP, if an action completes it.
fn final_status(action: &Action, irp: PIRP) -> Option<NTSTATUS> {
    action.completes(irp).then_some(match action {
        Action::Complete(completion) => completion.status,
        // A close succeeds.
        _ => STATUS_SUCCESS,
    })
}

/// Whether a call returns the final status of a request that it completes.
fn returns_final(kernel: &Kernel) -> bool {
    match (kernel.wsk_config().call_status, kernel.config().timing) {
        (CallStatus::Pending, _) | (CallStatus::Mixed, Timing::Deferred) => false,
        (CallStatus::Final, _) | (CallStatus::Mixed, Timing::Inline) => true,
        (CallStatus::Mixed, Timing::Mixed(_)) => {
            kernel.by_chance(|choices| choices.one_in(ChoiceKind::CallStatus, 2))
        }
    }
}
