//! Small clients in C with one mistake each, which the host stops, and with practices that it tolerates.

use std::process::Command;

use anyhow::{Result, ensure};
use xshell::Shell;

use super::{Language, PATIENCE, in_language, run_with};
use crate::library::Library;
use crate::program::{ProgramOutput, execute};

const MISTAKES: &str = "wsk-host/c/tests/mistakes.c";

/// Each mistake, and parts of its report.
const REPORTS: [(&str, &[&str]); 62] = [
    ("RegistersAtDispatchLevel", &["WskRegister: called at IRQL 2, the maximum is 0"]),
    ("CapturesAtDispatchLevel", &["WskCaptureProviderNPI: called at IRQL 2, the maximum is 0"]),
    ("DeregistersAtDispatchLevel", &["WskDeregister: called at IRQL 2, the maximum is 0"]),
    ("QueriesAddressesAtDispatchLevel", &["WskControlSocket: called at IRQL 2, the maximum is 0"]),
    ("AllocatesPagedPoolAtDispatchLevel", &["ExAllocatePool2: called at IRQL 2, the maximum is 1"]),
    ("FreesPagedPoolAtDispatchLevel", &["ExFreePoolWithTag: called at IRQL 2, the maximum is 1"]),
    ("DescribesPagedPool", &["INV-23 violated", "the memory is not nonpaged pool"]),
    (
        "SendsFromAnMdlThatWasNeverBuilt",
        &["INV-21 violated", "the memory of the MDL is neither nonpaged nor locked"],
    ),
    ("UnlocksPagesInFlight", &["INV-21 violated", "the memory is the MDL of a request in flight"]),
    (
        "CompletesAnIrpWhoseMemoryItHasLent",
        &["INV-72 violated", "the memory of the IRP is the memory of a request in flight"],
    ),
    ("ShortensAnMdlInFlight", &["INV-73 violated", "its ByteCount was 4096, and is 8"]),
    (
        "UsesAPartialMdlAfterItsSource",
        &["INV-74 violated", "the pages of the MDL that this partial MDL is of were unlocked"],
    ),
    ("UnlocksNonpagedPool", &["MmUnlockPages: the pages are not locked"]),
    ("DescribesMoreThanTheWhole", &["IoBuildPartialMdl: the range is not within the source"]),
    ("AcquiresItsSpinLock", &["KeAcquireSpinLockRaiseToDpc: the current thread already holds"]),
    (
        "AcquiresItsQueuedSpinLock",
        &["KeAcquireInStackQueuedSpinLock: the current thread already holds"],
    ),
    ("WritesWhileItReads", &["ExAcquireSpinLockExclusive: the current thread already holds"]),
    (
        "SendsWithTheLockOfItsRoutine",
        &["KeAcquireSpinLockRaiseToDpc: the current thread already holds"],
    ),
    ("WaitsWithASpinLock", &["KeWaitForSingleObject: called at IRQL 2, the maximum is 1"]),
    (
        "CompletesAtARaisedLevel",
        &["a completion routine was called at IRQL 0, and has returned at IRQL 2"],
    ),
    (
        "ReturnsFromACallbackAtARaisedLevel",
        &["WskReceiveFromEvent was called at IRQL 0, and has returned at IRQL 2"],
    ),
    ("EndsAtARaisedLevel", &["the thread of the test is still at IRQL 2"]),
    ("ReleasesAFreeSpinLock", &["KeReleaseSpinLock: the lock is not held"]),
    ("ExchangesTheLevelsOfItsSpinLocks", &["KeLowerIrql: the new IRQL is above the current one"]),
    ("FreesItsIrpAndPassesItOn", &["violated", "the completion routine"]),
    ("CancelsAFreedIrp", &["IoCancelIrp: the block of", "with the tag `Irp ` was freed"]),
    ("FreesAnIrpTwice", &["IoFreeIrp: the block of", "with the tag `Irp ` was freed"]),
    ("UsesASocketBeforeItsCompletion", &["SIGSEGV ends the process\n  with:    Config"]),
    (
        "SetsAnEventOfAFunctionThatHasReturned",
        &["KeSetEvent: the event is on the stack, and is not initialized there"],
    ),
    ("SetsAnEventToWaitAtDispatchLevel", &["KeSetEvent: called at IRQL 2, the maximum is 1"]),
    (
        "WaitsForADisabledCallback",
        &["deadlock", "socket 1 has callbacks that are not enabled", "WskReceiveFromEvent"],
    ),
    (
        "SetsAnOptionOfFreedMemory",
        &["INV-27 violated", "the input buffer is in freed memory: the block of 4 bytes"],
    ),
    ("SetsStaticEventsOfFreedMemory", &["INV-27 violated", "the input buffer is in freed memory"]),
    (
        "GetsAnOptionIntoTooLittleMemory",
        &["INV-27 violated", "the output buffer has 2 bytes, 64 are required"],
    ),
    ("GetsAnAddressWithoutABuffer", &["INV-25 violated", "the memory for an address is null"]),
    ("ReleasesNothing", &["INV-57 violated"]),
    ("SendsNoMessages", &["INV-28 violated", "the list of buffers is null"]),
    ("DecidesOnNoConnection", &["INV-61 violated", "the WSK_INSPECT_ID is null"]),
    ("RegistersNothing", &["WskRegister: WskClientNpi is NULL"]),
    ("CapturesNothing", &["WskCaptureProviderNPI: WskProviderNpi is NULL"]),
    ("QueriesAfterItsEnd", &["INV-2 violated", "the registration block is not registered"]),
    (
        "CreatesAThreadAtDispatchLevel",
        &["PsCreateSystemThread: called at IRQL 2, the maximum is 0"],
    ),
    ("ClosesAHandleTwice", &["ZwClose: the handle is not open"]),
    ("WaitsForNoEvent", &["KeWaitForSingleObject: the event is not initialized"]),
    ("FreesWithAnotherTag", &["ExFreePoolWithTag: the tag differs"]),
    ("FreesThePartOfABlock", &["ExFreePoolWithTag: the memory is not from this host's pool"]),
    ("NeverReleasesWhatItRetains", &["INV-47 violated", "not released: 1"]),
    (
        "ReleasesWhatItSends",
        &["INV-75 violated", "an MDL of the list is the MDL of a request in flight"],
    ),
    ("SendsFreedMemory", &["INV-21 violated", "the memory of the MDL is in freed memory"]),
    ("SendsByAFreedMdl", &["INV-21 violated", "the MDL is in freed memory"]),
    (
        "GetsAnAddressIntoFreedMemory",
        &["INV-25 violated", "the memory for an address is in freed memory"],
    ),
    (
        "GetsAnAddressIntoPagedPool",
        &["INV-25 violated", "the memory for an address is in paged pool"],
    ),
    ("HasItsContextInPagedPool", &["INV-17 violated", "context is in paged pool"]),
    ("HasAnEventInPagedPool", &["KeInitializeEvent: the event is in paged pool"]),
    ("SetsACopyOfAnEvent", &["KeSetEvent: the event is on the stack", "it is a copy"]),
    ("SetsAnEventInFreedMemory", &["KeSetEvent: the event is in freed memory"]),
    ("SendsAnEndlessList", &["INV-28 violated", "returns to an element that it has left"]),
    ("SendsToAFreedAddress", &["INV-25 violated", "the address is in freed memory"]),
    ("BindsToHalfAnAddress", &["INV-25 violated", "the address has 8 bytes, 16 are required"]),
    ("SendsFreedControlData", &["INV-26 violated", "the control data is in freed memory"]),
    (
        "AcquiresAnAbandonedSpinLock",
        &["KeAcquireSpinLockRaiseToDpc: the lock was not released for 5 s"],
    ),
    ("SendsFromHalfAChain", &["INV-22 violated", "the buffer extends past its last MDL"]),
];

