//! Waits that look for news before they sleep, on the system.

use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use os::Os;
use traits::Time as _;

/// How often this thread has gone to sleep.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Is woken by another thread 50 times, each after it has seen the one before; how often
/// this one slept meanwhile.
fn wakes_from_a_thread(limit: Duration) -> u64 {
    let os = Os::new_unix().unwrap();
    os.set_busy_poll(limit);
    let (count, seen) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut thread = None;
    let before = sleeps();
    os.run(poll_fn(|context| {
        let (waker, told, shared) = (context.waker().clone(), count.clone(), seen.clone());
        thread.get_or_insert_with(|| {
            std::thread::spawn(move || {
                for wake in 0..50 {
                    while shared.load(Ordering::Acquire) < wake {
                        std::thread::yield_now();
                    }
                    std::thread::sleep(Duration::from_millis(1));
                    told.fetch_add(1, Ordering::Release);
                    waker.wake_by_ref();
                }
            })
        });
        let count = count.load(Ordering::Acquire);
        seen.store(count, Ordering::Release);
        if count == 50 { Poll::Ready(()) } else { Poll::Pending }
    }));
    let slept = sleeps() - before;
    thread.unwrap().join().unwrap();
    slept
}

#[test]
fn a_wait_that_looks_sees_what_one_that_sleeps_is_woken_by() {
    let looking = wakes_from_a_thread(Duration::from_secs(3600));
    assert!(looking < 10, "slept {looking} times");
    let sleeping = wakes_from_a_thread(Duration::ZERO);
    // Some may come before it sleeps, where this thread was held up.
    assert!(sleeping >= 20, "slept {sleeping} times");
}

/// What is due at a known time is no news to look for.
#[test]
fn a_deadline_is_slept_for() {
    let os = Os::new_unix().unwrap();
    os.set_busy_poll(Duration::from_secs(3600));
    let before = sleeps();
    for _ in 0..20 {
        os.run(os.sleep(Duration::from_millis(5)));
    }
    let slept = sleeps() - before;
    // A loop that looks sleeps never. One that is held up may find that it is too late to.
    assert!(slept >= 10, "slept {slept} times");
}
