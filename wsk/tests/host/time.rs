//! Timeouts and waiting, in the host's own time.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use test_support::connection::{buffer, streams};
use test_support::futures::{join, poll_times};
use test_support::scenario::{last_under_miri, on, on_host, passive, with_all_timings};
use wsk::time::{
    self, MissedTickBehavior, Sleep, SystemTime, interval, sleep, sleep_until, timeout, timeout_at,
};
use wsk::{Buffer, ErrorKind, Provider, Runtime, TcpListener, TcpStream, UdpSocket};
use wsk_host::{Config, Host, Timing};

const HOUR: Duration = Duration::from_secs(3600);

/// As do its siblings: a timeout of a request, and one that a thread waits for.
#[test]
fn the_longest_sleep_does_not_end_at_once() {
    let long = Duration::from_secs(1_000_000);
    with_all_timings(async |_| {
        sleep(Duration::from_millis(1)).await?;
        let error = timeout(long, Sleep::new(Duration::MAX)?).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        timeout(Duration::MAX, sleep(Duration::from_millis(1))).await??;
        Ok(())
    });
    on(Config::default(), async |_| {
        let mut runtime = Runtime::new(passive(), 1)?;
        runtime.spawner().spawn(sleep(long))?;
        runtime.wait_timeout(passive(), Duration::MAX)?;
        runtime.shutdown(passive());
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_hour_passes_on_the_host_only() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1)]) {
        let host = Host::new(Config::default().timing(timing));
        let clock = host.clone();
        let start = Instant::now();
        let waited = on_host(&host, async |_| {
            let before = clock.elapsed();
            sleep(HOUR).await?;
            Ok(clock.elapsed().saturating_sub(before))
        });
        assert!((HOUR..HOUR + Duration::from_secs(1)).contains(&waited.unwrap()));
        assert!(start.elapsed() < HOUR / 60);
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

#[test]
fn a_timeout_fires_only_if_its_future_hangs() {
    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let result = timeout(HOUR, client.recv(Buffer::new(10)?)).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
        // The socket is as good as before, and the request that was given up takes nothing along.
        server.send_all(buffer(b"late")?).await.into_result()?;
        let mut received = 0;
        while received < 4 {
            received += timeout(HOUR, client.recv(Buffer::new(10)?)).await?.into_result()?.0;
        }
        let socket = UdpSocket::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        let result = timeout(HOUR, socket.recv_from(Buffer::new(10)?)).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
        let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
        assert!(timeout(HOUR, listener.accept()).await.is_err());
        // A timeout loses no connection.
        let address = listener.local_addr().await?;
        let connected = timeout(HOUR, TcpStream::connect(&wsk, address)).await?;
        timeout(HOUR, listener.accept()).await??;
        connected.map(drop)
    });
}

