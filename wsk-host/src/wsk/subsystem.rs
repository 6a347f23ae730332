//! The WSK subsystem of a kernel: its stack and its configuration, attached as the kernel's extension.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::config::Config;
use super::stack::Stack;
use crate::kernel::Kernel;
use crate::verifier::kernel_violation;

/// The state of WSK on one kernel.
pub(super) struct Subsystem {
    pub(super) config: Config,
    pub(super) stack: Mutex<Stack>,
}

impl Kernel {
    /// WSK's state, if it is attached to this kernel.
    pub(super) fn wsk(&self) -> Option<&Subsystem> {
        self.extension().get().and_then(|extension| extension.downcast_ref())
    }

    fn require_wsk(&self) -> &Subsystem {
        match self.wsk() {
            Some(subsystem) => subsystem,
            None => kernel_violation(
                "WSK was called on a kernel without WSK; create a Host instead of a Kernel",
            ),
        }
    }

    /// The configuration of WSK.
    pub(super) fn wsk_config(&self) -> &Config {
        &self.require_wsk().config
    }

    /// The network stack, locked and at the current time.
    pub(super) fn stack(&self) -> MutexGuard<'_, Stack> {
        let mut stack = self.require_wsk().stack.lock().unwrap_or_else(PoisonError::into_inner);
        stack.set_time(self.now());
        stack
    }
}
