//! The examples, in virtual time.

#![cfg(feature = "unix")]

mod support;

#[path = "../examples/flip_a_coin.rs"]
#[allow(unreachable_pub)]
mod flip_a_coin;

#[path = "../examples/timer.rs"]
#[allow(unreachable_pub)]
mod timer;

use std::convert::Infallible;
use std::time::Duration;

use os::virtual_time;
use rand_core::TryRng;
use support::Lines;
use traits::{Instant, Time};

/// A coin that is not fair: always the same number.
struct Always(u32);

impl TryRng for Always {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.into())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0 as u8);
        Ok(())
    }
}

#[test]
fn heads_and_tails_are_both_heard_when_joined_and_the_faster_when_raced() {
    let lines = Lines::default();
    let end = virtual_time::run(async |os| {
        flip_a_coin::flip(os, &lines, (Always(2_000), Always(500))).await;
        os.now()
    });
    let heard = ["heads <&> tails", "Tails", "Heads", "Finished", "heads <?> tails", "Tails", "Finished"];
    assert_eq!(lines.take(), heard);
    assert_eq!(end, Instant::from_millis(3_000 + 1_500));
}

#[test]
fn the_countdown_wakes_who_waits_for_it() {
    let lines = Lines::default();
    let (launched, end) =
        virtual_time::run(async |os| (timer::launch(os, &lines, 3, Duration::from_secs(10)).await, os.now()));
    assert!(launched);
    assert_eq!(lines.take(), ["3", "2", "1", "lift-off"]);
    assert_eq!(end, Instant::from_secs(3));
}

#[test]
fn the_countdown_is_cut_short() {
    let lines = Lines::default();
    let (launched, end) = virtual_time::run(async |os| {
        (timer::launch(os, &lines, 3, Duration::from_millis(1_500)).await, os.now())
    });
    assert!(!launched);
    assert_eq!(lines.take(), ["3", "2", "too late"]);
    assert_eq!(end, Instant::from_millis(1_500));
}
