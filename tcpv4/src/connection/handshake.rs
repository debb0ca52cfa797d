//! Opens.

use core::time::Duration;

use traits::Instant;

use super::stamp::Stamp;
use super::timers::Timer;
use super::{
    Buffers, Clock, Connection, Counts, Dropped, Events, Failure, Flags, Limits, Open, Outcome, Passive,
    Settings, State, User,
};
use crate::buffer::Backing;
use crate::congestion::Cwnd;
use crate::receive::{AckPolicy, ReceiveWindow};
use crate::recovery::RttEstimator;
use crate::segment::{Control, Marks, Segment};
use crate::send::SendWindow;
use crate::wire::{Options, Timestamps};
use crate::{Mss, SeqNum, WindowScale};

impl<B: Backing> Connection<B> {
    fn new(now: Instant, iss: SeqNum, mtu: usize, settings: &Settings, buffers: Buffers<B>) -> Self {
        let mut flags = Flags::empty();
        flags.set(Flags::NODELAY, settings.nodelay);
        let mut connection = Self {
            state: State::Closed,
            failure: None,
            algorithm: settings.congestion,
            flags,
            snd: SendWindow::new(iss),
            rcv: ReceiveWindow::new(WindowScale::ZERO),
            acks: AckPolicy::new(),
            ts: Clock::default(),
            rtt: RttEstimator::default(),
            window: Cwnd { cwnd: 0, ssthresh: Cwnd::UNKNOWN },
            mtu: 0,
            path_cap: super::path::NO_CAP,
            path_probe_after: 0,
            mss: 0,
            retries: 0,
            keepalive_probes: 0,
            keepalive_limit: User::keepalive_limit(settings),
            user: User::of(settings),
            heard_at: Stamp::of(now),
            sent_at: Stamp::of(now),
            liveness: Instant::MAX,
            limits: Limits::default(),
            counts: Counts::default(),
            busy: Default::default(),
        };
        connection.give_buffers(buffers);
        connection.set_limits(settings);
        connection.rcv.scale = WindowScale::for_limit(connection.limits.receive as usize);
        connection.set_mtu(mtu);
        connection
    }

    /// An active open: SYN-SENT (RFC 9293 §3.10.1).
    pub fn connect(now: Instant, open: &Open, settings: &Settings, buffers: Buffers<B>) -> Self {
        let mut connection = Self::new(now, open.iss, open.mtu, settings, buffers);
        connection.ts.offset = open.ts_offset;
        connection.flags.insert(Flags::HANDSHAKE_DUE);
        connection.flags.set(Flags::ECN, settings.ecn);
        connection.enter(State::SynSent);
        connection
    }

    /// A passive open: SYN-RECEIVED, from what a half-open entry learnt. The
    /// segment that completes the handshake is then given to
    /// [`handle_segment`](Self::handle_segment).
    pub fn accept(now: Instant, passive: &Passive, settings: &Settings, buffers: Buffers<B>) -> Self {
        let mut connection = Self::new(now, passive.iss, passive.mtu, settings, buffers);
        connection.flags.insert(Flags::PASSIVE);
        connection.flags.set(Flags::SACK, passive.sack_permitted);
        connection.flags.set(Flags::ECN, passive.ecn);
        let (own, peer) = passive.window_scale.unwrap_or_default();
        (connection.rcv.scale, connection.snd.scale) = (own, peer);
        if let Some((offset, recent)) = passive.timestamps {
            connection.flags.insert(Flags::TIMESTAMPS);
            connection.ts = Clock { offset, recent };
        }
        connection.snd.mss = passive.mss.bytes();
        connection.update_mss();
        connection.rcv.start(passive.irs, u32::from(passive.advertised.0));
        connection.snd.wnd = u32::from(passive.window.0);
        connection.snd.max_wnd = connection.snd.wnd;
        connection.snd.nxt = passive.iss + 1;
        match passive.sent_at {
            Some(sent_at) => connection.sent_at = Stamp::of(sent_at),
            None => connection.retries = 1,
        }
        connection.set_timer(Timer::Retransmit, now.plus_micros(connection.rtt.rto_micros()));
        connection.enter(State::SynReceived);
        connection
    }

