//! Virtual time: sleeps, their order and their bound; the simulator's errors.

mod common;

use core::cell::RefCell;
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;

use common::{All, ms};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use netif_memory::{SimulationError, Simulator, VirtualClock, simulate};
use traits::{Clock, Instant, Time};

#[test]
fn sleeps_end_exactly_when_due_and_take_no_time() {
    let clock = VirtualClock::new();
    let ends = simulate(&clock, async {
        clock.sleep(Duration::from_secs(86_400)).await;
        let first = clock.now();
        clock.sleep_until(first).await;
        clock.sleep_until(first + Duration::from_nanos(1)).await;
        (first, clock.now())
    });
    let day = Instant::from_secs(86_400);
    assert_eq!(ends, Ok((day, day + Duration::from_nanos(1))));
}

#[test]
fn sleepers_wake_in_order_of_deadline_then_age() {
    let clock = VirtualClock::new();
    let log = RefCell::new(Vec::new());
    let task = |name: &'static str, millis| {
        let (clock, log) = (&clock, &log);
        Box::pin(async move {
            clock.sleep_until(ms(millis)).await;
            log.borrow_mut().push((name, clock.now()));
        }) as _
    };
    let tasks = All(vec![task("c", 30), task("a", 10), task("b", 20), task("a2", 10)]);
    assert_eq!(simulate(&clock, tasks), Ok(()));
    assert_eq!(*log.borrow(), [("a", ms(10)), ("a2", ms(10)), ("b", ms(20)), ("c", ms(30))]);
}

#[test]
fn more_sleepers_than_places_are_neither_lost_nor_late() {
    let clock = VirtualClock::<2>::with_capacity();
    let log = RefCell::new(Vec::new());
    let tasks = (0..100).map(|n: u64| {
        let (clock, log) = (&clock, &log);
        Box::pin(async move {
            let due = ms(1 + n * 7 % 100);
            clock.sleep_until(due).await;
            assert_eq!(clock.now(), due);
            log.borrow_mut().push(due);
        }) as _
    });
    assert_eq!(simulate(&clock, All(tasks.collect())), Ok(()));
    let log = log.borrow();
    assert!(log.is_sorted());
    assert_eq!(log.len(), 100);
}

/// Sleeps of tasks that have wakers of their own each: who is woken, when.
fn ends_of_tasks(sleeps: u64) -> (Vec<Instant>, u64) {
    let clock = VirtualClock::new();
    let mut simulator = Simulator::new(&clock).with_polls_per_instant(100);
    let ends = simulator.run(async {
        let sleep = async |n: u64| {
            let due = ms(1 + n * 7 % sleeps);
            clock.sleep_until(due).await;
            assert_eq!(clock.now(), due);
            due
        };
        (0..sleeps).map(sleep).collect::<FuturesUnordered<_>>().collect::<Vec<_>>().await
    });
    (ends.expect("they all end"), simulator.polls())
}

#[test]
fn more_tasks_than_places_with_wakers_of_their_own_are_polled_when_due_only() {
    for sleeps in [50, 500] {
        let (ends, polls) = ends_of_tasks(sleeps);
        assert!(ends.is_sorted());
        assert_eq!(ends.len() as u64, sleeps);
        // One or two for each deadline, and `FuturesUnordered` yields now and
        // then between its first polls.
        assert!(polls <= 2 * sleeps + sleeps / 16 + 2, "{polls} polls of {sleeps} sleeps");
    }
}