/// Each mistake is stopped with its report, and with a core-dumping signal or a failed run; none hangs.
pub(super) fn mistakes(shell: &Shell, library: &Library, languages: &[Language]) -> Result<()> {
    for language in languages {
        let program = in_language(shell, library, MISTAKES, *language)?;
        let ProgramOutput { out, .. } = execute(&mut Command::new(&program), &program, PATIENCE)?;
        let names: Vec<&str> = out.lines().collect();
        let reported: Vec<&str> = REPORTS.iter().map(|(name, _)| *name).collect();
        ensure!(
            names == reported,
            "{MISTAKES} has {names:?}, and reports are known of {reported:?}"
        );
        for (name, parts) in REPORTS {
            let ProgramOutput { status, err, .. } = run_with(&program, name)?;
            ensure!(
                !status.success()
                    && err.contains("wsk-host: ")
                    && parts.iter().all(|part| err.contains(part)),
                "`{name}` should be stopped with {parts:?}, but it ended with {status}:\n{err}"
            );
        }
    }
    println!("{} languages: {} mistakes are stopped", languages.len(), REPORTS.len());
    Ok(())
}

const UNUSUAL: &str = "wsk-host/c/tests/unusual.c";

/// Practices that the documentation allows are neither stopped nor warned of.
pub(super) fn unusual(shell: &Shell, library: &Library, languages: &[Language]) -> Result<()> {
    for language in languages {
        let program = in_language(shell, library, UNUSUAL, *language)?;
        let ProgramOutput { status, out, err } =
            execute(&mut Command::new(&program), &program, PATIENCE)?;
        ensure!(
            status.success() && out == "unusual\n" && err.is_empty(),
            "{} should end with 0, but it ended with {status}:\n{out}{err}",
            program.display()
        );
    }
    println!("{} languages: practices that the documentation allows", languages.len());
    Ok(())
}
