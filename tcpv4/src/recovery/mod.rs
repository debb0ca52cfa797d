//! What is lost, and when to say so. Knows of what was sent and of round
//! trips, not of the congestion window.

mod prr;
mod rack;
mod rtt;
mod spurious;
mod tlp;

pub(crate) use prr::Prr;
pub(crate) use rack::Rack;
pub(crate) use rtt::RttEstimator;
pub(crate) use spurious::{Prior, Undo};
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
    /// Acknowledging what was never retransmitted proves a timeout spurious
    /// (F-RTO, RFC 5682).
    pub(crate) watch_timeout: bool,
    pub(crate) rack: Rack,
    pub(crate) tail_probe: TailProbe,
    pub(crate) prr: Prr,
    pub(crate) undo: Undo,
    /// Since when what is oldest has been unanswered, if a timer had to fire
    /// for it.
    pub(crate) stalled_since: Option<Instant>,
}
