//! The location of memory: in the pool, on a thread's stack, or elsewhere.

use crate::call_stack::is_on_stack;
use crate::kernel::Kernel;
use crate::verifier::{Rule, fatal_violation, rule_violation, tolerated_violation};

/// Stops a client that passes memory that is on its stack, in paged pool, freed or too small.
pub(crate) fn require_nonpaged(
    kernel: &Kernel,
    rule: Rule,
    address: usize,
    size: usize,
    what: &str,
    call: &str,
) {
    let is_pool = require_allocated(kernel, rule, address, size, what, call);
    if is_pool && kernel.pool().is_paged(address) {
        rule_violation(rule, call, &format!("{what} is in paged pool"), None);
    } else if !is_pool && is_on_stack(address) {
        let found = format!("{what} is on the stack");
        if is_tolerated(rule) {
            tolerated_violation(rule, call, &found, None);
        } else {
            rule_violation(rule, call, &found, None);
        }
    }
}

/// Stops a client that passes memory of the pool that is freed or too small. Returns whether it is in the pool.
pub(crate) fn require_allocated(
    kernel: &Kernel,
    rule: Rule,
    address: usize,
    size: usize,
    what: &str,
    call: &str,
) -> bool {
    let mut pool = kernel.pool();
    let end = pool.end_of_block(address);
    let freed = if end.is_none() { pool.freed_at(address) } else { None };
    drop(pool);
    if let Some(freed) = freed {
        let found = format!("{what} is in freed memory: {freed}");
        fatal_violation(rule, call, &found, None, "the host would access freed memory");
    }
    if let Some(end) = end.filter(|end| address.saturating_add(size) > *end) {
        let found = format!("{what} has {} bytes, {size} are required", end - address);
        let why = "the host would access memory beyond it";
        fatal_violation(rule, call, &found, None, why);
    }
    end.is_some()
}

/// Stops a client if a function has returned on whose stack is memory that a request or an object still uses. Called where
/// a thread waits, makes a request, or ends: a function that waits for its request does not return before.
pub(crate) fn require_frames(kernel: &Kernel, call: &str) {
    let returned = kernel.usage().take_returned();
    if let Some((rule, noun, owner, origin)) = returned {
        let found =
            format!("the {noun} of {owner} is on the stack of a function that has returned");
        rule_violation(rule, call, &found, Some(&origin));
    }
}

/// Whether shipped drivers break a rule by memory on the stack of a function that waits.
fn is_tolerated(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::CLIENT_TABLE_UNCHANGED
            | Rule::REGISTRATION_BLOCK
            | Rule::CONTEXT_NONPAGED
            | Rule::ADDRESS_MEMORY
    )
}
