//! A link with fixed storage and a clock work without an allocator: one that
//! refuses is armed meanwhile.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use netif_memory::{Fixed, Link, Settings, Simulator, VirtualClock};
use traits::{Instant, Network, Time, TxMeta};

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

struct Refusing;

// SAFETY: forwards to the system's allocator, or returns null.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ARMED.get() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

#[test]
fn frames_pass_without_a_heap() {
    let clock = VirtualClock::new();
    let settings = Settings::new().with_rate(10_000_000).with_delay(Duration::from_millis(1));
    let mut simulator = Simulator::new(&clock);
    ARMED.set(true);
    let link = Link::<_, Fixed<8, 1514>>::fixed(&clock, settings);
    let [a, b] = link.ports();
    let received = Cell::new(0);
    {
        let mut listen = pin!(b.listen(|frame| received.set(received.get() + frame.bytes.len())));
        for round in 1..=1000 {
            assert!(a.write(TxMeta::NONE, 1000, |buffer| buffer.len()).is_ok());
            let polled = simulator.run_until(listen.as_mut(), Instant::from_millis(round));
            assert!(polled.is_ok_and(|polled| polled.is_pending()));
        }
        let _ = simulator.run_until(listen.as_mut(), clock.now() + Duration::from_secs(1));
    }
    ARMED.set(false);
    assert_eq!(received.get(), 1_000_000);
}
