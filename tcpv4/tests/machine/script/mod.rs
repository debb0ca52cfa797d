//! Scripts: what is injected, and what must come out and when.
//!
//! Sequence numbers count from each side's SYN, which is 0; so the first byte
//! of data is 1.

// Each script takes what it needs.
#![allow(dead_code, unreachable_pub)]
// Outside of the crate there is no other way to make settings.
#![allow(clippy::field_reassign_with_default)]

pub mod path;
mod seg;

use std::collections::VecDeque;
use std::time::Duration;

use tcpv4::connection::{Budget, Connection, Events, Failure, Open, Outcome, Settings, State};
use tcpv4::segment::{Control, Ecn, Segment};
use tcpv4::wire::{Options, SackBlock, SackBlocks, Timestamps};
use tcpv4::{Mss, SeqNum, Window, WindowScale};
use traits::Instant;

use crate::harness::{decode, describe, encode, pattern};
pub use seg::{Seg, ack, data, seg};

/// The initial sequence numbers: both sequence spaces wrap in most scripts.
pub const ISS: u32 = u32::MAX - 3_000;
pub const IRS: u32 = u32::MAX - 700;
/// Added to the own timestamps.
pub const TS_OFFSET: u32 = 77_000;

/// What a machine sent, and when.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Instant,
    /// What goes into the ECN field of the IPv4 header.
    pub ecn: Ecn,
    pub bytes: Vec<u8>,
}

/// One machine, whose peer is the script.
pub struct Script {
    pub connection: Connection<crate::Memory>,
    pub now: Instant,
    pub out: VecDeque<Sent>,
    pub events: Events,
    pub window: u16,
    pub mtu: usize,
    pub gso: usize,
    /// TSval of what is injected, where timestamps are in use.
    pub peer_ts: Option<u32>,
    start: Instant,
}

/// How a script begins.
#[derive(Clone)]
pub struct Start {
    pub settings: Settings,
    pub sack: bool,
    pub ts: bool,
    pub scale: Option<u8>,
    pub mss: u16,
    pub window: u16,
    pub rtt: u64,
}

impl Default for Start {
    /// A peer with SACK, a window of 64,000 bytes and an MSS of 1000, 100 ms
    /// away, and no timestamps.
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            sack: true,
            ts: false,
            scale: None,
            mss: 1000,
            window: 64_000,
            rtt: 100,
        }
    }
}

impl Script {
    /// SYN-SENT, the SYN taken out.
    pub fn connecting(settings: &Settings) -> Self {
        let now = Instant::from_secs(10);
        let open = Open { iss: SeqNum::new(ISS), ts_offset: TS_OFFSET, mtu: 1500 };
        let connection = Connection::connect(now, &open, settings, crate::buffers(settings));
        let mut script = Self {
            connection,
            now,
            out: VecDeque::new(),
            events: Events::empty(),
            window: 64_000,
            mtu: 1500,
            gso: 0,
            peer_ts: None,
            start: now,
        };
        script.flush();
        script
    }

    /// ESTABLISHED, nothing sent yet.
    pub fn open(start: &Start) -> Self {
        let mut script = Self::connecting(&start.settings);
        script.expect(seg().syn().seq(0).no_ack());
        script.window = start.window;
        script.run(start.rtt);
        let mut answer = seg().syn().seq(0).ack(1).mss(start.mss);
        answer.sack_permitted = start.sack;
        answer.scale = start.scale;
        if start.ts {
            script.peer_ts = Some(500);
            answer.ts = Some((500, script.own_ts()));
        }
        let _ = script.inject(answer);
        script.expect(seg().seq(1).ack(1).len(0));
        script.silent();
        assert_eq!(script.connection.state(), State::Established);
        script.start = script.now;
        script
    }

    pub fn established() -> Self {
        Self::open(&Start::default())
    }

    /// The own TSval at present.
    pub fn own_ts(&self) -> u32 {
        (self.now.as_millis() as u32).wrapping_add(TS_OFFSET)
    }

    /// Milliseconds since the script began.
    pub fn time(&self) -> u64 {
        self.now.duration_since(self.start).as_millis() as u64
    }

    /// The retransmission timeout, in milliseconds.
    pub fn rto(&self) -> u64 {
        self.connection.info().rto.as_millis() as u64
    }

    pub fn flush(&mut self) {
        let budget = Budget { mtu: self.mtu, gso_max_size: self.gso };
        let mut count = 0;
        while let Some(transmit) = self.connection.poll_transmit(self.now, &budget) {
            count += 1;
            assert!(count < 5_000, "never falls silent: {transmit:?}");
            for bytes in encode(&self.connection, &transmit) {
                self.out.push_back(Sent { at: self.now, ecn: transmit.ecn, bytes });
            }
            self.connection.transmitted(self.now, &transmit);
        }
    }

