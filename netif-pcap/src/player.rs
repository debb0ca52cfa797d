//! An executor of a recording's time.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use netif_memory::{SimulationError, Simulator, VirtualClock};
use traits::{Instant, Time};

use crate::Replay;

/// Runs a tower over a [`Replay`], on the clock that the replay was made with.
///
/// It differs from a [`Simulator`] in one thing. A machine's timers fire a
/// little late, and what it then sends bears the time at which they did. So
/// where the recording has the host send something shortly after a timer of
/// the stack's is due, and nothing arrives before, the timer fires when the
/// host sent: as it did then.
#[derive(Debug)]
pub struct Player<'a, const N: usize> {
    clock: &'a VirtualClock<N>,
    simulator: Simulator<'a, N>,
    slack: Duration,
}

impl<'a, const N: usize> Player<'a, N> {
    /// A player that moves `clock`, with a slack of 5 ms.
    pub fn new(clock: &'a VirtualClock<N>) -> Self {
        Self { clock, simulator: Simulator::new(clock), slack: Duration::from_millis(5) }
    }

    /// With another bound of how late the host's timers were taken to be.
    #[must_use]
    pub const fn with_slack(mut self, slack: Duration) -> Self {
        self.slack = slack;
        self
    }

    /// Runs `future` until the clock stands at `until` and nothing is woken
    /// any more, or to its end if that comes first. Call it again to go on.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Livelock`].
    pub fn run_until<F: Future, T: Time>(
        &mut self,
        replay: &Replay<'_, T>,
        mut future: Pin<&mut F>,
        until: Instant,
    ) -> Result<Poll<F::Output>, SimulationError> {
        loop {
            // The clock stands: polled until nothing is woken any more.
            let now = self.clock.now();
            if let Poll::Ready(output) = self.simulator.run_until(future.as_mut(), now)? {
                return Ok(Poll::Ready(output));
            }
            if now >= until {
                return Ok(Poll::Pending);
            }
            let next = self.clock.next_deadline().map(|due| self.fires(replay, due));
            self.clock.advance(next.map_or(until, |next| next.min(until)));
        }
    }

    /// When a timer that is due at `due` fires.
    fn fires<T: Time>(&self, replay: &Replay<'_, T>, due: Instant) -> Instant {
        let frames = replay.recording().frames();
        let first = frames.partition_point(|frame| frame.at < due);
        let soon = frames.iter().skip(first).take_while(|frame| frame.at <= due + self.slack);
        let before = soon.take_while(|frame| !replay.side().receives(frame));
        let sent = before.map(|frame| (replay.side().sends(frame), frame.at)).find(|(sent, _)| *sent);
        sent.map_or(due, |(_, at)| at)
    }
}