#[test]
fn those_beyond_the_places_wake_in_the_same_order_and_renew_and_give_back() {
    let clock = VirtualClock::<1>::with_capacity();
    let log = RefCell::new(Vec::new());
    let task = |name: &'static str, millis| {
        let (clock, log) = (&clock, &log);
        Box::pin(async move {
            clock.sleep_until(ms(millis)).await;
            log.borrow_mut().push(name);
        }) as _
    };
    let tasks = All(vec![task("d", 20), task("a", 10), task("b", 10), task("c", 20), task("e", 30)]);
    let all = simulate(&clock, async {
        let mut dropped = Box::pin(clock.sleep(Duration::from_secs(5)));
        let mut beyond = Box::pin(clock.sleep(Duration::from_millis(1)));
        poll_fn(|context| {
            for _ in 0..2 {
                assert!(dropped.as_mut().poll(context).is_pending());
                assert!(beyond.as_mut().poll(context).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!(clock.next_deadline(), Some(ms(1)));
        drop(beyond);
        assert_eq!(clock.next_deadline(), Some(Instant::from_secs(5)));
        drop(dropped);
        assert_eq!(clock.next_deadline(), None);
        tasks.await;
    });
    assert_eq!(all, Ok(()));
    assert_eq!(*log.borrow(), ["a", "b", "d", "c", "e"]);
}

#[test]
fn a_dropped_sleep_gives_its_place_back() {
    let clock = VirtualClock::<1>::with_capacity();
    let done = simulate(&clock, async {
        for _ in 0..3 {
            let mut sleep = Box::pin(clock.sleep(Duration::from_secs(5)));
            poll_fn(|context| Poll::Ready(sleep.as_mut().poll(context).is_pending())).await;
            assert_eq!(clock.next_deadline(), Some(Instant::from_secs(5)));
            drop(sleep);
            assert_eq!(clock.next_deadline(), None);
        }
        clock.sleep(Duration::from_millis(1)).await;
        clock.now()
    });
    assert_eq!(done, Ok(ms(1)));
}

#[test]
fn a_simulation_that_cannot_end_says_why() {
    let clock = VirtualClock::new();
    let stuck = simulate(&clock, async {
        clock.sleep(Duration::from_millis(7)).await;
        core::future::pending::<()>().await;
    });
    assert_eq!(stuck, Err(SimulationError::Deadlock { now: ms(7) }));
    assert!(stuck.unwrap_err().to_string().contains("deadlock at 0.007000000s"));

    let spinning = Simulator::new(&clock).with_polls_per_instant(100).run(poll_fn(|context| {
        context.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    assert_eq!(spinning, Err(SimulationError::Livelock { now: ms(7) }));

    let endless = Simulator::new(&clock).until(ms(100)).run(async {
        loop {
            clock.sleep(Duration::from_millis(10)).await;
        }
    });
    let _: Result<core::convert::Infallible, _> = endless;
    assert!(
        matches!(endless, Err(SimulationError::OutOfTime { now, next }) if now == ms(97) && next == ms(107))
    );
}

#[test]
fn running_up_to_a_time_stops_there_and_goes_on() {
    let clock = VirtualClock::new();
    let log = RefCell::new(Vec::new());
    let mut task = Box::pin(async {
        for _ in 0..3 {
            clock.sleep(Duration::from_millis(10)).await;
            log.borrow_mut().push(clock.now());
        }
    });
    let mut simulator = Simulator::new(&clock);
    assert_eq!(simulator.run_until(task.as_mut(), ms(15)), Ok(Poll::Pending));
    assert_eq!((clock.now(), log.borrow().len()), (ms(15), 1));
    assert_eq!(simulator.run_until(task.as_mut(), ms(1000)), Ok(Poll::Ready(())));
    assert_eq!(clock.now(), ms(30));
    // One poll to start, one for each deadline, one for the call at 15 ms.
    assert_eq!(simulator.polls(), 5);
}

#[test]
fn the_clock_never_goes_back_and_tells_the_date() {
    let clock = VirtualClock::new();
    clock.set_epoch(Duration::from_secs(1_795_503_600));
    clock.advance(Instant::from_secs(60));
    clock.advance(Instant::from_secs(30));
    assert_eq!(clock.now(), Instant::from_secs(60));
    let date = clock.gmtime();
    assert_eq!((date.year, date.month, date.day, date.hour, date.minute), (2026, 11, 24, 7, 1));
    assert!(!clock.advance_to_next());
}
