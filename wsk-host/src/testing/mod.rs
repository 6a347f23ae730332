//! The runner of tests on hosts, which the expansion of [`wsk_host::test`](crate::test) calls.

mod command;
mod explore;
mod runs;
mod shrink;
#[cfg(feature = "world")]
mod worlds;

use std::fmt::{self, Debug, Display, Write as _};
use std::future::Future;
use std::ops::Range;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use wsk_sys::PASSIVE_LEVEL;

use crate::host::Host;
use crate::kernel::blocks::describe_all;
use crate::kernel::ke::dispatcher::Signal;
use crate::kernel::ke::irql::current_irql;
use crate::kernel::ke::region;
use crate::verifier::kernel_violation;
use crate::wsk::require_ended;

pub use runs::{run, run_bytes};
#[cfg(feature = "world")]
pub use worlds::run_world;

/// The default seeds of a test. Miri runs few, because it is slow.
pub const SEEDS: Range<u64> = if cfg!(miri) { 0..2 } else { 0..32 };

fn require_no_locked_pages(host: &Host) {
    let usage = host.kernel().usage();
    let locked = usage.locked_pages().map(|(count, first)| {
        format!("the pages of {count} MDLs are still locked, the first of them {first}")
    });
    drop(usage);
    assert!(locked.is_none(), "{}", locked.unwrap_or_default());
}

/// Runs a scenario on a host, and requires that it leaves nothing behind.
fn run_on(host: &Host, scenario: &impl Fn(Host)) {
    let _entered = host.enter();
    scenario(host.clone());
    check_end(host);
}

/// Requires that a scenario has left nothing behind on a host.
fn check_end(host: &Host) {
    let _entered = host.enter();
    require_ended(host.kernel());
    // As after DriverUnload, no code of the client may run from here on.
    host.unload();
    host.settle();
    let left = host.kernel().devices().all_left();
    assert!(left.is_none(), "{}", left.unwrap_or_default());
    require_no_locked_pages(host);
    require_empty_pool(host);
    require_no_timers(host);
    require_no_resources(host);
}

fn require_no_timers(host: &Host) {
    let timers = host.kernel().timers();
    let (set, report) = (timers.set_count(), describe_all(timers.set_timers()));
    drop(timers);
    assert!(set == 0, "timers are still set: {set}{report}");
}

/// A client that ends has released its resources, and left its thread as it was.
fn require_no_resources(host: &Host) {
    let report = describe_all(host.kernel().resources().left());
    assert!(report.is_empty(), "the client has left:{report}");
    let (regions, irql) = (region::count(), current_irql());
    assert!(regions == 0, "the thread of the test has not left {regions} critical regions");
    assert!(irql == PASSIVE_LEVEL, "the thread of the test is still at IRQL {irql}");
}

fn require_empty_pool(host: &Host) {
    let damage = host.kernel().pool().damage();
    if let Some(damage) = damage {
        kernel_violation(&format!("the end of a test: {damage}"));
    }
    let leaks = host.outstanding_by_tag();
    let mut report = String::new();
    for (tag, (count, bytes)) in &leaks {
        let _ = write!(report, "\n  {}: {count} of {bytes} bytes", tag.escape_ascii());
    }
    let report = report + &host.kernel().pool().describe_outstanding();
    assert!(leaks.is_empty(), "memory was not freed, by tag:{report}");
}

/// Runs a future on the current thread, which waits in the kernel of its host whenever the future is pending.
///
/// ```
/// assert_eq!(wsk_host::block_on(async { 7 }), 7);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Wakes(Signal);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.set();
        }
    }

    let signal = Arc::new(Wakes(Signal::new()));
    let waker = Waker::from(Arc::clone(&signal));
    let mut future = pin!(future);
    loop {
        signal.0.clear();
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        signal.0.wait("a test", None);
    }
}

/// The error of a test, with the source location of the `?` that returned it.
///
/// A test may return any other error as well; its report then has no location.
///
/// ```
/// # use wsk_host::TestError;
/// #[wsk_host::test]
/// fn seven_is_a_number() -> Result<(), TestError> {
///     assert_eq!("7".parse::<u8>()?, 7);
///     Ok(())
/// }
/// ```
pub struct TestError {
    error: Box<dyn std::error::Error + Send + Sync>,
    place: &'static Location<'static>,
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for TestError {
    #[track_caller]
    fn from(error: E) -> Self {
        Self { error: error.into(), place: Location::caller() }
    }
}

impl Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  returned at {}", self.error, self.place)?;
        let mut source = self.error.source();
        while let Some(error) = source {
            write!(f, "\n  caused by: {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl Debug for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// What a test may return.
#[diagnostic::on_unimplemented(
    message = "a test returns nothing, or a `Result<(), E>`, and not `{Self}`",
    label = "of another type",
    note = "a test that returns a future is an `async fn`; a condition is required by `assert!`"
)]
pub trait TestOutput: Sized {
    /// Its [`TestResult`].
    type Checked;

    /// Wraps it.
    fn checked(self) -> Self::Checked;
}

impl TestOutput for () {
    type Checked = TestResult<()>;

    fn checked(self) -> TestResult<()> {
        TestResult(self)
    }
}

impl<E> TestOutput for Result<(), E> {
    type Checked = TestResult<Self>;

    fn checked(self) -> TestResult<Self> {
        TestResult(self)
    }
}

/// Wraps what a test returns. The compiler explains any other type.
pub fn checked<T: TestOutput>(output: T) -> T::Checked {
    output.checked()
}

/// The result of a test. The attribute calls `require`, which is [`ByDisplay::require`] if the error implements `Display`,
/// and otherwise [`ByDebug::require`]: method resolution tries the value before a reference to it.
pub struct TestResult<T>(pub T);

/// A result whose error implements `Display`.
pub trait ByDisplay {
    /// Requires that the test has succeeded.
    ///
    /// # Panics
    ///
    /// If it has failed, with the error.
    fn require(self);
}

/// A result whose error implements `Debug`.
pub trait ByDebug {
    /// Requires that the test has succeeded.
    ///
    /// # Panics
    ///
    /// If it has failed, with the error.
    fn require(self);
}

impl<E: Display> ByDisplay for TestResult<Result<(), E>> {
    fn require(self) {
        if let Err(error) = self.0 {
            panic!("the test has returned an error: {error}");
        }
    }
}

impl ByDisplay for TestResult<()> {
    fn require(self) {}
}

impl<E: Debug> ByDebug for &mut TestResult<Result<(), E>> {
    fn require(self) {
        if let Err(error) = &self.0 {
            panic!("the test has returned an error: {error:?}");
        }
    }
}
