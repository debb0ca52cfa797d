//! A connection that is over, kept so that what still floats about of it
//! harms neither its peer nor its successor.

use core::time::Duration;

use traits::Instant;

use crate::connection::Remains;
use crate::reply::acknowledgement;
use crate::segment::{Control, Segment, Transmit};
use crate::table::Tuple;
use crate::wire::Timestamps;
use crate::{SeqNum, Window};

/// How long an entry stays after the last segment that renewed it: twice a
/// maximum segment lifetime of 30 s, as Linux has it (RFC 9293 §3.4.2 asks
/// for 2 minutes each, in networks of another age).
pub(crate) const DURATION: Duration = Duration::from_secs(60);

/// Out-of-window segments are answered no more often than this, so that two
/// hosts can't answer each other for ever (as Linux does).
const ACK_INTERVAL: Duration = Duration::from_millis(500);

/// A connection in TIME-WAIT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWait {
    pub(crate) deadline: Instant,
    pub(crate) tuple: Tuple,
    pub(crate) snd_nxt: SeqNum,
    pub(crate) rcv_nxt: SeqNum,
    /// The latest TSval of the peer's, with timestamps in use.
    pub(crate) ts_recent: Option<u32>,
    /// When an acknowledgement was last owed, in milliseconds.
    answered_at: u32,
    /// As it stands in the header.
    pub(crate) window: Window,
}

/// What a segment does to a connection in TIME-WAIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Verdict {
    /// Answered with an acknowledgement; `renew`: the time starts again.
    Acknowledge {
        /// Whether the entry's time starts again.
        renew: bool,
    },
    /// The entry's time starts again, nothing is said.
    Renew,
    /// A new connection may take the tuple over, with this initial sequence
    /// number (RFC 6191, RFC 1122 §4.2.2.13).
    Reuse {
        /// Beyond all that the old connection used.
        iss: SeqNum,
    },
    /// Nothing.
    Ignore,
}

/// The initial sequence number beyond a connection that has sent up to `snd_nxt`
/// (as Linux has it).
pub(crate) fn next_iss(snd_nxt: SeqNum) -> SeqNum {
    snd_nxt + 65_537
}

impl TimeWait {
    pub(crate) fn new(tuple: Tuple, remains: &Remains, now: Instant) -> Self {
        Self {
            deadline: remains.expires,
            tuple,
            snd_nxt: remains.snd_nxt,
            rcv_nxt: remains.rcv_nxt,
            ts_recent: remains.timestamps.map(|(_, recent)| recent),
            answered_at: (now.as_millis() as u32).wrapping_sub(ACK_INTERVAL.as_millis() as u32),
            window: remains.window,
        }
    }

    /// The acknowledgement of all that the peer sent.
    pub(crate) fn acknowledgement(&self, ts_value: u32) -> Transmit {
        let timestamps = self.ts_recent.map(|echo| Timestamps { value: ts_value, echo });
        acknowledgement(self.snd_nxt, self.rcv_nxt, self.window, timestamps)
    }

    /// Where a connection that takes the tuple over begins: beyond all that
    /// this one used.
    pub(crate) fn next_iss(&self) -> SeqNum {
        next_iss(self.snd_nxt)
    }

    /// Whether this side may open the tuple anew.
    pub(crate) fn is_reusable(&self, now: Instant) -> bool {
        self.ts_recent.is_some() && self.deadline + Duration::from_secs(1) <= now + DURATION
    }

    /// RFC 9293 §3.10.7.4 for TIME-WAIT.
    pub(crate) fn handle(&mut self, now: Instant, segment: &Segment<'_>) -> Verdict {
        // RFC 1337: a reset does not end TIME-WAIT.
        if segment.control == Some(Control::Rst) {
            return Verdict::Ignore;
        }
        let newer = match (self.ts_recent, segment.options.timestamps) {
            (Some(recent), Some(t)) => Some(t.value.wrapping_sub(recent) as i32),
            _ => None,
        };
        let old = newer.is_some_and(|by| by < 0);
        if segment.control == Some(Control::Syn) && segment.ack.is_none() {
            // RFC 6191 §2: by timestamp where there is one, else by sequence.
            if newer.is_some_and(|by| by > 0) || (!old && segment.seq.after(self.rcv_nxt)) {
                return Verdict::Reuse { iss: self.next_iss() };
            }
            return self.acknowledge_seldom(now, false);
        }
        if !old && segment.seq == self.rcv_nxt && segment.is_empty() && segment.ack.is_some() {
            // The peer's last acknowledgement, or a keepalive of its own.
            if let (Some(recent), Some(t)) = (&mut self.ts_recent, segment.options.timestamps) {
                *recent = t.value;
            }
            return Verdict::Renew;
        }
        let renew = segment.ack.is_some();
        if !segment.is_answered_seldom() {
            // The FIN again, or what was delayed. No acknowledgement answers that.
            return Verdict::Acknowledge { renew };
        }
        self.acknowledge_seldom(now, renew)
    }

