//! A client that sends and receives, again and again: [client.c](../c/client.c) does the same.
//!
//! `cargo xtask bench` runs both in a program of its own, with the same kernel and the same provider, and counts
//! the instructions of each. Their parameters and results are in [cost.h](../c/cost.h). For other systems
//! than Linux the crate is empty: an image with functions that are yet to be found is not made alike
//! everywhere.

#![cfg(target_os = "linux")]

use std::ffi::{c_int, c_void};
use std::net::Ipv4Addr;
use std::time::Duration;

use wsk::irql::Passive;
use wsk::rt::DpcExecutor;
use wsk::{Buffer, Registration, Result, TcpStream, rt, time};

/// `COST_LENGTH` of the header.
const LENGTH: usize = 64;

/// `cost_run` of the header, which documents it.
#[repr(C)]
#[derive(Debug)]
pub struct CostRun {
    warm_up: u32,
    rounds: u32,
    in_dpcs: u32,
    allocations: u64,
    received: u64,
    nanoseconds: u64,
}

unsafe extern "C" {
    safe fn wsk_host_allocations() -> u64;
    safe fn cost_time() -> u64;
}

/// The scenario of the header, for `wsk_host_run`.
///
/// # Safety
///
/// `context` points to a [`CostRun`] that no other code uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cost_client(context: *mut c_void) -> c_int {
    // SAFETY: `context` points to a `CostRun` that no other code uses (this function's contract).
    let run = unsafe { &mut *context.cast::<CostRun>() };
    // SAFETY: a host's thread stands for one at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let measured = measure(run, passive);
    // The registration's own thread deregisters after the drop.
    wsk::unload(passive);
    match measured {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("cost: {error}");
            1
        }
    }
}

fn measure(run: &mut CostRun, passive: Passive) -> Result<()> {
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let connected = rt::block_on(passive, async {
        // Lets the registration's own thread begin, which then waits to the end.
        time::sleep(Duration::from_millis(1)).await?;
        TcpStream::connect(&wsk, (Ipv4Addr::LOCALHOST, 7)).await
    });
    let stream = connected??;
    let counts = if run.in_dpcs == 0 {
        rt::block_on(passive, count::<false>(stream, run.warm_up, run.rounds))??
    } else {
        let executor = DpcExecutor::new(passive, 1)?;
        let task = executor.spawn(count::<true>(stream, run.warm_up, run.rounds))?;
        let counts = rt::block_on(passive, task)???;
        executor.shutdown(passive);
        counts
    };
    // CAST: a count of bytes.
    run.received = counts.received as u64;
    run.allocations = counts.allocations;
    run.nanoseconds = counts.nanoseconds;
    Ok(())
}

/// What the counted rounds have taken.
struct Counts {
    received: usize,
    allocations: u64,
    nanoseconds: u64,
}

/// Each executor has its own copy, as if there was no other.
async fn count<const IN_DPCS: bool>(
    stream: TcpStream,
    warm_up: u32,
    counted: u32,
) -> Result<Counts> {
    let buffers = (Buffer::new(LENGTH)?, Buffer::new(LENGTH)?);
    let (_, buffers) = rounds::<IN_DPCS>(&stream, buffers, warm_up).await?;
    let (before, start) = (wsk_host_allocations(), cost_time());
    let (received, _) = rounds::<IN_DPCS>(&stream, buffers, counted).await?;
    let nanoseconds = cost_time() - start;
    let allocations = wsk_host_allocations() - before;
    stream.close().await;
    Ok(Counts { received, allocations, nanoseconds })
}

/// What is measured. Each round sends a message, waits until it was sent, receives one, and waits for that.
/// Returns how many bytes were received.
async fn rounds<const IN_DPCS: bool>(
    stream: &TcpStream,
    (mut outgoing, mut incoming): (Buffer, Buffer),
    rounds: u32,
) -> Result<(usize, (Buffer, Buffer))> {
    let mut all = 0;
    for _ in 0..rounds {
        (_, outgoing) = stream.send_all(outgoing).await.into_result()?;
        let received;
        (received, incoming) = stream.recv(incoming).await.into_result()?;
        all += received;
    }
    Ok((all, (outgoing, incoming)))
}
