//! `DriverEntry` and `DriverUnload`: the start of a driver, and its end in the right order.
//!
//! # Safety
//!
//! The system calls `DriverEntry` once, at `PASSIVE_LEVEL`, with the driver's own object and the path of its registry key; and
//! `DriverUnload` once afterwards, at `PASSIVE_LEVEL`, if `DriverEntry` has succeeded.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::OnceCell;
use core::time::Duration;

use wsk::irql::Passive;
use wsk::pool::PoolBox;
use wsk::{Provider, Registration, RegistrationBuilder, Runtime, Spawner, rt};
use wsk_sys::{
    NTSTATUS, PDRIVER_OBJECT, PUNICODE_STRING, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS,
};

use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::state::{self, StateAllocation};

/// Whether this is a process, in which every test has the tag of the first allocation.
const IS_HOST: bool = cfg!(not(windows));

/// The timeout for WSK to become ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// The settings of a driver that [`driver!`](crate::driver) passes to [`run`].
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The prefix of the driver's messages.
    pub name: &'static str,
    /// The tag of the driver's memory.
    pub pool_tag: [u8; 4],
    /// The number of the runtime's threads.
    pub threads: usize,
}

/// A driver during its start, with its load parameters and the objects its tasks need. WSK and the runtime are started
/// when they are first asked for.
///
/// `DriverUnload` ends them, and so does a start that fails: the runtime with its tasks, the provider, the registration.
pub struct Driver {
    passive: Passive,
    object: PDRIVER_OBJECT,
    settings: &'static Settings,
    parameters: Parameters,
    runtime: OnceCell<Runtime>,
    provider: OnceCell<Provider>,
    registration: OnceCell<Registration>,
}

impl Driver {
    /// The proof that the start runs at `PASSIVE_LEVEL`.
    #[must_use]
    pub const fn passive(&self) -> Passive {
        self.passive
    }

    /// Returns the driver object, to create a device and to set dispatch routines. The system calls these routines only after
    /// the start has succeeded. The driver must not change `DriverUnload`.
    #[must_use]
    pub const fn object(&self) -> PDRIVER_OBJECT {
        self.object
    }

    /// The driver's parameters in the registry.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Registers with WSK with settings that must precede all sockets, such as
    /// [`device_object`](RegistrationBuilder::device_object). Without it, [`wsk`](Self::wsk) registers with none.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` if the driver is registered already.
    /// - Those of [`RegistrationBuilder::register`].
    pub fn register(&self, builder: RegistrationBuilder) -> Result<()> {
        if self.registration.get().is_some() {
            return Err(Error::new(
                STATUS_INVALID_DEVICE_REQUEST,
                format_args!("the driver is registered with WSK already"),
            ));
        }
        let registration = builder.register(self.passive)?;
        self.registration.set(registration).map_err(|_| started_twice())
    }

