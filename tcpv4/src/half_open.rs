//! A SYN that was answered, until the handshake ends: an entry of its own, so
//! that a flood of SYNs costs little.

use core::time::Duration;

use traits::Instant;

use crate::reply::acknowledgement;
use crate::segment::{Control, Marks, Segment, Transmit};
use crate::table::Tuple;
use crate::wire::{Options, Timestamps};
use crate::{Mss, SeqNum, Window, WindowScale};

/// The least time between two answers to one peer that were not due by
/// themselves (as Linux: `tcp_invalid_ratelimit`), by which two hosts that
/// answer each other come to rest.
const ANSWER_INTERVAL: Duration = Duration::from_millis(500);

/// How often a SYN-ACK is sent again, as Linux does (`tcp_synack_retries`).
pub(crate) const RETRIES: u8 = 5;

/// How long a SYN-ACK waits to be sent again: 1 s, 2 s, …, 32 s.
const fn patience(attempts: u8) -> Duration {
    Duration::from_secs(1 << if attempts > RETRIES { RETRIES } else { attempts })
}

/// What the entry does not hold of a scale.
const NO_SCALE: u8 = u8::MAX;

/// A connection in SYN-RECEIVED that a listener will get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HalfOpen {
    /// When the SYN-ACK is sent again, or the entry given up.
    pub(crate) deadline: Instant,
    pub(crate) tuple: Tuple,
    pub(crate) iss: SeqNum,
    pub(crate) irs: SeqNum,
    /// TSval of the SYN; 0 where it had none.
    ts_recent: u32,
    /// The peer's MSS, 0 where it told none.
    mss: u16,
    /// The window of the SYN.
    pub(crate) window: Window,
    /// The window that this side's SYN-ACK tells.
    pub(crate) advertised: Window,
    /// When the peer was answered last: milliseconds, of which the high bits
    /// are gone. So one answer in 65 s may be taken for one of just now, and the
    /// peer asks again.
    answered_at: u16,
    /// The peer's window scale.
    scale: u8,
    /// What this side's windows are scaled by, if the peer takes scales.
    pub(crate) own_scale: WindowScale,
    /// SYN-ACKs sent.
    pub(crate) attempts: u8,
    /// Whether it stands in the list of those owed.
    pub(crate) owed: bool,
    sack: bool,
    timestamps: bool,
    /// Whether the peer offered ECN.
    pub(crate) ecn: bool,
}

/// What a segment does to a half-open connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Verdict {
    /// The handshake ends; the segment is the connection's first.
    Establish,
    /// The SYN-ACK was lost: once more.
    Repeat,
    /// To be answered, but an answer has just gone out.
    Throttled,
    /// Answered with an acknowledgement (RFC 5961 §3, §4; RFC 7323 §5.3).
    Acknowledge,
    /// Answered with a reset, and otherwise ignored.
    Reset(Transmit),
    /// The peer gave up.
    Remove,
    /// Nothing.
    Ignore,
}

impl HalfOpen {
    /// From a SYN. Not answered yet.
    pub(crate) fn new(
        tuple: Tuple,
        iss: SeqNum,
        (advertised, own_scale): (Window, WindowScale),
        syn: &Segment<'_>,
        now: Instant,
    ) -> Self {
        let options = &syn.options;
        Self {
            deadline: now,
            tuple,
            iss,
            irs: syn.seq,
            ts_recent: options.timestamps.map_or(0, |t| t.value),
            mss: options.mss.map_or(0, Mss::bytes),
            window: syn.window,
            advertised,
            answered_at: low_millis(now).wrapping_sub(ANSWER_INTERVAL.as_millis() as u16),
            scale: options.window_scale.map_or(NO_SCALE, WindowScale::shift),
            own_scale,
            attempts: 0,
            owed: false,
            sack: options.sack_permitted,
            timestamps: options.timestamps.is_some(),
            // RFC 3168 §6.1.1: both marks, or it is no offer; and never by a
            // packet that is ECN-capable itself, as only those make of it that
            // mangle the field on the way (as in Linux).
            ecn: syn.offers_ecn(),
        }
    }

    /// What the peer offered in its SYN.
    pub(crate) fn offer(&self) -> Options {
        Options {
            mss: (self.mss > 0).then(|| Mss::new(self.mss)),
            window_scale: (self.scale != NO_SCALE).then(|| WindowScale::new(self.scale)),
            sack_permitted: self.sack,
            timestamps: self.timestamps.then_some(Timestamps { value: self.ts_recent, echo: 0 }),
            ..Options::NONE
        }
    }

    /// The SYN-ACK, with this side's `mss` and timestamp clock.
    pub(crate) fn syn_ack(&self, mss: Mss, ts_value: u32) -> Transmit {
        let mut transmit = Transmit::control(Control::Syn, self.iss, Some(self.irs + 1));
        transmit.window = self.advertised;
        transmit.marks = if self.ecn { Marks::ECE } else { Marks::empty() };
        transmit.options = answer(&self.offer(), mss, self.own_scale, ts_value);
        transmit
    }

