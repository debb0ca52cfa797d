//! Paths that swallow large packets and say nothing, since the ICMP errors of
//! RFC 1191 get lost: found by timeouts, and left by probing (RFC 4821, in its
//! simple form, as Linux's `tcp_mtu_probing` = 1).

use traits::Instant;

use super::busy::Busy;
use super::{Connection, Flags};
use crate::buffer::{Backing, Side};
use crate::recovery::Phase;
use crate::segment::{Purpose, Transmit};
use crate::{Mss, SeqNum};

/// No limit beside what the layer below says.
pub(super) const NO_CAP: u16 = u16::MAX;

/// Sizes of packets, in bytes, that are tried in their order on the way up:
/// the first three on the way down too, beginning with 1024 bytes of data, as
/// in Linux.
const LADDER: [u16; 10] = [296, 552, 1064, 1280, 1400, 1460, 1492, 1500, 4352, 9000];
const DOWN: usize = 3;

/// The timeout in a row with which the size is suspected: three
/// retransmissions have gone unanswered (Linux's
/// `tcp_retries1`).
const SUSPICIOUS_RETRIES: u8 = 4;

/// After a probe was lost, the next waits this long, in seconds (as Linux;
/// RFC 4821 §7.2 asks for some minutes).
const PROBE_INTERVAL: u16 = 600;

const fn seconds(now: Instant) -> u16 {
    (now.as_millis() / 1000) as u16
}

/// A segment larger than the others, to see whether it arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PathProbe {
    start: SeqNum,
    end: SeqNum,
    /// The size of its packet.
    mtu: u16,
}

impl<B: Backing> Connection<B> {
    /// Data in a full segment of a packet of `mtu` bytes.
    pub(super) fn mss_for(&self, mtu: u16) -> u16 {
        // RFC 9293 §3.7.1, RFC 6691: what options take comes off the data.
        let options = if self.flags.contains(Flags::TIMESTAMPS) { 12 } else { 0 };
        Mss::for_mtu(usize::from(mtu)).bytes().min(self.snd.mss) - options
    }

    /// One more timeout in a row: where full segments go unanswered, smaller
    /// ones are tried.
    pub(super) fn suspect_black_hole(&mut self, now: Instant) {
        let first = self.busy.get().and_then(|busy| busy.scoreboard.records().first());
        let is_full = first.is_some_and(|first| first.len >= u32::from(self.mss));
        if self.retries < SUSPICIOUS_RETRIES || !is_full {
            return;
        }
        let down = LADDER.iter().take(DOWN).rev().copied();
        let Some(cap) = down.into_iter().find(|&mtu| mtu < self.mtu && self.mss_for(mtu) < self.mss) else {
            return;
        };
        self.path_cap = cap;
        self.path_probe_after = seconds(now);
        self.set_mtu(usize::from(self.mtu));
        self.busy.get_or_default().path_probe = None;
    }

    /// A probe for a larger size, where one makes sense now: the path was
    /// found narrow, nothing is missing, and enough follows to tell of its
    /// loss (RFC 4821 §7.4). `room`: what the congestion window leaves.
    #[inline(never)]
    pub(super) fn put_path_probe(
        &mut self,
        now: Instant,
        mtu: usize,
        room: u32,
        place: &mut Option<Transmit>,
    ) -> bool {
        let mtu = mtu.min(usize::from(u16::MAX)) as u16;
        if self.path_cap >= mtu {
            self.path_cap = NO_CAP;
            return false;
        }
        let is_early = (seconds(now).wrapping_sub(self.path_probe_after) as i16) < 0;
        let is_calm =
            self.busy.get().is_some_and(|busy| busy.recovery.phase == Phase::Open && busy.path_probe.is_none());
        // Blocks to report would make the packet larger than what is tried.
        if is_early || !is_calm || !self.flags.contains(Flags::SACK) || !self.blocks().is_empty() {
            return false;
        }
        let up = LADDER.iter().copied().find(|&size| size > self.path_cap && self.mss_for(size) > self.mss);
        let size = up.unwrap_or(mtu).min(mtu);
        let len = u32::from(self.mss_for(size));
        if len <= u32::from(self.mss) {
            // It is the peer that takes no more.
            self.path_cap = size;
            return false;
        }
        let needed = len + 3 * u32::from(self.mss);
        if self.unsent().min(self.snd.usable()).min(room) < needed {
            return false;
        }
        let start = self.snd.nxt;
        self.busy.get_or_default().path_probe = Some(PathProbe { start, end: start + len, mtu: size });
        let probe = self.put_blank(now, start, Purpose::New, place);
        probe.offset = start.since(self.snd.una);
        probe.len = len;
        true
    }

    /// The cumulative acknowledgement has moved: whether a probe has arrived.
    pub(super) fn check_path_probe(&mut self) {
        let Some(busy) = self.busy.get_mut() else { return };
        if let Some(probe) = busy.path_probe
            && self.snd.una.after_eq(probe.end)
        {
            busy.path_probe = None;
            self.path_cap = probe.mtu;
        }
    }

    /// Numbers are sent again: whether those are of a probe, which then was
    /// lost.
    pub(super) fn path_probe_lost(&mut self, now: Instant, start: SeqNum, end: SeqNum) {
        let Some(busy) = self.busy.get_mut() else { return };
        if busy.path_probe.is_some_and(|probe| start.before(probe.end) && end.after(probe.start)) {
            busy.path_probe = None;
            self.path_probe_after = seconds(now).wrapping_add(PROBE_INTERVAL);
        }
    }
}

impl<B: Backing> Busy<B> {
    /// Whether nothing but a probe was lost: that says nothing of congestion
    /// (RFC 4821 §7.5).
    pub(super) fn is_only_probe_lost(&self) -> bool {
        let (Some(probe), Some(lost)) = (self.path_probe, self.scoreboard.first_lost()) else { return false };
        lost.start == probe.start && self.scoreboard.lost() <= probe.end.since(probe.start)
    }
}