    fn acknowledge_seldom(&mut self, now: Instant, renew: bool) -> Verdict {
        let now = now.as_millis() as u32;
        if now.wrapping_sub(self.answered_at) < ACK_INTERVAL.as_millis() as u32 {
            return if renew { Verdict::Renew } else { Verdict::Ignore };
        }
        self.answered_at = now;
        Verdict::Acknowledge { renew }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Ecn, Marks};
    use crate::table::Slot;
    use crate::wire::Options;
    use core::net::Ipv4Addr;

    const NOW: Instant = Instant::from_secs(1000);

    fn entry(ts_recent: Option<u32>) -> TimeWait {
        let host = |n| core::net::SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, n), 80);
        let tuple = Tuple::new(host(1), host(2));
        TimeWait::new(tuple, &remains(ts_recent), NOW)
    }

    fn remains(ts_recent: Option<u32>) -> Remains {
        Remains {
            snd_nxt: SeqNum::new(100),
            rcv_nxt: SeqNum::new(500),
            window: Window(10),
            timestamps: ts_recent.map(|recent| (0, recent)),
            expires: NOW + DURATION,
        }
    }

    fn segment(seq: u32, control: Option<Control>, ack: bool, ts: Option<u32>) -> Segment<'static> {
        Segment {
            seq: SeqNum::new(seq),
            ack: ack.then_some(SeqNum::new(100)),
            window: Window(1000),
            control,
            marks: Marks::empty(),
            options: Options { timestamps: ts.map(|value| Timestamps { value, echo: 0 }), ..Options::NONE },
            ecn: Ecn::NotCapable,
            payload: &[],
            segment_size: None,
        }
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Slot<TimeWait>>() <= 64, "{}", size_of::<Slot<TimeWait>>());
    }

    #[test]
    fn a_reset_does_not_end_it() {
        let reset = segment(500, Some(Control::Rst), true, None);
        assert_eq!(entry(None).handle(NOW, &reset), Verdict::Ignore);
    }

    #[test]
    fn a_later_syn_takes_over_by_sequence_or_timestamp() {
        let syn = |seq, ts| segment(seq, Some(Control::Syn), false, ts);
        let reuse = Verdict::Reuse { iss: SeqNum::new(65_637) };
        let refuse = Verdict::Acknowledge { renew: false };
        assert_eq!(entry(None).handle(NOW, &syn(501, None)), reuse);
        assert_eq!(entry(None).handle(NOW, &syn(500, None)), refuse);
        assert_eq!(entry(None).handle(NOW, &syn(400, None)), refuse);
        assert_eq!(entry(Some(7)).handle(NOW, &syn(400, Some(8))), reuse);
        assert_eq!(entry(Some(7)).handle(NOW, &syn(501, Some(7))), reuse);
        assert_eq!(entry(Some(7)).handle(NOW, &syn(501, Some(6))), refuse);
    }

    #[test]
    fn a_fin_again_is_acknowledged_and_renews() {
        let fin = segment(499, Some(Control::Fin), true, None);
        let mut entry = entry(None);
        for _ in 0..3 {
            assert_eq!(entry.handle(NOW, &fin), Verdict::Acknowledge { renew: true });
        }
    }

    #[test]
    fn an_old_acknowledgement_is_answered_twice_a_second_at_most() {
        for control in [None, Some(Control::Syn)] {
            let old = segment(400, control, true, None);
            let mut entry = entry(None);
            assert_eq!(entry.handle(NOW, &old), Verdict::Acknowledge { renew: true });
            assert_eq!(entry.handle(NOW, &old), Verdict::Renew);
            assert_eq!(entry.handle(NOW + ACK_INTERVAL, &old), Verdict::Acknowledge { renew: true });
        }
    }

    #[test]
    fn a_host_that_has_just_started_answers_too() {
        let mut young = entry(None);
        young.answered_at = TimeWait::new(young.tuple, &remains(None), Instant::from_millis(3)).answered_at;
        let old = segment(400, None, true, None);
        assert_eq!(young.handle(Instant::from_millis(4), &old), Verdict::Acknowledge { renew: true });
    }

    #[test]
    fn the_last_acknowledgement_renews_in_silence() {
        let mut entry = entry(Some(7));
        assert_eq!(entry.handle(NOW, &segment(500, None, true, Some(9))), Verdict::Renew);
        assert_eq!(entry.ts_recent, Some(9));
    }
}
