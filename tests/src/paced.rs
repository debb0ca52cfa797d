//! A clock that runs faster than the machine's, and a device that has it: what
//! takes hours takes minutes, while the other end of the cable is real.

use std::cell::Cell;
use std::task::Waker;
use std::time::Duration;

use fata::os::{Os, unix::Unix};
use fata::traits::{Instant, Layer, Network, Time};

/// The run loop's clock, so many times as fast from now on; it stands still while the
/// machine does, since otherwise minutes would pass at once.
pub struct Pace<'a> {
    os: &'a Os<Unix>,
    times: u32,
    /// What the machine's clock showed when it was last looked at, and this one.
    last: Cell<(Instant, Instant)>,
}

/// The longest time by the machine's clock without a look at this one that passes by it
/// in full; of a longer one, so much does.
const STANDSTILL: Duration = Duration::from_millis(250);

/// How long a sleep goes without a look at the clock.
const LOOKS: Duration = Duration::from_millis(50);

impl<'a> Pace<'a> {
    /// Runs `times` as fast as the machine's, as long as somebody sleeps by it.
    pub fn new(os: &'a Os<Unix>, times: u32) -> Self {
        Self { os, times, last: Cell::new((os.now(), os.now())) }
    }

    /// The time that this clock will show when the machine's shows `at`.
    fn shown(&self, at: Instant) -> Instant {
        let shown = self.now();
        shown + at.duration_since(self.last.get().0) * self.times
    }
}

impl Time for Pace<'_> {
    fn now(&self) -> Instant {
        let (machine, shown) = self.last.get();
        let now = self.os.now();
        let shown = shown + now.duration_since(machine).min(STANDSTILL) * self.times;
        self.last.set((now, shown));
        shown
    }

    async fn sleep_until(&self, deadline: Instant) {
        loop {
            let left = deadline.duration_since(self.now());
            if left.is_zero() {
                return;
            }
            // Nothing of it is lost in the division.
            let left = left / self.times + Duration::from_nanos(1);
            self.os.sleep(left.min(LOOKS)).await;
        }
    }
}

/// A device with that clock.
pub struct Paced<'a, N> {
    device: N,
    pace: &'a Pace<'a>,
}

impl<'a, N: Network> Paced<'a, N> {
    /// `device`, with the clock `pace`.
    pub const fn new(device: N, pace: &'a Pace<'a>) -> Self {
        Self { device, pace }
    }
}

impl<N: Network> Layer for Paced<'_, N> {
    fata::traits::forward_layer!(device, except now, poll);

    fn now(&self) -> Instant {
        self.pace.now()
    }

    fn poll(&self, _: Instant, waker: &Waker) -> Option<Instant> {
        self.device.poll(self.device.now(), waker).map(|at| self.pace.shown(at))
    }
}

impl<N: Network> Network for Paced<'_, N> {
    type Error = N::Error;

    fata::traits::forward_network!(device);
}
