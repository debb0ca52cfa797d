//! ICMP errors.

use traits::{IcmpErrorKind, Instant, UnreachableCode};

use super::timers::Timer;
use super::{Connection, Dropped, Failure, Outcome, State};
use crate::SeqNum;
use crate::buffer::{Backing, Side};
use crate::recovery::Phase;

impl<B: Backing> Connection<B> {
    /// Takes an ICMP error about a segment of this connection; `seq` is the
    /// sequence number quoted, which must be one that is under way (RFC 5927
    /// §4.1).
    ///
    /// An unreachable host or network says that the segment was lost to a
    /// broken path and not to congestion: the back-off for it is undone
    /// (RFC 6069).
    ///
    /// While connecting, an unreachable peer ends the attempt, as in Linux.
    /// Later no error ends a connection: all are soft (RFC 5461 §4), and data
    /// is tried again until time is up. A smaller MTU has what was too long
    /// sent again in smaller pieces at once (RFC 1191 §6.4), with no effect on
    /// the congestion window.
    pub fn handle_icmp(&mut self, now: Instant, kind: IcmpErrorKind, seq: SeqNum) -> Outcome {
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
                State::Established | State::FinWait1 | State::CloseWait | State::Closing | State::LastAck => {
                    if matches!(code, UnreachableCode::Network | UnreachableCode::Host) && seq == self.snd.una {
                        self.undo_back_off(now);
                    }
                    Outcome::default()
                }
                State::Closed | State::SynReceived | State::FinWait2 | State::TimeWait => Outcome::default(),
            },
            IcmpErrorKind::FragmentationNeeded { mtu } => {
                self.path_shrunk(mtu);
                Outcome::default()
            }
            _ => Outcome::default(),
        }
    }

    /// The last timeout did not tell of congestion (RFC 6069): the next comes as
    /// if there had been one less. For how long all that may go on is a matter
    /// of time, not of their number.
    fn undo_back_off(&mut self, now: Instant) {
        if self.retries == 0 || !self.rtt.undo_back_off() {
            return;
        }
        self.retries -= 1;
        let due = self.sent_at.instant(now) + self.rtt.rto();
        if self.timer(Timer::Retransmit).is_some_and(|timer| timer > due) {
            self.set_timer(Timer::Retransmit, due.max(now));
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
            busy.recovery.watch = crate::recovery::Watch::Off;
            busy.recovery.undo.forget();
            busy.recovery.tail_probe.reset();
        }
    }
}
