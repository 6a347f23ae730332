//! `Ps…` and `Zw…`: system threads and their handles.

use std::collections::HashMap;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use wsk_sys::{
    BOOLEAN, HANDLE, NTSTATUS, PASSIVE_LEVEL, PCLIENT_ID, PHANDLE, PKSTART_ROUTINE, PLARGE_INTEGER,
    POBJECT_ATTRIBUTES, PVOID, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_HANDLE,
    STATUS_SUCCESS, ULONG,
};

use crate::host::Host;
use crate::ke::require_at_most;
use crate::violation;

/// Open handles: threads, until they were waited for.
static HANDLES: Mutex<Option<Handles>> = Mutex::new(None);

#[derive(Default)]
struct Handles {
    threads: HashMap<usize, Option<JoinHandle<()>>>,
    last: usize,
}

fn handles() -> MutexGuard<'static, Option<Handles>> {
    HANDLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's argument. The client promises that it may be used in the thread.
struct Context(PVOID);

// SAFETY: see above.
unsafe impl Send for Context {}

#[unsafe(no_mangle)]
unsafe extern "C" fn PsCreateSystemThread(
    handle: PHANDLE,
    _access: ULONG,
    _attributes: POBJECT_ATTRIBUTES,
    _process: HANDLE,
    _client: PCLIENT_ID,
    routine: PKSTART_ROUTINE,
    context: PVOID,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "PsCreateSystemThread");
    let Some(routine) = routine else { violation("PsCreateSystemThread: no routine") };
    let host = Host::current();
    // A thread needs memory, too.
    if !host.may_allocate() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    let context = Context(context);
    let spawned = thread::Builder::new().name("system thread".to_owned()).spawn(move || {
        let context = context;
        let _entered = host.enter();
        // SAFETY: the caller of this function promised a routine for this context.
        unsafe { routine(context.0) };
    });
    let Ok(thread) = spawned else {
        return STATUS_INSUFFICIENT_RESOURCES;
    };
    let mut handles = handles();
    let handles = handles.get_or_insert_default();
    handles.last += 4;
    handles.threads.insert(handles.last, Some(thread));
    // SAFETY: the caller passes room for a handle.
    unsafe { handle.write(ptr::without_provenance_mut(handles.last)) };
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ZwWaitForSingleObject(
    handle: HANDLE,
    _alertable: BOOLEAN,
    timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwWaitForSingleObject");
    if !timeout.is_null() {
        violation("ZwWaitForSingleObject: wsk-host knows no time-out here");
    }
    let thread =
        match handles().as_mut().and_then(|handles| handles.threads.get_mut(&handle.addr())) {
            Some(thread) => thread.take(),
            None => return STATUS_INVALID_HANDLE,
        };
    // Without one, it was waited for before, and has ended.
    if thread.is_some_and(|thread| thread.join().is_err()) {
        violation("a system thread has panicked");
    }
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn ZwClose(handle: HANDLE) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwClose");
    match handles().as_mut().and_then(|handles| handles.threads.remove(&handle.addr())) {
        Some(_) => STATUS_SUCCESS,
        None => violation("ZwClose: not an open handle"),
    }
}
