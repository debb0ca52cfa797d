//! How much may be under way. Knows of no bytes in particular and of no
//! retransmission.

#[cfg(not(guest_small))]
mod cubic;
#[cfg(not(guest_small))]
mod hystart;
mod new_reno;

use core::time::Duration;

use traits::Instant;

use crate::SeqNum;
#[cfg(not(guest_small))]
use cubic::Cubic;
use new_reno::NewReno;

/// The congestion control algorithms.
///
/// With a second of idleness a connection gives up what its algorithm has learnt
/// of the path, as W_max and the least round trip, and what RACK has of
/// reordering; the window and the slow start threshold stay. Linux keeps all:
/// here it is the price of small idle connections.
///
/// In a guest built for fewest bytes (`--cfg guest_small`) it is NewReno, whatever
/// is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Algorithm {
    /// CUBIC (RFC 9438). The first slow start ends by HyStart++ (RFC 9406) when
    /// round trips grow longer, or, as in Linux, when a train of
    /// acknowledgements takes half a round trip: then the path is full.
    #[default]
    Cubic,
    /// NewReno (RFC 5681, RFC 6582).
    NewReno,
}

/// The congestion window and the slow start threshold, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cwnd {
    pub(crate) cwnd: u32,
    /// [`Cwnd::UNKNOWN`] before the first congestion.
    pub(crate) ssthresh: u32,
}

impl Cwnd {
    /// No threshold is known yet.
    pub(crate) const UNKNOWN: u32 = u32::MAX;
    /// Beyond any window that can be told (RFC 7323 §2.3).
    const MAX: u32 = 1 << 30;

    /// The initial window: ten segments, as far as those are no larger than
    /// usual (RFC 6928 §2).
    pub(crate) fn initial(mss: u32) -> u32 {
        (10 * mss).min((2 * mss).max(14_600))
    }

    pub(crate) fn is_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// Grows the window.
    pub(crate) fn grow(&mut self, bytes: u32) {
        self.cwnd = self.cwnd.saturating_add(bytes).min(Self::MAX);
    }

    /// Slow start by bytes acknowledged (RFC 5681 §3.1, RFC 3465). Returns
    /// those that are left beyond the threshold.
    pub(crate) fn slow_start(&mut self, acked: u32) -> u32 {
        let used = acked.min(self.ssthresh.saturating_sub(self.cwnd));
        self.grow(used);
        acked - used
    }
}

/// What an acknowledgement tells congestion control.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(guest_small, expect(dead_code, reason = "NewReno needs little of it"))]
pub(crate) struct Ack {
    pub(crate) now: Instant,
    /// Bytes that have arrived, as it tells for the first time.
    pub(crate) acked: u32,
    /// A round trip measured with it.
    pub(crate) rtt: Option<Duration>,
    /// SND.UNA and SND.NXT after it.
    pub(crate) una: SeqNum,
    pub(crate) nxt: SeqNum,
    pub(crate) mss: u32,
    /// The smoothed round trip.
    pub(crate) srtt: Duration,
}

/// Congestion control.
pub(crate) trait Controller {
    /// Something was acknowledged outside of recovery, and the window had been
    /// in use: grows it.
    fn acknowledged(&mut self, window: &mut Cwnd, ack: &Ack);

    /// Congestion, once per window of data, with `flight` bytes under way:
    /// returns the new slow start threshold.
    fn congested(&mut self, window: &Cwnd, flight: u32, mss: u32) -> u32;

    /// The congestion was none: all is as it was before.
    fn undone(&mut self);

    /// Nothing was sent for `idle`.
    fn idled(&mut self, idle: Duration);
}

/// The algorithm of a connection, with its state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Control {
    NewReno(NewReno),
    #[cfg(not(guest_small))]
    Cubic(Cubic),
}

impl Control {
    pub(crate) fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::NewReno => Self::NewReno(NewReno::default()),
            #[cfg(not(guest_small))]
            Algorithm::Cubic => Self::Cubic(Cubic::default()),
            #[cfg(guest_small)]
            Algorithm::Cubic => Self::NewReno(NewReno::default()),
        }
    }

    fn inner(&mut self) -> &mut dyn Controller {
        match self {
            Self::NewReno(control) => control,
            #[cfg(not(guest_small))]
            Self::Cubic(control) => control,
        }
    }
}

impl Controller for Control {
    fn acknowledged(&mut self, window: &mut Cwnd, ack: &Ack) {
        match self {
            Self::NewReno(control) => control.acknowledged(window, ack),
            #[cfg(not(guest_small))]
            Self::Cubic(control) => control.acknowledged(window, ack),
        }
    }

    fn congested(&mut self, window: &Cwnd, flight: u32, mss: u32) -> u32 {
        self.inner().congested(window, flight, mss)
    }

    fn undone(&mut self) {
        self.inner().undone();
    }

    fn idled(&mut self, idle: Duration) {
        self.inner().idled(idle);
    }
}
