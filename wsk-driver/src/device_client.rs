//! A WSK client whose life is that of a device: for Plug and Play drivers, which may have several devices, or none.

use core::time::Duration;

use wsk::irql::Passive;
use wsk::pool::PoolBox;
use wsk::{Provider, Registration, Runtime, Spawner, rt};

use crate::entry::StartedObjects;
use crate::error::{Error, Result};

/// The timeout for WSK to become ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// A registration with WSK, a provider, a runtime with its tasks, and a value that belongs to them: all that a device has of
/// WSK. For a driver whose entry point is another framework's, as with KMDF, where `EvtDevicePrepareHardware` starts one and
/// `EvtDeviceReleaseHardware` ends it.
///
/// Every device has its own. When the driver unloads, after its last device, it calls [`wsk::unload`].
///
/// ```
/// use std::net::Ipv4Addr;
///
/// use wsk::TcpListener;
/// use wsk::irql::Passive;
/// use wsk_driver::{Context as _, DeviceClient, Result};
///
/// /// When the device starts.
/// fn prepare(passive: Passive) -> Result<DeviceClient<()>> {
///     DeviceClient::start(passive, 1, async |wsk, spawner| -> Result<()> {
///         let listener = TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, 7))
///             .await
///             .context("cannot serve on port 7")?;
///         spawner.spawn(async move { while listener.accept().await.is_ok() {} })?;
///         Ok(())
///     })
/// }
///
/// /// When the device is removed or disabled.
/// fn release(client: DeviceClient<()>, passive: Passive) {
///     client.stop(passive);
/// }
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// release(prepare(passive)?, passive);
/// wsk::unload(passive);
/// # Ok::<(), wsk_driver::Error>(())
/// ```
pub struct DeviceClient<T> {
    kept: T,
    parts: StartedObjects,
}

impl<T> DeviceClient<T> {
    /// Registers with WSK, waits up to 5 seconds for it to become ready, starts a runtime of `threads` threads, and calls
    /// `start`, whose result the client keeps. If one of these fails, it ends what was started.
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` if WSK does not become ready.
    /// - Those of [`Registration::register`], of [`Runtime::new`], and of `start`.
    pub fn start<E: Into<Error>>(
        passive: Passive,
        threads: usize,
        start: impl AsyncFnOnce(&Provider, &Spawner) -> core::result::Result<T, E>,
    ) -> Result<Self> {
        let mut parts = StartedObjects { runtime: None, provider: None, registration: None };
        match fill(&mut parts, passive, threads, start) {
            Ok(kept) => Ok(Self { kept, parts }),
            Err(error) => {
                parts.end((), passive);
                Err(error)
            }
        }
    }

    /// The result of the function that started the client.
    #[must_use]
    pub const fn kept(&self) -> &T {
        &self.kept
    }

    /// Ends the tasks, then drops the kept value, then the provider, then waits for the requests that they have left in flight,
    /// and deregisters.
    pub fn stop(self, passive: Passive) {
        self.parts.end(self.kept, passive);
    }
}

/// Fills the parts, which the caller ends after an error.
fn fill<T, E: Into<Error>>(
    parts: &mut StartedObjects,
    passive: Passive,
    threads: usize,
    start: impl AsyncFnOnce(&Provider, &Spawner) -> core::result::Result<T, E>,
) -> Result<T> {
    let registration = parts.registration.insert(Registration::register(passive)?);
    let provider = parts.provider.insert(registration.capture(passive, PATIENCE)?);
    let spawner = parts.runtime.insert(Runtime::new(passive, threads)?).spawner();
    // In the pool: the stack is small.
    let future = PoolBox::pin_with(|| start(provider, &spawner))?;
    rt::block_on(passive, future)?.map_err(Into::into)
}
