//! A device that is full, holds frames back, fails or is written to from
//! within.

mod common;

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::Waker;
use core::time::Duration;

use common::{
    Device, NONE, everything, listen, ms, number, numbered, random, run_until, send, send_with, tower,
};
use netif_faults::{Faults, Probability};
use netif_memory::{Link, Settings, VirtualClock, WhenFull};
use traits::{Instant, Layer, Network, SendError, Time, TxMeta};

/// A device that counts how often it was flushed.
struct Flushed<N> {
    device: N,
    count: Cell<u32>,
}

impl<N: Network> Layer for Flushed<N> {
    traits::forward_layer!(device, except flush);

    fn flush(&self) {
        self.count.set(self.count.get() + 1);
    }
}

impl<N: Network> Network for Flushed<N> {
    type Error = N::Error;

    traits::forward_network!(device);
}

/// A device may keep frames that others follow until the last is there.
#[test]
fn a_last_frame_that_is_lost_or_late_lets_those_before_go() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let lossy = NONE.with_loss(Probability::ALWAYS);
    let late = NONE.with_delay(Duration::from_millis(5), Duration::ZERO);
    for (set, expected) in [(NONE, 0), (lossy, 1), (late, 1)] {
        let [port, _] = link.ports();
        let device = Flushed { device: port, count: Cell::new(0) };
        let faulty = Faults::new(&device, random(1), NONE, NONE);
        send_with(&faulty, TxMeta::NONE.with_more(true), &numbered(1)).unwrap();
        faulty.set_transmit(set);
        send_with(&faulty, TxMeta::NONE, &numbered(2)).unwrap();
        assert_eq!(device.count.get(), expected, "{set:?}");
    }
}

/// Sends frames as fast as the device lets, and says when each went.
async fn push(device: &impl Network, count: u32, refused: &Cell<u32>) {
    for n in 0..count {
        while let Err(error) = send(device, &numbered(n)) {
            assert_eq!(error, SendError::Full);
            refused.set(refused.get() + 1);
            poll_fn(|context| device.poll_room(context.waker())).await;
        }
    }
}

#[test]
fn a_device_full_at_random_has_room_again_on_time() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let set = NONE.with_full(Probability::percent(20), Duration::from_millis(7));
    let device = Faults::new(a, random(3), set, NONE);
    let (received, refused) = (RefCell::default(), Cell::new(0));
    let tasks = vec![listen(&b, &received), Box::pin(push(&device, 100, &refused)), tower(&device, &clock)];
    run_until(&clock, tasks, Instant::from_secs(60));
    let received = received.borrow();
    assert_eq!(received.len(), 100);
    assert!(refused.get() > 5);
    assert_eq!(device.faults().transmit.full, u64::from(refused.get()));
    assert_eq!(received.last().unwrap().0, ms(7 * u64::from(refused.get())));
}

#[test]
fn a_device_full_for_one_write_does_not_hold_up() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let device = Faults::new(a, random(3), NONE.with_full(Probability::percent(50), Duration::ZERO), NONE);
    let (received, refused) = (RefCell::default(), Cell::new(0));
    let tasks = vec![listen(&b, &received), Box::pin(push(&device, 100, &refused)), tower(&device, &clock)];
    run_until(&clock, tasks, ms(0));
    assert_eq!(received.borrow().len(), 100);
    assert!(refused.get() > 50);
}

#[test]
fn back_pressure_of_the_device_below_is_passed_on() {
    let clock = VirtualClock::new();
    // A frame of 60 bytes takes 1 ms.
    let link = Link::new(&clock, Settings::new().with_rate(480_000).with_queue(2, WhenFull::Refuse));
    let [a, b] = link.ports();
    let set = NONE.with_duplication(Probability::percent(30));
    let device = Faults::new(a, random(3), set, NONE);
    let (received, refused) = (RefCell::default(), Cell::new(0));
    let tasks = vec![listen(&b, &received), Box::pin(push(&device, 200, &refused)), tower(&device, &clock)];
    run_until(&clock, tasks, Instant::from_secs(60));
    let counts = device.faults().transmit;
    assert_eq!(counts.overflow, 0);
    let total = 200 + counts.duplicated;
    let received = received.borrow();
    assert_eq!(received.len() as u64, total);
    assert_eq!(received.last().unwrap().0, ms(total));
    assert!(received.is_sorted_by_key(|(_, bytes, _)| number(bytes)));
}

#[test]
fn what_would_be_too_much_to_hold_is_dropped_and_counted() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let set = NONE.with_delay(Duration::from_millis(5), Duration::ZERO);
    let device = Faults::new(a, random(3), set, NONE).with_held(3, 1000);
    let received = RefCell::default();
    for n in 0..5 {
        send(&device, &numbered(n)).unwrap();
    }
    assert_eq!(device.faults().transmit.overflow, 2);
    run_until(&clock, vec![listen(&b, &received), tower(&device, &clock)], ms(10));
    assert_eq!(received.borrow().len(), 3);
    // In bytes, too.
    send(&device, &[0; 900]).unwrap();
    send(&device, &[0; 101]).unwrap();
    send(&device, &[0; 100]).unwrap();
    assert_eq!(device.faults().transmit.overflow, 3);
}

#[test]
fn errors_of_the_device_are_the_callers() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, _] = link.ports();
    let device = Faults::new(a, random(3), everything(), everything());
    assert_eq!(device.write(TxMeta::NONE, 1515, |_| panic!("filled")), Err(SendError::TooLong));
    let checksum = TxMeta::NONE.with_checksum(34, 16);
    assert_eq!(device.write(checksum, 60, |_| panic!("filled")), Err(SendError::Unsupported));
    a.disconnect();
    let lossless = Faults::new(a, random(3), NONE.with_bit_error(Probability::ALWAYS), NONE);
    assert_eq!(lossless.write(TxMeta::NONE, 60, |_| panic!("filled")), Err(SendError::Down));
    a.reconnect();
    device.disconnect();
    assert_eq!(device.write(TxMeta::NONE, 60, |_| panic!("filled")), Err(SendError::Down));
}

#[test]
fn a_filler_may_write_again() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, _] = link.ports();
    for set in [NONE, everything(), NONE.with_bit_error(Probability::ALWAYS)] {
        let device: Device<'_> = Faults::new(a, random(3), set, NONE);
        for n in 0..50 {
            let inner = Cell::new(None);
            let outer = device.write(TxMeta::NONE, 60, |buffer| {
                inner.set(Some(send(&device, &numbered(n))));
                buffer.len()
            });
            assert!(outer.is_ok());
            assert!(matches!(inner.get(), Some(Ok(()) | Err(SendError::Full))));
        }
    }
}

#[test]
fn without_the_towers_task_held_frames_wait_and_nothing_spins() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let device = Faults::new(a, random(3), NONE.with_delay(Duration::from_millis(5), Duration::ZERO), NONE);
    send(&device, &numbered(1)).unwrap();
    let received = RefCell::default();
    run_until(&clock, vec![listen(&b, &received)], ms(100));
    assert!(received.borrow().is_empty());
    assert_eq!(device.poll(clock.now(), Waker::noop()), None);
    run_until(&clock, vec![listen(&b, &received)], ms(101));
    assert_eq!(received.borrow().len(), 1);
}
