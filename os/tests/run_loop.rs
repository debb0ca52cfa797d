//! The run loop: passes, the clock, waiting, and the queue of sleeps.

mod support;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use os::virtual_time::{self, Deadlock, VirtualTime};
use os::{Bottom, Notify, Os, Wait};
use proptest::prelude::*;
use support::Signal;
use traits::{Instant, Time};

/// A bottom that writes down what is asked of it. Each reading of its clock is
/// a millisecond later than the one before.
#[derive(Default)]
struct Diary {
    readings: Cell<u64>,
    waits: RefCell<Vec<Wait>>,
    deliveries: Cell<u32>,
    /// Somebody to wake at a delivery, as for an event from outside.
    outside: RefCell<Option<Waker>>,
}

struct Silent;

impl Notify for Silent {
    fn notify(&self) {
        panic!("a wake within the thread must not notify");
    }
}

impl Bottom for Diary {
    type Notifier = Silent;
    type Error = Infallible;

    fn now(&self) -> Instant {
        self.readings.set(self.readings.get() + 1);
        Instant::from_millis(self.readings.get())
    }

    fn notifier(&self) -> Silent {
        Silent
    }

    fn wait(&self, wait: Wait) -> Result<(), Infallible> {
        self.waits.borrow_mut().push(wait);
        if let Wait::Until(deadline) = wait {
            self.readings.set(self.readings.get().max(deadline.as_millis()));
        }
        Ok(())
    }

    fn deliver(&self) {
        self.deliveries.set(self.deliveries.get() + 1);
        if let Some(waker) = self.outside.take() {
            waker.wake();
        }
    }
}

#[test]
fn the_clock_is_read_once_before_each_poll_and_stands_still_within() {
    let os = Os::new(Diary::default());
    os.run(async {
        let before = os.bottom().readings.get();
        for pass in 0..10 {
            assert_eq!(os.now(), Instant::from_millis(before + pass));
            assert_eq!(os.now(), os.now());
            os::yield_now().await;
        }
    });
}

#[test]
fn a_thread_that_was_woken_goes_on_without_waiting_but_the_outside_does_not_starve() {
    let os = Os::new(Diary::default());
    let passes = Cell::new(0);
    os.run(poll_fn(|context| {
        passes.set(passes.get() + 1);
        if passes.get() == 41 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }));
    let waits = os.bottom().waits.take();
    assert_eq!(waits, [Wait::Poll; 5], "once in eight passes, and never waiting");
    assert_eq!(os.bottom().deliveries.get(), 5);
}

#[test]
fn it_waits_for_the_earliest_deadline_and_a_sleep_that_ends_does_not_spin() {
    let os = Os::new(Diary::default());
    let polls = Cell::new(0);
    os.run(async {
        let early = os.sleep_until(Instant::from_secs(1));
        let late = os.sleep_until(Instant::from_secs(2));
        let counted = poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        });
        os::race!(
            async {
                os::join!(late, early);
            },
            counted
        );
    });
    let waits = os.bottom().waits.take();
    assert_eq!(waits, [Wait::Until(Instant::from_secs(1)), Wait::Until(Instant::from_secs(2))]);
    assert_eq!(polls.get(), 1);
}

#[test]
fn without_a_deadline_it_waits_for_the_outside_alone() {
    let os = Os::new(Diary::default());
    let mut waited = false;
    os.run(poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        os.bottom().outside.replace(Some(context.waker().clone()));
        Poll::Pending
    }));
    assert_eq!(os.bottom().waits.take(), [Wait::Forever]);
}

#[test]
fn a_wait_that_ends_for_no_reason_polls_nobody() {
    let os = Os::new(Diary::default());
    let signal = Signal::default();
    os.run(async {
        let end = async { os.sleep(Duration::from_secs(1)).await };
        os::race!(signal.idle(), end);
    });
    assert_eq!(signal.polls.get(), 1);
}