/// A peer that never acknowledges may hold up a shutdown (INV-50): here one that never reads.
/// One of many completed requests makes its task yield: it is reported as completed, even past the deadline.
#[test]
fn a_completed_request_beats_the_deadline_of_a_yielding_task() {
    on(Config::default().timing(Timing::Inline), async |wsk| {
        let (client, _server) = streams(&wsk).await?;
        for round in 0..300 {
            let late = async {
                // The time is up before the request is made.
                sleep(Duration::from_millis(2)).await?;
                client.local_addr().await
            };
            let mut waits = pin!(timeout(Duration::from_millis(1), late));
            assert!(poll_times(&mut waits, 1).await.is_none());
            sleep(Duration::from_millis(3)).await?;
            assert!(waits.await.is_ok_and(|address| address.is_ok()), "round {round}");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_blocked_send_times_out() {
    let config = Config::default().window(10);
    let run = async |wsk: Provider| {
        let (client, server) = streams(&wsk).await?;
        let result = timeout(HOUR, client.send(buffer(&[7; 1000])?)).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
        drop(server);
        Ok(())
    };
    on(config, run).unwrap();
}

#[test]
fn sleeps_end_in_the_order_of_their_times() {
    with_all_timings(async |_| {
        let (long, short) = (sleep(HOUR * 2), sleep(HOUR));
        let order = std::cell::RefCell::new(Vec::new());
        let (first, second) = join(
            async {
                let result = long.await;
                order.borrow_mut().push("long");
                result
            },
            async {
                let result = short.await;
                order.borrow_mut().push("short");
                result
            },
        )
        .await;
        first?;
        second?;
        assert_eq!(*order.borrow(), ["short", "long"]);
        Ok(())
    });
}

#[test]
fn a_sleep_can_be_dropped_at_any_time() {
    for seed in 0..if cfg!(miri) { 2 } else { 50 } {
        let host = Host::new(Config::default().seed(seed));
        on_host(&host, async |_| {
            drop(Sleep::new(HOUR)?);
            // Zero: the call of the deferred procedure is on its way at once.
            drop(Sleep::new(Duration::ZERO)?);
            let mut polled = pin!(Sleep::new(Duration::from_nanos(1))?);
            let _ = polled.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            sleep(Duration::ZERO).await
        })
        .unwrap();
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
    }
}

#[test]
fn a_sleep_fails_without_memory() {
    let host = Host::new(Config::default());
    let failing = host.clone();
    let run = async move |_| {
        failing.fail_allocation(1);
        assert_eq!(sleep(HOUR).await.unwrap_err().kind(), ErrorKind::OutOfMemory);
        Ok(())
    };
    on_host(&host, run).unwrap();
}

#[test]
#[cfg(not(miri))]
fn time_passes_on_the_machine_as_well() {
    let run = async |_| {
        let start = Instant::now();
        sleep(Duration::from_millis(20)).await?;
        Ok(start.elapsed())
    };
    let waited = on(Config::real(), run).unwrap();
    assert!(waited >= Duration::from_millis(20), "{waited:?}");
}

/// Ticks are at their times, whatever is dropped in between, and missed ones as the behavior says.
#[test]
fn an_interval_ticks_at_its_times() {
    const PERIOD: Duration = Duration::from_millis(100);
    with_all_timings(async |_| {
        assert_eq!(interval(Duration::ZERO).unwrap_err().kind(), ErrorKind::InvalidInput);
        let start = time::Instant::now();
        let mut ticks = interval(PERIOD)?;
        let mut planned = Vec::new();
        for _ in 0..5 {
            // Its first poll sets the timer, unless the tick is due.
            let early = poll_times(ticks.tick(), 1).await;
            let tick = match early {
                Some(tick) => tick,
                None => ticks.tick().await,
            };
            assert!(time::Instant::now() >= tick);
            planned.push(tick.duration_since(start).as_millis());
        }
        assert_eq!(planned, [0, 100, 200, 300, 400]);
        for (behavior, expected) in [
            (MissedTickBehavior::Burst, [100, 200, 300, 400]),
            (MissedTickBehavior::Skip, [100, 400, 500, 600]),
            // The late tick is returned at 350 or a little later.
            (MissedTickBehavior::Delay, [100, 450, 550, 650]),
        ] {
            let start = time::Instant::now();
            let mut ticks = time::interval_at(start + PERIOD, PERIOD)?;
            ticks.set_missed_tick_behavior(behavior);
            assert_eq!((ticks.missed_tick_behavior(), ticks.period()), (behavior, PERIOD));
            sleep_until(start + Duration::from_millis(350)).await?;
            for expected in expected {
                let tick = ticks.tick().await.duration_since(start);
                let late = tick.checked_sub(Duration::from_millis(expected));
                assert!(late.is_some_and(|late| late < PERIOD / 4), "{behavior:?}: {tick:?}");
            }
            ticks.reset();
            let before = time::Instant::now();
            assert!(ticks.tick().await >= before + PERIOD);
        }
        Ok(())
    });
}

#[test]
fn sleeps_and_timeouts_end_at_their_deadlines() {
    with_all_timings(async |_| {
        let (start, date) = (time::Instant::now(), SystemTime::now());
        let second = Duration::from_secs(1);
        sleep_until(start + second).await?;
        // One that has passed, and one that is set again, before it expires and afterwards.
        sleep_until(start).await?;
        let mut sleep = pin!(Sleep::until(start + HOUR)?);
        for seconds in 2..4 {
            sleep.reset(start + seconds * second)?;
            sleep.as_mut().await;
            assert_eq!(start.elapsed().as_secs(), u64::from(seconds));
        }
        assert!(timeout_at(start, async {}).await.is_ok());
        let error = timeout_at(start + 4 * second, std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 4);

        let now = SystemTime::now();
        assert_eq!(now.duration_since(date)?.as_secs(), 4);
        assert_eq!(date.duration_since(now).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(SystemTime::from_ticks(now.ticks()), now);
        assert_eq!(now.checked_add(HOUR).and_then(|later| later.checked_sub(HOUR)), Some(now));
        assert_eq!(now.checked_add(Duration::MAX), None);
        assert_eq!(SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(11_644_473_601)), None);

        assert_eq!(start.duration_since(start + second), Duration::ZERO);
        assert_eq!((start + second) - start, second);
        assert_eq!(start + Duration::from_nanos(1), start + Duration::from_nanos(100));
        assert!(start.checked_add(Duration::MAX).is_none() && start + Duration::MAX > start + HOUR);
        assert!(start.checked_sub(Duration::MAX).is_none());
        assert_eq!((start + HOUR).checked_sub(HOUR), Some(start));
        Ok(())
    });
}