    /// WSK. Waits up to 5 seconds for it to become ready; early in the boot, it becomes ready only after `DriverEntry` has
    /// returned.
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` if it does not become ready.
    /// - Those of [`Registration::register`].
    pub fn wsk(&self) -> Result<&Provider> {
        if let Some(provider) = self.provider.get() {
            return Ok(provider);
        }
        if self.registration.get().is_none() {
            self.register(Registration::builder())?;
        }
        let registration = self.registration.get().ok_or_else(started_twice)?;
        let provider = registration.capture(self.passive, PATIENCE)?;
        // Not `get_or_init`, which can panic.
        self.provider.set(provider).map_err(|_| started_twice())?;
        self.provider.get().ok_or_else(started_twice)
    }

    /// The spawner of the driver's runtime, whose tasks run until `DriverUnload`.
    ///
    /// # Errors
    ///
    /// Those of [`Runtime::new`].
    pub fn spawner(&self) -> Result<Spawner> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime.spawner());
        }
        let runtime = Runtime::new(self.passive, self.settings.threads)?;
        let spawner = runtime.spawner();
        self.runtime.set(runtime).map_err(|_| started_twice())?;
        Ok(spawner)
    }

    /// Spawns a task on the driver's runtime, which runs until it finishes, or until `DriverUnload`.
    ///
    /// # Errors
    ///
    /// Those of [`spawner`](Self::spawner) and of [`Spawner::spawn`].
    pub fn spawn<F>(&self, future: F) -> Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawner()?.spawn(future)?;
        Ok(())
    }

    fn into_parts(self) -> StartedObjects {
        let Self { runtime, provider, registration, .. } = self;
        StartedObjects {
            runtime: runtime.into_inner(),
            provider: provider.into_inner(),
            registration: registration.into_inner(),
        }
    }
}

/// The error for a cell that is unexpectedly full or empty. This cannot happen; it is an error instead of a panic.
fn started_twice() -> Error {
    Error::new(STATUS_INVALID_DEVICE_REQUEST, format_args!("the driver was started twice"))
}

/// The objects that were started for a driver.
pub(crate) struct StartedObjects {
    pub(crate) runtime: Option<Runtime>,
    pub(crate) provider: Option<Provider>,
    pub(crate) registration: Option<Registration>,
}

impl StartedObjects {
    /// Ends everything, in the order that shutdown requires: the tasks, then the driver's state, then the provider,
    /// then the registration, which waits for the requests that they left in flight.
    pub(crate) fn end<T>(self, kept: T, passive: Passive) {
        let Self { runtime, provider, registration } = self;
        if let Some(runtime) = runtime {
            runtime.shutdown(passive);
        }
        drop(kept);
        drop(provider);
        if let Some(registration) = registration {
            registration.deregister(passive);
        }
    }
}

/// A driver's state between `DriverEntry` and `DriverUnload`.
struct DriverState<T> {
    kept: T,
    stop: Option<StopFunction<T>>,
    parts: StartedObjects,
}

/// Ends a driver's state, while its tasks still run.
pub(crate) type StopFunction<T> = fn(T, Passive);

/// Starts a driver: the body of the `DriverEntry` that [`driver!`](crate::driver) defines.
///
/// # Safety
///
/// `DriverEntry` calls it, once, with its own arguments.
pub unsafe fn run<T: Send + 'static>(
    settings: &'static Settings,
    object: PDRIVER_OBJECT,
    registry_path: PUNICODE_STRING,
    start: impl FnOnce(&Driver) -> Result<T>,
    stop: Option<fn(T, Passive)>,
) -> NTSTATUS {
    // SAFETY: the system calls DriverEntry at PASSIVE_LEVEL, and the token does not leave it.
    let passive = unsafe { Passive::assume() };
    crate::set_name(&settings.name);
    // Before the first allocation, which decides for a tag.
    match wsk::pool::set_tag(settings.pool_tag) {
        Ok(()) => {}
        Err(error) if IS_HOST && error.status() == STATUS_INVALID_DEVICE_REQUEST => {}
        Err(error) => {
            crate::println!("does not start: its pool tag: {error}");
            return error.status();
        }
    }
    #[cfg(feature = "log")]
    crate::log_backend::install();
    // Before the start, after which nothing may fail.
    let Some(place) = StateAllocation::allocate() else {
        crate::println!("does not start: no memory");
        return STATUS_INSUFFICIENT_RESOURCES;
    };
    // SAFETY: the system passes the path of the driver's key, which is valid during DriverEntry.
    let parameters = unsafe { Parameters::open(registry_path, passive) };
    let driver = Driver {
        passive,
        object,
        settings,
        parameters,
        runtime: OnceCell::new(),
        provider: OnceCell::new(),
        registration: OnceCell::new(),
    };
    let result = start(&driver);
    let parts = driver.into_parts();
    match result {
        Ok(kept) => {
            // SAFETY: DriverEntry runs once, before DriverUnload, and nothing else uses the state.
            unsafe { place.store(DriverState { kept, stop, parts }) };
            // SAFETY: the system passes the driver's object, which is valid and not accessed elsewhere meanwhile.
            unsafe { (*object).DriverUnload = Some(unload::<T>) };
            STATUS_SUCCESS
        }
        Err(error) => {
            // After an error, the system unloads the driver without calling DriverUnload.
            drop(place);
            parts.end((), passive);
            wsk::unload(passive);
            crate::println!("does not start: {error}");
            error.status()
        }
    }
}

/// The driver's unload routine. No code of the driver may run after it returns.
///
/// # Safety
///
/// Called by the system, once, at `PASSIVE_LEVEL`, after [`run`] has stored a state with a `T`.
unsafe extern "C" fn unload<T: Send>(_driver: PDRIVER_OBJECT) {
    // SAFETY: the system calls DriverUnload at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    // SAFETY: `run` has stored a `DriverState<T>` where it named this routine; the system calls DriverUnload once, after it.
    if let Some(DriverState { kept, stop, parts }) = unsafe { state::take::<DriverState<T>>() } {
        match stop {
            Some(stop) => {
                stop(kept, passive);
                parts.end((), passive);
            }
            None => parts.end(kept, passive),
        }
    }
    // Returns when no code of the driver runs but this.
    wsk::unload(passive);
    let usage = wsk::pool::usage();
    crate::println!(
        "unloaded; pool: {} allocations, {} frees, {} outstanding, {} at most",
        usage.allocations,
        usage.frees,
        usage.outstanding(),
        usage.peak,
    );
}

/// A call of the driver's start or stop function, async or not, for [`driver!`](crate::driver).
#[doc(hidden)]
pub struct Call<C>(pub C);

impl<C, T, E> Call<C>
where
    C: FnOnce() -> core::result::Result<T, E>,
    E: Into<Error>,
{
    /// Of a plain function.
    #[doc(hidden)]
    pub fn start(self, _passive: Passive) -> Result<T> {
        self.0().map_err(Into::into)
    }
}

impl<C: FnOnce()> Call<C> {
    /// Of a plain function.
    #[doc(hidden)]
    pub fn stop(self, _passive: Passive) {
        self.0();
    }
}

/// A call of an async function. Its methods are used if those of [`Call`] itself do not apply.
#[doc(hidden)]
pub trait AsyncCall {
    /// Of the function that starts the driver.
    fn start<T, E: Into<Error>>(self, passive: Passive) -> Result<T>
    where
        Self: OfFuture<core::result::Result<T, E>>;

    /// Of the function that stops the driver.
    fn stop(self, passive: Passive)
    where
        Self: OfFuture<()>;
}

/// A call that returns a future with this output.
#[doc(hidden)]
pub trait OfFuture<O> {
    /// Creates the future in the pool, since the stack is small, and waits for it.
    fn wait(self, passive: Passive) -> wsk::Result<O>;
}

impl<C, F> OfFuture<F::Output> for Call<C>
where
    C: FnOnce() -> F,
    F: Future,
{
    fn wait(self, passive: Passive) -> wsk::Result<F::Output> {
        rt::block_on(passive, PoolBox::pin_with(self.0)?)
    }
}

impl<C, F> AsyncCall for Call<C>
where
    C: FnOnce() -> F,
    F: Future,
{
    fn start<T, E: Into<Error>>(self, passive: Passive) -> Result<T>
    where
        Self: OfFuture<core::result::Result<T, E>>,
    {
        self.wait(passive)?.map_err(Into::into)
    }

    fn stop(self, passive: Passive)
    where
        Self: OfFuture<()>,
    {
        if let Err(error) = self.wait(passive) {
            crate::println!("cannot wait for the stop: {error}");
        }
    }
}

/// Makes a driver of a function that starts it: defines `DriverEntry` and `DriverUnload`, and the items of this crate's
/// features in the driver ([`panic_handler!`](crate::panic_handler), [`runtime_symbols!`](macro@crate::runtime_symbols),
/// [`allocator!`](crate::allocator)).
///
/// | argument | meaning |
/// |---|---|
/// | `name` | the prefix of the driver's messages |
/// | `pool_tag` | the tag of the driver's memory, four characters: `b"Echo"` |
/// | `threads` | optional: the number of the runtime's threads, one by default |
/// | `start` | a function, async or not: `fn(&Driver) -> Result<T, E>`, where `E` is [`Error`] or [`wsk::Error`] |
/// | `stop` | optional: a function, async or not: `fn(T, Passive)` |
///
/// `DriverEntry` calls `start`. If that fails, it ends what was started, logs the error and returns its status.
/// Otherwise the driver keeps the value, a `T: Send + 'static`, until `DriverUnload`. That passes it to `stop`, while
/// the tasks still run; or else drops it after the tasks. Then it ends the rest, in the [order](wsk::guide::unloading)
/// that WSK requires, whatever the driver keeps: sockets, providers, runtimes, and its own registrations. It waits
/// until no code of the driver runs but itself.
///
/// ```
/// use core::net::Ipv4Addr;
/// use wsk::{TcpListener, TcpStream};
/// use wsk_driver::{Context as _, Driver, Result};
///
/// wsk_driver::driver! {
///     name: "hello",
///     pool_tag: b"Helo",
///     start: start,
/// }
///
/// async fn start(driver: &Driver) -> Result<()> {
///     let port = driver.parameters().port("Port")?.unwrap_or(1313);
///     let listener = TcpListener::bind(driver.wsk()?, (Ipv4Addr::UNSPECIFIED, port))
///         .await
///         .context(format_args!("cannot serve on port {port}"))?;
///     driver.spawn(async move {
///         while let Ok((stream, _peer)) = listener.accept().await {
///             let _ = greet(stream).await;
///         }
///     })?;
///     wsk_driver::println!("serving on port {port}");
///     Ok(())
/// }
///
/// async fn greet(stream: TcpStream) -> wsk::Result<()> {
///     stream.send_all(wsk::Buffer::try_from(b"hello\n")?).await.into_result()?;
///     stream.shutdown().await
/// }
///
/// // On a host, a test loads and unloads it.
/// # fn main() {
/// let host = wsk_host::Host::new(wsk_host::Config::default());
/// let _entered = host.enter();
/// // SAFETY: the macro defines a driver's entry point.
/// let driver = unsafe { wsk_host::Driver::load("hello", Some(DriverEntry)) }.unwrap();
/// driver.unload();
/// # }
/// ```
#[cfg(feature = "entry")]
#[macro_export]
macro_rules! driver {
    (
        name: $name:expr,
        pool_tag: $pool_tag:expr,
        $(threads: $threads:expr,)?
        start: $start:path
        $(, stop: $stop:path)?
        $(,)?
    ) => {
        /// The driver's entry point.
        ///
        /// # Safety
        ///
        /// Called by the system, once, at `PASSIVE_LEVEL`.
        #[cfg_attr(all(windows, not(test)), unsafe(no_mangle))]
        #[allow(non_snake_case, unsafe_code, unreachable_pub, reason = "the system's name for it")]
        pub unsafe extern "C" fn DriverEntry(
            driver: $crate::__private::PDRIVER_OBJECT,
            registry_path: $crate::__private::PUNICODE_STRING,
        ) -> $crate::__private::NTSTATUS {
            #[allow(unused_imports, reason = "for async functions")]
            use $crate::__private::AsyncCall as _;
            static SETTINGS: $crate::__private::Settings = $crate::__private::Settings {
                name: $name,
                pool_tag: *$pool_tag,
                threads: $crate::__first!($($threads,)? 1),
            };
            // SAFETY: the system calls this function, with these arguments.
            unsafe {
                $crate::__private::run(
                    &SETTINGS,
                    driver,
                    registry_path,
                    |driver| $crate::__private::Call(|| $start(driver)).start(driver.passive()),
                    $crate::__stop!($($stop)?),
                )
            }
        }
        $crate::__panic_handler!();
        $crate::__runtime_symbols!();
        $crate::__allocator!();
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __first {
    ($first:expr $(, $rest:expr)*) => {
        $first
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stop {
    () => {
        ::core::option::Option::None
    };
    ($stop:path) => {
        ::core::option::Option::Some(|kept, passive| {
            $crate::__private::Call(|| $stop(kept, passive)).stop(passive)
        })
    };
}
