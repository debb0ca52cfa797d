//! What the two sides of a pair may say of how it ended.

use netif_memory::SimulationError;
use traits::{ConnectError, FlowError};

/// Why a side did not come to a good end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// It could not connect.
    Connect(ConnectError),
    /// Nobody connected to it.
    Nobody,
    /// Its connection broke.
    Flow(FlowError),
}

/// How one side ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Ended {
    /// `None`: it still waits.
    pub(super) result: Option<Result<(), Failure>>,
    /// Frames that had not arrived, or not as they were sent, by then.
    pub(super) harmed: u64,
    /// Whether all that it had to say was acknowledged, its close as well.
    pub(super) all_said: bool,
}

/// Questions of ARP until a host counts as unreachable.
const ARP_QUESTIONS: u64 = 3;
/// SYNs until a connection is given up: each, or what answers it, was harmed.
const SYNS: u64 = 11;
/// SYN-ACKs until the listening side forgets who has not answered them.
const SYN_ACKS: u64 = 6;
/// Segments in a row until a connection is given up: 15 or, where the timeouts
/// are long from the start, fewer.
const SEGMENTS: u64 = 10;
/// The same, once nobody waits for it any more.
const SEGMENTS_DETACHED: u64 = 8;

/// Whether what went wrong accounts for how it ended; else, what does not.
pub(super) fn judge(sides: [Ended; 2], run: Result<(), SimulationError>) -> Result<(), &'static str> {
    match run {
        Ok(()) => {}
        Err(SimulationError::Livelock { .. }) => return Err("goes round in circles"),
        Err(_) if sides.iter().all(|side| side.result.is_some()) => return Err("ended, and ran on"),
        Err(_) => {}
    }
    let [one, other] = sides;
    side(&one, &other)?;
    side(&other, &one)
}

/// Judges `own` end, beside that of the `peer`.
fn side(own: &Ended, peer: &Ended) -> Result<(), &'static str> {
    let harmed = own.harmed;
    match own.result {
        Some(Ok(())) => Ok(()),
        None => still_waits(own, peer),
        Some(Err(Failure::Connect(ConnectError::Timeout))) => at_least(harmed, SYNS, "connecting timed out"),
        Some(Err(Failure::Connect(ConnectError::Unreachable))) => {
            at_least(harmed, ARP_QUESTIONS, "unreachable")
        }
        Some(Err(Failure::Connect(_))) => Err("connecting failed by what the network does not do"),
        Some(Err(Failure::Nobody)) => match peer.result {
            Some(Err(_)) => Ok(()),
            Some(Ok(())) | None => Err("nobody came, though the other does not say that it failed"),
        },
        Some(Err(Failure::Flow(FlowError::Timeout))) => at_least(harmed, SEGMENTS, "the connection timed out"),
        Some(Err(Failure::Flow(FlowError::Reset))) => match peer.result {
            // It gave up, and resets who speaks to it still.
            Some(Err(Failure::Connect(_) | Failure::Flow(FlowError::Timeout))) => Ok(()),
            // It had forgotten: the half-open connection, or one that it took
            // for closed and whose last acknowledgements got lost.
            Some(Ok(()) | Err(Failure::Nobody)) | None => at_least(harmed, SYN_ACKS, "reset"),
            Some(Err(Failure::Flow(_))) => Err("both were reset by the other"),
        },
        Some(Err(Failure::Flow(_))) => Err("the connection broke by what the network does not do"),
    }
}

/// Without keepalives (RFC 9293 §3.8.4), who has nothing to say waits for ever
/// for a peer that has given up, and for no other.
fn still_waits(own: &Ended, peer: &Ended) -> Result<(), &'static str> {
    match peer.result {
        _ if !own.all_said => Err("has something to say, and neither says it nor gives up"),
        Some(Err(Failure::Flow(FlowError::Timeout))) => Ok(()),
        // It left with all said, and its end of the connection timed out.
        Some(Ok(())) => at_least(peer.harmed.max(own.harmed), SEGMENTS_DETACHED, "the last FIN is lost"),
        Some(Err(_)) => Err("waits for one that was there to tell that it left"),
        None => Err("both wait, though nothing goes wrong any more"),
    }
}

fn at_least(harmed: u64, needed: u64, what: &'static str) -> Result<(), &'static str> {
    if harmed >= needed { Ok(()) } else { Err(what) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use traits::Instant;

    const NOW: Instant = Instant::ZERO;
    const GOOD: Ended = Ended { result: Some(Ok(())), harmed: 0, all_said: true };

    fn failed(failure: Failure, harmed: u64) -> Ended {
        Ended { result: Some(Err(failure)), harmed, all_said: false }
    }

    #[test]
    fn what_nothing_accounts_for_is_a_finding() {
        let timeout = |harmed| failed(Failure::Flow(FlowError::Timeout), harmed);
        let reset = |harmed| failed(Failure::Flow(FlowError::Reset), harmed);
        assert_eq!(judge([GOOD, GOOD], Ok(())), Ok(()));
        assert_eq!(judge([timeout(SEGMENTS), reset(SEGMENTS)], Ok(())), Ok(()));
        for found in [
            [GOOD, timeout(SEGMENTS - 1)],
            [reset(0), GOOD],
            [reset(100), reset(100)],
            [failed(Failure::Connect(ConnectError::Refused), 100), failed(Failure::Nobody, 100)],
            [failed(Failure::Connect(ConnectError::Timeout), SYNS - 1), failed(Failure::Nobody, 100)],
            [GOOD, failed(Failure::Nobody, 100)],
            [GOOD, failed(Failure::Flow(FlowError::Closed), 100)],
        ] {
            assert!(judge(found, Ok(())).is_err(), "{found:?}");
            let [a, b] = found;
            assert!(judge([b, a], Ok(())).is_err(), "{found:?}");
        }
    }

    #[test]
    fn who_gives_up_excuses_only_who_has_nothing_to_say() {
        let late = SimulationError::OutOfTime { now: NOW, next: NOW };
        let gave_up = failed(Failure::Flow(FlowError::Timeout), SEGMENTS);
        let waits = Ended { result: None, harmed: SEGMENTS, all_said: true };
        assert_eq!(judge([gave_up, waits], Err(late)), Ok(()));
        assert!(judge([gave_up, Ended { all_said: false, ..waits }], Err(late)).is_err());
        assert!(judge([GOOD, Ended { harmed: 0, ..waits }], Err(late)).is_err());
        assert!(judge([waits, waits], Err(late)).is_err());
        assert!(judge([gave_up, waits], Err(SimulationError::Livelock { now: NOW })).is_err());
    }
}