    /// Whether the SYN offers ECN: only the first, since what is lost may have
    /// been lost for that (RFC 3168 §6.1.1.1).
    fn offers_ecn(&self) -> bool {
        self.flags.contains(Flags::ECN) && self.retries == 0
    }

    /// The marks of the own SYN, or SYN and ACK.
    pub(super) fn syn_marks(&self) -> Marks {
        if self.state == State::SynReceived {
            if self.flags.contains(Flags::ECN) { Marks::ECE } else { Marks::empty() }
        } else if self.offers_ecn() {
            Marks::ECE | Marks::CWR
        } else {
            Marks::empty()
        }
    }

    /// The options of the own SYN, or SYN and ACK.
    pub(super) fn syn_options(&self, now: Instant) -> Options {
        let is_answer = self.state == State::SynReceived;
        let scale_agreed =
            !is_answer || self.rcv.scale != WindowScale::ZERO || self.snd.scale != WindowScale::ZERO;
        Options {
            mss: Some(Mss::for_mtu(usize::from(self.mtu))),
            window_scale: scale_agreed.then_some(self.rcv.scale),
            sack_permitted: !is_answer || self.flags.contains(Flags::SACK),
            timestamps: (!is_answer || self.flags.contains(Flags::TIMESTAMPS)).then(|| Timestamps {
                value: Self::millis(now).wrapping_add(self.ts.offset),
                echo: self.ts.recent,
            }),
            ..Options::NONE
        }
    }

    /// A segment in SYN-SENT (RFC 9293 §3.10.7.3).
    pub(super) fn arrives_in_syn_sent(&mut self, now: Instant, segment: &Segment<'_>) -> Outcome {
        // First: the ACK has to be of the own SYN, which must have been sent.
        if let Some(ack) = segment.ack
            && (ack.before_eq(self.snd.una) || ack.after(self.snd.nxt))
        {
            let reset_owed = segment.control != Some(Control::Rst);
            return Outcome { reset_owed, ..Outcome::dropped(Dropped::AckUnacceptable) };
        }
        match segment.control {
            // Second: a reset counts only with an acceptable ACK.
            Some(Control::Rst) => match segment.ack {
                Some(_) => Outcome::events(self.fail(Failure::Refused)),
                None => Outcome::dropped(Dropped::ResetIgnored),
            },
            // Fourth.
            Some(Control::Syn) => self.syn_received(now, segment),
            // Fifth.
            Some(Control::Fin) | None => Outcome::dropped(Dropped::NoAck),
        }
    }

    /// The peer's SYN in SYN-SENT (RFC 9293 §3.10.7.3, fourth).
    fn syn_received(&mut self, now: Instant, segment: &Segment<'_>) -> Outcome {
        if segment.ack.is_some() {
            self.take_syn_echo(now, segment);
        }
        self.heard_at = Stamp::of(now);
        self.negotiate(&segment.options);
        let space = self.receive_room().min(u32::from(u16::MAX));
        self.rcv.start(segment.seq, space);
        let Some(ack) = segment.ack else {
            // Both opened at the same time (RFC 9293 §3.5), and both have to have
            // offered ECN, the peer as to anybody (RFC 3168 §6.1.1).
            self.flags.set(Flags::ECN, segment.offers_ecn() && self.offers_ecn());
            self.enter(State::SynReceived);
            self.flags.insert(Flags::HANDSHAKE_DUE);
            self.snd.set(segment);
            return Outcome::default();
        };
        // RFC 3168 §6.1.1: the answer has ECE without CWR.
        let has_ecn = segment.marks.intersection(Marks::ECE | Marks::CWR) == Marks::ECE;
        self.flags.set(Flags::ECN, has_ecn && self.offers_ecn());
        self.snd.set(segment);
        self.establish(now, ack);
        self.acks.now();
        // Data that came with it is not acknowledged, so it comes again, as
        // does a FIN.
        Outcome::events(Events::ESTABLISHED | Events::WRITABLE | Events::CONFIRMED)
    }

