//! ICMP errors.

use traits::{IcmpErrorKind, Instant, UnreachableCode};

use super::{Connection, Dropped, Failure, Outcome, State};
use crate::SeqNum;
use crate::buffer::{Backing, Side};
use crate::recovery::Phase;

impl<B: Backing> Connection<B> {
    /// Takes an ICMP error about a segment of this connection; `seq` is the
    /// sequence number quoted, which must be one that is under way (RFC 5927
    /// §4.1).
    ///
    /// While connecting, an unreachable peer ends the attempt, as in Linux.
    /// Later no error ends a connection: all are soft (RFC 5461 §4), and data
    /// is tried again until time is up. A smaller MTU has what was too long
    /// sent again in smaller pieces at once (RFC 1191 §6.4), with no effect on
    /// the congestion window.
    pub fn handle_icmp(&mut self, _now: Instant, kind: IcmpErrorKind, seq: SeqNum) -> Outcome {
        if seq.before(self.snd.una) || !seq.before(self.snd.nxt) {
            return Outcome::dropped(Dropped::Sequence);
        }
        match kind {
            IcmpErrorKind::Unreachable(code) => match self.state {
                State::SynSent => Outcome::events(self.fail(match code {
                    UnreachableCode::Port | UnreachableCode::Protocol => Failure::Refused,
                    UnreachableCode::Network
                    | UnreachableCode::Host
                    | UnreachableCode::SourceRoute
                    | UnreachableCode::Prohibited(_) => Failure::Unreachable,
                })),
                State::Closed
                | State::SynReceived
                | State::Established
                | State::FinWait1
                | State::FinWait2
                | State::CloseWait
                | State::Closing
                | State::LastAck
                | State::TimeWait => Outcome::default(),
            },
            IcmpErrorKind::FragmentationNeeded { mtu } => {
                self.path_shrunk(mtu);
                Outcome::default()
            }
            _ => Outcome::default(),
        }
    }

    fn path_shrunk(&mut self, mtu: u16) {
        if mtu >= self.mtu || !self.state.can_send() {
            return;
        }
        let before = self.mss;
        self.set_mtu(usize::from(mtu));
        if self.mss >= before {
            return;
        }
        let nxt = self.snd.nxt;
        let busy = self.busy.get_or_default();
        if busy.scoreboard.mark_lost(|record| record.len > u32::from(self.mss)) > 0 {
            busy.recovery.phase = Phase::Loss;
            busy.recovery.recover = nxt;
            busy.recovery.watch_timeout = false;
            busy.recovery.undo.forget();
            busy.recovery.tail_probe.reset();
        }
    }
}
