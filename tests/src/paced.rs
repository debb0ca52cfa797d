//! A clock that runs faster than the machine's, and a device that has it: what
//! takes hours takes minutes, while the other end of the cable is real.

use std::task::Waker;

use fata::os::{Os, unix::Unix};
use fata::traits::{Instant, Layer, Network, Time};

/// The run loop's clock, so many times as fast from now on.
#[derive(Clone, Copy)]
pub struct Pace<'a> {
    os: &'a Os<Unix>,
    began: Instant,
    times: u32,
}

impl<'a> Pace<'a> {
    /// Runs `times` as fast as the machine's.
    pub fn new(os: &'a Os<Unix>, times: u32) -> Self {
        Self { os, began: os.now(), times }
    }

    /// The time that this clock shows when the machine's shows `at`.
    fn shown(&self, at: Instant) -> Instant {
        self.began + at.duration_since(self.began) * self.times
    }
}

impl Time for Pace<'_> {
    fn now(&self) -> Instant {
        self.shown(self.os.now())
    }

    async fn sleep_until(&self, deadline: Instant) {
        let wait = deadline.duration_since(self.began) / self.times;
        let mut at = self.began + wait;
        if self.shown(at) < deadline {
            // What the division left.
            at = Instant::from_nanos(at.as_nanos().saturating_add(1));
        }
        self.os.sleep_until(at).await;
    }
}

/// A device with that clock.
pub struct Paced<'a, N> {
    device: N,
    pace: Pace<'a>,
}

impl<'a, N: Network> Paced<'a, N> {
    /// `device`, with the clock `pace`.
    pub const fn new(device: N, pace: Pace<'a>) -> Self {
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