    /// After a SYN was sent again, its echo tells which of them is answered
    /// (RFC 7323 §4.1): it gives a sample, and where it is the first, none was
    /// lost (as Linux: `tcp_try_undo_spurious_syn`).
    fn take_syn_echo(&mut self, now: Instant, segment: &Segment<'_>) {
        let Some(timestamps) = segment.options.timestamps.filter(|_| self.retries > 0) else { return };
        let echo = timestamps.echo.wrapping_sub(self.ts.offset);
        let passed = Duration::from_millis(u64::from(Self::millis(now).wrapping_sub(echo)));
        let opened = self.heard_at.elapsed(now);
        if passed > opened + Duration::from_millis(1) {
            return;
        }
        self.rtt.reset_backoff();
        // The second was sent a timeout after the first.
        if opened.saturating_sub(passed) < self.rtt.rto() {
            self.retries = 1;
        }
        self.rtt.sample(passed.as_micros() as u64);
    }

    /// What both SYNs say counts (RFC 7323 §2.2, §3.2; RFC 2018 §2).
    fn negotiate(&mut self, peer: &Options) {
        match peer.window_scale {
            Some(scale) => self.snd.scale = scale,
            None => (self.snd.scale, self.rcv.scale) = (WindowScale::ZERO, WindowScale::ZERO),
        }
        self.flags.set(Flags::SACK, peer.sack_permitted);
        if let Some(timestamps) = peer.timestamps {
            self.flags.insert(Flags::TIMESTAMPS);
            self.ts.recent = timestamps.value;
        }
        self.snd.mss = peer.mss.unwrap_or(Mss::DEFAULT).bytes();
        self.update_mss();
    }

    /// The peer's SYN once more in SYN-RECEIVED, or in a simultaneous open its
    /// SYN and ACK (RFC 9293 §3.5).
    pub(super) fn syn_again(&mut self, now: Instant, segment: &Segment<'_>) -> Outcome {
        match segment.ack {
            Some(ack) if ack == self.snd.nxt && ack.after(self.snd.una) => {
                self.snd.set(segment);
                let events = self.establish(now, ack);
                self.acks.now();
                Outcome::events(events)
            }
            Some(_) | None => {
                // The peer has not seen the answer.
                self.flags.insert(Flags::HANDSHAKE_DUE);
                Outcome::dropped(Dropped::Duplicate)
            }
        }
    }

    /// ESTABLISHED: `ack` acknowledges the own SYN.
    pub(super) fn establish(&mut self, now: Instant, ack: SeqNum) -> Events {
        // A SYN that was sent once gives a sample (Karn's rule); one that was
        // lost makes for caution (RFC 6298 §5.7).
        if self.retries == 0 {
            self.rtt.sample(self.sent_at.elapsed(now).as_micros() as u64);
        } else {
            // Unless its echo gave one.
            self.rtt.guess(Duration::from_secs(3));
        }
        let mss = u32::from(self.mss);
        // RFC 5681 §3.1; as Linux, only if it was lost more than once.
        self.window.cwnd = if self.retries > 1 { mss } else { Cwnd::initial(mss) };
        (self.snd.una, self.retries) = (ack, 0);
        self.rtt.reset_backoff();
        self.clear_timer(Timer::Retransmit);
        self.flags.remove(Flags::HANDSHAKE_DUE);
        // A close that was asked for meanwhile takes effect now.
        let state = if self.flags.contains(Flags::FIN) { State::FinWait1 } else { State::Established };
        self.enter(state);
        self.arm_keepalive(now);
        Events::ESTABLISHED | Events::WRITABLE | Events::CONFIRMED
    }
}
