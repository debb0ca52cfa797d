//! What is lost, and when to say so. Knows of what was sent and of round
//! trips, not of the congestion window.

mod prr;
mod rack;
mod rtt;
mod spurious;
mod tlp;

pub(crate) use prr::Prr;
pub(crate) use rack::Rack;
pub(crate) use rtt::{Round, RttEstimator};
pub(crate) use spurious::{Prior, Undo, Watch};
pub(crate) use tlp::TailProbe;

use traits::Instant;

use crate::SeqNum;

/// Where loss recovery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    /// Nothing is missing, as far as is known.
    #[default]
    Open,
    /// Something was lost and acknowledgements told so (fast recovery).
    Recovery,
    /// The retransmission timer fired.
    Loss,
    /// The window shrinks for a congestion mark; nothing is missing.
    Reduced,
}

/// The state of loss recovery.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) phase: Phase,
    /// SND.NXT when the phase began: it ends when that is acknowledged.
    pub(crate) recover: SeqNum,
    /// Acknowledgements in a row that told nothing new (RFC 5681 §2).
    pub(crate) duplicate_acks: u32,
    pub(crate) watch: Watch,
    pub(crate) round: Option<Round>,
    pub(crate) rack: Rack,
    pub(crate) tail_probe: TailProbe,
    pub(crate) prr: Prr,
    pub(crate) undo: Undo,
    /// Segments sent again and not reported to have come twice.
    pub(crate) unreported: u32,
    /// Since when what is oldest has been unanswered, if a timer had to fire
    /// for it.
    pub(crate) stalled_since: Option<Instant>,
}

impl Recovery {
    /// Something is sent: it counts while the window comes down.
    pub(crate) fn sent(&mut self, bytes: u32) {
        match self.phase {
            Phase::Recovery | Phase::Reduced => self.prr.sent(bytes),
            Phase::Open | Phase::Loss => {}
        }
    }
    /// Whether a timeout that fires now is judged by what arrives: in fast
    /// recovery it tells nothing of the loss that this is about, and one that
    /// slow start repeats was genuine (RFC 5682 §2.1, step 1). One after another
    /// without an answer in between is judged as the first.
    pub(crate) fn watch_of_timeout(&self) -> Watch {
        match self.phase {
            Phase::Open | Phase::Reduced => Watch::First,
            Phase::Loss if self.watch == Watch::First => Watch::First,
            Phase::Loss | Phase::Recovery => Watch::Off,
        }
    }
}
