//! Time.

use core::fmt::Debug;
use core::time::Duration;

use embassy_time_driver::Driver;
use wsk::time::{
    self, EmbassyTimeDriver, Instant, Interval, MissedTickBehavior, Sleep, SystemTime,
};

use crate::entries::Foreign;

futures! {
    "time::sleep": |duration: Duration| time::sleep(duration);
    "time::sleep_until": |deadline: Instant| time::sleep_until(deadline);
    "time::timeout_at": |(deadline, future): (Instant, Foreign<8>)| {
        time::timeout_at(deadline, future)
    };
    "EmbassyTimeDriver::run": |driver: &'static EmbassyTimeDriver| driver.run();
    "Interval::tick": |interval: &'static mut Interval| interval.tick();
    "time::timeout": |(duration, future): (Duration, Foreign<8>)| time::timeout(duration, future);
}

calls! {
    "Sleep::new": |duration: Duration| Sleep::new(duration);
    "Sleep::until": |deadline: Instant| Sleep::until(deadline);
    "Sleep::reset": |(sleep, deadline): (&'static mut Sleep, Instant)| sleep.reset(deadline);
    "EmbassyTimeDriver::new": |()| EmbassyTimeDriver::<32>::new();
    "EmbassyTimeDriver::default": |()| EmbassyTimeDriver::<32>::default();
    "EmbassyTimeDriver::now": |driver: &'static EmbassyTimeDriver| driver.now();
    "EmbassyTimeDriver::schedule_wake":
        |(driver, at, waker): (&'static EmbassyTimeDriver, u64, core::task::Waker)| {
            driver.schedule_wake(at, &waker);
        };
    "Instant::now": |()| Instant::now();
    "Instant::duration_since": |(now, earlier): (Instant, Instant)| now.duration_since(earlier);
    "Instant::elapsed": |start: Instant| start.elapsed();
    "Instant::checked_add": |(start, duration): (Instant, Duration)| start.checked_add(duration);
    "Instant::checked_sub": |(end, duration): (Instant, Duration)| end.checked_sub(duration);
    "Instant::add": |(start, duration): (Instant, Duration)| start + duration;
    "Instant::sub": |(end, start): (Instant, Instant)| end - start;
    "SystemTime::now": |()| SystemTime::now();
    "SystemTime::from_ticks": |ticks: u64| SystemTime::from_ticks(ticks);
    "SystemTime::ticks": |time: SystemTime| time.ticks();
    "SystemTime::duration_since": |(now, earlier): (SystemTime, SystemTime)| {
        now.duration_since(earlier)
    };
    "SystemTime::checked_add": |(start, duration): (SystemTime, Duration)| {
        start.checked_add(duration)
    };
    "SystemTime::checked_sub": |(end, duration): (SystemTime, Duration)| end.checked_sub(duration);
    "time::interval": |period: Duration| time::interval(period);
    "time::interval_at": |(start, period): (Instant, Duration)| time::interval_at(start, period);
    "Interval::poll_tick":
        |(interval, context): (&'static mut Interval, &'static mut core::task::Context<'static>)| {
            interval.poll_tick(context)
        };
    "Interval::reset": |interval: &'static mut Interval| interval.reset();
    "Interval::period": |interval: &'static Interval| interval.period();
    "Interval::missed_tick_behavior": |interval: &'static Interval| interval.missed_tick_behavior();
    "Interval::set_missed_tick_behavior":
        |(interval, behavior): (&'static mut Interval, MissedTickBehavior)| {
            interval.set_missed_tick_behavior(behavior);
        };
}

const _: () = {
    #[unsafe(export_name = "Sleep::poll")]
    unsafe extern "C" fn poll(
        future: *mut core::ffi::c_void,
        context: *mut core::ffi::c_void,
        result: *mut core::ffi::c_void,
    ) {
        // SAFETY: the caller of the export passes a sleep, a context, and room for the result.
        unsafe { crate::entries::poll(|sleep: Sleep| sleep, future, context, result) }
    }
};

drops! {
    "EmbassyTimeDriver::drop": EmbassyTimeDriver;
    "Sleep::drop": Sleep;
    "Interval::drop": Interval;
}

formats! {
    "Sleep::fmt<Debug>": Sleep as Debug;
    "EmbassyTimeDriver::fmt<Debug>": EmbassyTimeDriver as Debug;
    "Interval::fmt<Debug>": Interval as Debug;
}
