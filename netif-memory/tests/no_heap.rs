//! A link with fixed storage and a clock work without an allocator: one that
//! refuses is armed meanwhile.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use netif_memory::{Fixed, Link, Settings, Simulator, VirtualClock};
use traits::{Instant, Network, Time, TxMeta};

#[test]
fn frames_pass_without_a_heap() {
    let clock = VirtualClock::new();
    let settings = Settings::new().with_rate(10_000_000).with_delay(Duration::from_millis(1));
    let mut simulator = Simulator::new(&clock);
    test_allocator::forbid();
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
    test_allocator::allow();
    assert_eq!(received.get(), 1_000_000);
}