#[test]
fn virtual_time_jumps_from_deadline_to_deadline() {
    let os = Os::new(VirtualTime::starting_at(Instant::from_secs(100)));
    let slept = os.run(async {
        let start = os.now();
        os.sleep(Duration::from_secs(3600)).await;
        os.sleep(Duration::ZERO).await;
        os.sleep_until(Instant::ZERO).await;
        os.now().duration_since(start)
    });
    assert_eq!((slept, os.now()), (Duration::from_secs(3600), Instant::from_secs(3700)));
    os.bottom().advance(Duration::from_secs(300));
    os.run(async { assert_eq!(os.now(), Instant::from_secs(4000)) });
}

#[test]
fn a_deadlock_is_an_error_and_not_a_wait() {
    let os = Os::new(VirtualTime::new());
    assert_eq!(os.try_run(pending::<()>()), Err(Deadlock));
    let (task, _wakener) = os::wait::<()>();
    assert!(matches!(os.try_run(task), Err(Deadlock)));
    assert_eq!(Deadlock.to_string(), "deadlock: all threads wait, and nothing is due");
}

#[test]
#[should_panic(expected = "cannot go on: Deadlock")]
fn and_a_panic_in_run() {
    virtual_time::run(async |_| pending::<()>().await);
}

#[test]
fn equal_deadlines_end_in_the_order_in_which_they_began() {
    let order = RefCell::new(Vec::new());
    virtual_time::run(async |os| {
        let sleeper = async |name| {
            os.sleep(Duration::from_secs(1)).await;
            order.borrow_mut().push(name);
        };
        os::join!(sleeper(1), sleeper(2), sleeper(3), sleeper(4));
    });
    assert_eq!(*order.borrow(), [1, 2, 3, 4]);
}

#[test]
fn one_sleep_can_outlive_the_run_that_began_it() {
    let os = Os::new(VirtualTime::new());
    let mut sleep = Box::pin(os.sleep(Duration::from_secs(1)));
    os.run(async { assert!(poll_fn(|context| Poll::Ready(sleep.as_mut().poll(context))).await.is_pending()) });
    os.run(sleep.as_mut());
    assert_eq!(os.now(), Instant::from_secs(1));
}

#[test]
fn a_thread_may_run_another_one_to_its_end() {
    let os = Os::new(VirtualTime::new());
    os.run(async {
        let outer = os.sleep(Duration::from_secs(1));
        let inner = async { os.run(os.sleep(Duration::from_secs(5))) };
        os::join!(outer, inner);
    });
    assert_eq!(os.now(), Instant::from_secs(5));
}

proptest! {
    /// Threads that sleep for random times, of which some give up early: each
    /// ends exactly at the time it should, in the order of the times.
    #[test]
    fn sleeps_end_when_they_should(
        plans in prop::collection::vec((0_u64..50, prop::option::of(0_u64..50)), 1..40)
    ) {
        let ended = Rc::new(RefCell::new(Vec::new()));
        let os = Os::new(VirtualTime::new());
        let mut threads: Vec<_> = plans.iter().enumerate().map(|(index, &(sleep, limit))| {
            let (os, ended) = (&os, ended.clone());
            Box::pin(async move {
                let sleeps = async { os.sleep(Duration::from_millis(sleep)).await; sleep };
                let limits = async {
                    match limit {
                        Some(limit) => { os.sleep(Duration::from_millis(limit)).await; limit }
                        None => pending().await,
                    }
                };
                let planned = os::race!(sleeps, limits);
                ended.borrow_mut().push((os.now().as_millis(), planned, index));
            })
        }).collect();
        os.run(async {
            let mut left = threads.len();
            let mut done = vec![false; left];
            poll_fn(|context| {
                for (thread, done) in threads.iter_mut().zip(&mut done) {
                    if !*done && Future::poll(thread.as_mut(), context).is_ready() {
                        *done = true;
                        left -= 1;
                    }
                }
                if left == 0 { Poll::Ready(()) } else { Poll::Pending }
            }).await;
        });
        let ended = ended.take();
        prop_assert_eq!(ended.len(), plans.len());
        for &(at, planned, index) in &ended {
            let (sleep, limit) = plans[index];
            prop_assert_eq!(at, planned);
            prop_assert_eq!(at, limit.unwrap_or(sleep).min(sleep));
        }
        prop_assert!(ended.is_sorted_by_key(|&(at, ..)| at));
        // All places were given back.
        prop_assert_eq!(os.try_run(pending::<()>()), Err(Deadlock));
    }
}