    /// Injects a segment, and has the machine answer.
    pub fn inject(&mut self, seg: Seg) -> Outcome {
        let outcome = self.inject_only(seg);
        self.flush();
        outcome
    }

    /// Injects a segment of a batch: the answer comes later.
    pub fn inject_only(&mut self, seg: Seg) -> Outcome {
        let first = seg.seq.unwrap_or(1);
        let offset = if seg.control == Some(Control::Syn) { 0 } else { 1 };
        let payload: Vec<u8> = (0..seg.len.unwrap_or(0))
            .map(|i| pattern(1, u64::from(first.wrapping_add(i).wrapping_sub(offset))))
            .collect();
        let mut sack = SackBlocks::NONE;
        for &(start, end) in seg.sack.iter().flatten() {
            sack.push(SackBlock::new(SeqNum::new(ISS) + start, SeqNum::new(ISS) + end));
        }
        let default_ts = self.peer_ts.map(|value| (value, self.own_ts()));
        let segment = Segment {
            seq: SeqNum::new(IRS) + first,
            ack: (!seg.no_ack).then(|| seg.ack.map(|ack| SeqNum::new(ISS) + ack)).flatten(),
            window: Window(seg.win.unwrap_or(self.window)),
            control: seg.control,
            marks: seg.marks,
            options: Options {
                mss: seg.mss.map(Mss::new),
                window_scale: seg.scale.map(WindowScale::new),
                sack_permitted: seg.sack_permitted,
                timestamps: seg.ts.or(default_ts).map(|(value, echo)| Timestamps { value, echo }),
                sack,
            },
            ecn: if seg.ce { Ecn::Congested } else { Ecn::NotCapable },
            payload: &payload,
            segment_size: seg.gso.and_then(std::num::NonZeroU16::new),
        };
        let outcome = self.connection.handle_segment(self.now, &segment);
        self.events |= outcome.events;
        outcome
    }

    /// Lets time pass, in milliseconds.
    pub fn run(&mut self, millis: u64) {
        self.run_micros(millis * 1000);
    }

    pub fn run_micros(&mut self, micros: u64) {
        let end = self.now + Duration::from_micros(micros);
        self.flush();
        while let Some(at) = self.connection.next_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.events |= self.connection.handle_timeout(self.now);
            self.flush();
        }
        self.now = end;
    }

    /// The next segment that was sent, which must be as described.
    pub fn expect(&mut self, wanted: Seg) -> Sent {
        let Some(sent) = self.out.pop_front() else { panic!("nothing was sent; wanted {wanted:?}") };
        let segment = decode(&sent.bytes);
        wanted.check(&segment);
        sent
    }

    /// The same, sent `millis` after the script began (give or take 1).
    pub fn expect_at(&mut self, millis: u64, wanted: Seg) {
        let start = self.start;
        let sent = self.expect(wanted.clone());
        let at = sent.at.duration_since(start).as_millis() as u64;
        assert!(at.abs_diff(millis) <= 1, "at {at} ms, not {millis}: {wanted:?}");
    }

    /// Nothing (more) was sent.
    pub fn silent(&mut self) {
        if let Some(sent) = self.out.pop_front() {
            panic!("sent at {:?}: {}", sent.at, describe(&decode(&sent.bytes)));
        }
    }

    /// Drops what was sent, and tells how much that was.
    pub fn discard(&mut self) -> usize {
        let count = self.out.len();
        self.out.clear();
        count
    }

    /// Writes bytes, all of which must find room.
    pub fn write(&mut self, len: usize) {
        let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
        assert_eq!(self.connection.write(self.now, &bytes), Ok(len));
        self.flush();
    }

    /// Reads all that is there, and checks it against what was injected, from
    /// the byte `at` on. Returns how much it was.
    pub fn read_from(&mut self, at: u64) -> usize {
        let mut buffer = vec![0; 1 << 20];
        let count = self.connection.read(self.now, &mut buffer);
        for (i, &byte) in buffer[..count].iter().enumerate() {
            assert_eq!(byte, pattern(1, at + i as u64), "byte {}", at + i as u64);
        }
        self.flush();
        count
    }

    pub fn close(&mut self) {
        self.events |= self.connection.close(self.now);
        self.flush();
    }

    pub fn state(&self) -> State {
        self.connection.state()
    }

    pub fn failure(&self) -> Option<Failure> {
        self.connection.failure()
    }
}

/// A peer without SACK.
pub fn reno() -> Start {
    Start { sack: false, ..Start::default() }
}

/// A script with `segments` under way, sent at 0.
pub fn flying(start: &Start, segments: usize) -> Script {
    let mut s = Script::open(start);
    s.write(segments * 1000);
    for n in 0..segments {
        s.expect(seg().seq(1 + n as u32 * 1000).len(1000));
    }
    s.silent();
    s
}