    /// An acknowledgement without more, as for a segment that is not welcome.
    pub(crate) fn acknowledgement(&self, ts_value: u32) -> Transmit {
        let window = self.advertised;
        let scaled = if self.scale == NO_SCALE { window } else { self.own_scale.window(u32::from(window.0)) };
        let timestamps = self.timestamps.then_some(Timestamps { value: ts_value, echo: self.ts_recent });
        acknowledgement(self.iss + 1, self.irs + 1, scaled, timestamps)
    }

    /// Notes that the SYN-ACK was sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.deadline = now + patience(self.attempts);
        // A peer that repeats its SYN gets an answer each time, also beyond
        // what is repeated without being asked.
        self.attempts = (self.attempts + 1).min(RETRIES + 1);
    }

    /// When the SYN-ACK was sent, if it was sent once only (Karn's rule).
    pub(crate) fn sent_at(&self) -> Option<Instant> {
        (self.attempts == 1).then(|| self.deadline - patience(0))
    }

    /// Whether the SYN-ACK was sent as often as it may be.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.attempts > RETRIES
    }

    /// RFC 9293 §3.10.7.4 for SYN-RECEIVED, with RFC 5961. What asks for an
    /// acknowledgement, or for the SYN-ACK again, gets one twice a second at
    /// most (as in Linux).
    pub(crate) fn handle(&mut self, now: Instant, segment: &Segment<'_>) -> Verdict {
        let verdict = self.judge(segment);
        match verdict {
            Verdict::Repeat | Verdict::Acknowledge => {
                let passed = low_millis(now).wrapping_sub(self.answered_at);
                if u128::from(passed) < ANSWER_INTERVAL.as_millis() {
                    return Verdict::Throttled;
                }
                self.answered_at = low_millis(now);
                verdict
            }
            Verdict::Throttled | Verdict::Establish | Verdict::Reset(_) | Verdict::Remove | Verdict::Ignore => {
                verdict
            }
        }
    }

    fn judge(&self, segment: &Segment<'_>) -> Verdict {
        let rcv_nxt = self.irs + 1;
        // First: a SYN again is the peer that has seen no SYN-ACK; anything
        // else must lie within the window.
        if segment.control == Some(Control::Syn) && segment.ack.is_none() && segment.seq == self.irs {
            return Verdict::Repeat;
        }
        let offset = segment.seq.value().wrapping_sub(rcv_nxt.value());
        let window = u32::from(self.advertised.0).max(1);
        // Of data, some of it does.
        let last = (segment.end() - 1).value().wrapping_sub(rcv_nxt.value());
        let within = offset < window || (!segment.payload.is_empty() && last < window);
        if segment.control == Some(Control::Rst) {
            // RFC 5961 §3.2: only the exact sequence number resets.
            return match offset {
                0 => Verdict::Remove,
                _ if offset < window => Verdict::Acknowledge,
                _ => Verdict::Ignore,
            };
        }
        if !within {
            return Verdict::Acknowledge;
        }
        if self.is_old(segment) {
            return Verdict::Acknowledge;
        }
        // RFC 5961 §4.2: no SYN within the window resets.
        if segment.control == Some(Control::Syn) {
            return Verdict::Acknowledge;
        }
        match segment.ack {
            None => Verdict::Ignore,
            Some(ack) if ack == self.iss + 1 => Verdict::Establish,
            Some(_) => segment.reset().map_or(Verdict::Ignore, Verdict::Reset),
        }
    }

    /// PAWS (RFC 7323 §5.3).
    fn is_old(&self, segment: &Segment<'_>) -> bool {
        self.timestamps
            && segment.options.timestamps.is_some_and(|t| (t.value.wrapping_sub(self.ts_recent) as i32) < 0)
    }
}

fn low_millis(now: Instant) -> u16 {
    now.as_millis() as u16
}

/// The options of a SYN-ACK that answers `offer`: each only where the peer
/// offered it (RFC 7323 §1.3, RFC 2018 §2).
pub(crate) fn answer(offer: &Options, mss: Mss, own_scale: WindowScale, ts_value: u32) -> Options {
    Options {
        mss: Some(mss),
        window_scale: offer.window_scale.map(|_| own_scale),
        sack_permitted: offer.sack_permitted,
        timestamps: offer.timestamps.map(|t| Timestamps { value: ts_value, echo: t.value }),
        ..Options::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Ecn;
    use crate::table::Slot;

    /// RFC 3168 §6.1.1.
    #[test]
    fn an_offer_comes_in_a_packet_that_is_not_capable_itself() {
        let at = |host| core::net::SocketAddrV4::new(core::net::Ipv4Addr::new(10, 0, 0, host), 80);
        for ecn in [Ecn::NotCapable, Ecn::Capable0, Ecn::Capable1, Ecn::Congested] {
            let syn = Segment {
                seq: SeqNum::new(1),
                ack: None,
                window: Window(100),
                control: Some(Control::Syn),
                marks: Marks::ECE | Marks::CWR,
                options: Options::NONE,
                ecn,
                payload: &[],
                segment_size: None,
            };
            let told = (Window(100), WindowScale::ZERO);
            let entry = HalfOpen::new(Tuple::new(at(1), at(2)), SeqNum::new(5), told, &syn, Instant::ZERO);
            assert_eq!(entry.ecn, ecn == Ecn::NotCapable, "{ecn:?}");
        }
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Slot<HalfOpen>>() <= 64, "{}", size_of::<Slot<HalfOpen>>());
    }
}
