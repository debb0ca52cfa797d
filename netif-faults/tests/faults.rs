//! Each fault by itself: exact in virtual time, counted, the same from the
//! same seed.

mod common;

use core::cell::RefCell;
use core::time::Duration;

use common::{NONE, everything, listen, ms, number, numbered, pass, random, run_until, send};
use netif_faults::{Faults, Impairments, Probability};
use netif_memory::{Link, Settings, VirtualClock};
use traits::{Network, RxMeta};

#[test]
fn nothing_set_changes_nothing() {
    for outwards in [true, false] {
        let (received, counts) = pass(NONE, outwards, 100, 1);
        let expected: Vec<_> = (0..100).map(|n| (ms(n.into()), numbered(n), RxMeta::NONE)).collect();
        assert_eq!(received, expected);
        assert_eq!((counts.lost, counts.duplicated, counts.overflow), (0, 0, 0));
    }
}

#[test]
fn loss_is_as_likely_as_said_and_counted() {
    for outwards in [true, false] {
        let (received, counts) = pass(NONE.with_loss(Probability::percent(10)), outwards, 10_000, 2);
        assert_eq!(received.len() as u64 + counts.lost, 10_000);
        assert_eq!(counts.frames, 10_000);
        assert!((900..1100).contains(&counts.lost), "{}", counts.lost);
        assert!(received.is_sorted_by_key(|(_, bytes, _)| number(bytes)));
    }
    assert!(pass(NONE.with_loss(Probability::ALWAYS), true, 100, 3).0.is_empty());
}

#[test]
fn duplicates_come_twice_at_once() {
    for outwards in [true, false] {
        let (received, counts) = pass(NONE.with_duplication(Probability::percent(30)), outwards, 1000, 4);
        assert_eq!(received.len() as u64, 1000 + counts.duplicated);
        assert!((200..400).contains(&counts.duplicated));
        assert!(received.iter().all(|(at, bytes, _)| *at == ms(number(bytes).into())));
    }
}

#[test]
fn a_delay_is_exact_and_jitter_keeps_the_order() {
    for outwards in [true, false] {
        let (received, _) = pass(NONE.with_delay(Duration::from_millis(33), Duration::ZERO), outwards, 50, 5);
        let times: Vec<_> = received.iter().map(|(at, bytes, _)| (*at, number(bytes))).collect();
        assert_eq!(times, (0..50).map(|n| (ms(33 + u64::from(n)), n)).collect::<Vec<_>>());

        let jitter = NONE.with_delay(Duration::from_millis(5), Duration::from_millis(20));
        let (received, _) = pass(jitter, outwards, 1000, 6);
        assert_eq!(received.len(), 1000);
        let mut delays = Vec::new();
        for (index, (at, bytes, _)) in received.iter().enumerate() {
            assert_eq!(number(bytes) as usize, index);
            delays.push(at.duration_since(ms(index as u64)));
        }
        assert!(delays.iter().all(|d| (Duration::from_millis(5)..=Duration::from_millis(25)).contains(d)));
        assert!(delays.iter().any(|d| *d < Duration::from_millis(15)));
        assert!(delays.iter().any(|d| *d > Duration::from_millis(22)));
    }
}

#[test]
fn what_is_reordered_is_overtaken_and_comes_within_its_time() {
    for outwards in [true, false] {
        let hold = Duration::from_millis(50);
        let (received, counts) = pass(NONE.with_reordering(Probability::percent(10), hold), outwards, 1000, 7);
        assert_eq!(received.len(), 1000);
        assert!((50..150).contains(&counts.reordered));
        let late = received.iter().filter(|(at, bytes, _)| *at > ms(number(bytes).into())).count() as u64;
        assert_eq!(late, counts.reordered);
        assert!(received.iter().all(|(at, bytes, _)| *at <= ms(number(bytes).into()) + hold));
        assert!(!received.is_sorted_by_key(|(_, bytes, _)| number(bytes)));
    }
}

#[test]
fn a_bit_error_is_one_bit_and_truncation_leaves_something() {
    for outwards in [true, false] {
        let (received, counts) = pass(NONE.with_bit_error(Probability::ALWAYS), outwards, 300, 8);
        assert_eq!(counts.bit_errors, 300);
        for (n, (_, bytes, _)) in received.iter().enumerate() {
            let flipped: u32 = bytes.iter().zip(numbered(n as u32)).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!((flipped, bytes.len()), (1, 60));
        }
        let (received, counts) = pass(NONE.with_truncation(Probability::ALWAYS), outwards, 300, 9);
        assert_eq!(counts.truncated, 300);
        for (n, (_, bytes, _)) in received.iter().enumerate() {
            assert!((1..60).contains(&bytes.len()));
            assert_eq!(bytes[..], numbered(n as u32)[..bytes.len()]);
        }
    }
}

#[test]
fn the_same_seed_is_the_same_to_the_last_bit() {
    for outwards in [true, false] {
        let first = pass(everything(), outwards, 500, 11);
        assert_eq!(first, pass(everything(), outwards, 500, 11));
        assert_ne!(first, pass(everything(), outwards, 500, 12));
    }
}

/// Which of 500 frames come. A function, and no closure: rustc 1.95 takes the
/// arguments of two calls of one closure for one value where they are equal,
/// passes it to the first by reference without a copy, and gives the second
/// what the first left there (rust-lang/rust#155241).
fn which_come(set: Impairments) -> Vec<u32> {
    let (received, _) = pass(set, true, 500, 13);
    let mut seen: Vec<_> = received.iter().map(|(_, bytes, _)| number(bytes)).collect();
    seen.sort_unstable();
    seen.dedup();
    seen
}

#[test]
fn setting_one_fault_leaves_the_others_where_they_were() {
    let loss = NONE.with_loss(Probability::percent(20));
    let alone = which_come(loss);
    assert!((350..450).contains(&alone.len()), "{} of 500 came", alone.len());
    assert_eq!(alone, which_come(loss.with_duplication(Probability::percent(50))));
    assert_eq!(alone, which_come(loss.with_delay(Duration::from_millis(9), Duration::from_millis(9))));
    assert_eq!(alone, which_come(loss));
}

#[test]
fn directions_are_apart() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let device = Faults::new(a, random(1), NONE.with_loss(Probability::ALWAYS), NONE);
    let (at_a, at_b) = (RefCell::default(), RefCell::default());
    send(&device, &numbered(1)).unwrap();
    send(&b, &numbered(2)).unwrap();
    run_until(&clock, vec![listen(&device, &at_a), listen(&b, &at_b)], ms(1));
    assert_eq!((at_a.borrow().len(), at_b.borrow().len()), (1, 0));
    device.set_transmit(NONE);
    device.set_receive(NONE.with_loss(Probability::ALWAYS));
    send(&device, &numbered(1)).unwrap();
    send(&b, &numbered(2)).unwrap();
    run_until(&clock, vec![listen(&device, &at_a), listen(&b, &at_b)], ms(2));
    assert_eq!((at_a.borrow().len(), at_b.borrow().len()), (1, 1));
    let faults = device.faults();
    assert_eq!((faults.transmit.lost, faults.receive.lost), (1, 1));
    device.reset_statistics();
    assert_eq!(device.faults(), netif_faults::FaultStatistics::default());
}
