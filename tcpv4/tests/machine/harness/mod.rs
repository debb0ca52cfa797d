//! Two machines and a pipe between them, in virtual time; every segment goes
//! over the wire as bytes.

// Each test takes what it needs.
#![allow(dead_code, unreachable_pub, unused_imports)]
// Outside of the crate there is no other way to make settings.
#![allow(clippy::field_reassign_with_default)]

use std::collections::BinaryHeap;
use std::hash::{DefaultHasher, Hasher as _};
use std::net::Ipv4Addr;
use std::time::Duration;

use tcpv4::SeqNum;
use tcpv4::buffer::Backing;
use tcpv4::connection::{Budget, Buffers, Connection, Events, Open, Outcome, Passive, Settings, State};
use tcpv4::segment::{Control, Ecn, Marks, Segment, Transmit};
use tcpv4::wire::{self, Ports};
use traits::{Instant, RxMeta};

mod random;
mod transfer;

pub use random::Random;
pub use transfer::{pattern, transfer};

pub const MTU: usize = 1500;
const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PORTS: Ports = Ports { src: 1000, dst: 2000 };

/// The segments that `transmit` is on the wire, as bytes with their checksum.
pub fn encode<S: Backing>(connection: &Connection<S>, transmit: &Transmit) -> Vec<Vec<u8>> {
    let (first, second) = connection.payload(transmit).unwrap_or_default();
    let data = [first, second].concat();
    assert_eq!(data.len(), transmit.len as usize, "the range lies in the queue");
    let size = transmit.gso_size.map_or(usize::MAX, |size| usize::from(size.get()));
    let count = data.len().div_ceil(size).max(1);
    (0..count)
        .map(|i| {
            let start = (i * size.min(data.len() + 1)).min(data.len());
            let end = start.saturating_add(size).min(data.len());
            let mut cut = *transmit;
            cut.seq = transmit.seq + start as u32;
            if i > 0 {
                cut.marks.remove(Marks::CWR);
            }
            if i + 1 < count {
                cut.control = None;
                cut.marks.remove(Marks::PSH);
            }
            encode_one(&cut, &data[start..end])
        })
        .collect()
}

fn encode_one(transmit: &Transmit, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; transmit.header_len() + data.len()];
    wire::emit(transmit, PORTS, 0, &mut bytes).unwrap().copy_from_slice(data);
    let sum = ::wire::Checksum::pseudo(A, B, ::wire::Protocol::TCP, bytes.len()).bytes(&bytes).finish();
    let at = usize::from(wire::CHECKSUM_OFFSET);
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    bytes
}

pub fn decode(bytes: &[u8]) -> Segment<'_> {
    wire::parse(A, B, 0, &RxMeta::NONE, bytes).expect("what is sent can be read").1
}

/// What the pipe does to segments, per mille and in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub loss: u64,
    pub duplicate: u64,
    pub reorder: u64,
    pub delay: u64,
    pub jitter: u64,
}

impl Faults {
    pub const NONE: Self = Self { loss: 0, duplicate: 0, reorder: 0, delay: 10_000, jitter: 0 };
}

#[derive(PartialEq, Eq)]
struct Flight {
    at: Instant,
    number: u64,
    to: usize,
    ecn: Ecn,
    bytes: Vec<u8>,
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Options that both sides agree on.
pub const SACK: u8 = 1;
pub const TIMESTAMPS: u8 = 2;
pub const SCALE: u8 = 4;

/// Two connected machines.
pub struct Pair<S: Backing> {
    pub now: Instant,
    pub hosts: [Connection<S>; 2],
    pub events: [Events; 2],
    pub faults: Faults,
    pub random: Random,
    pub gso: usize,
    /// What is told of the path's MTU; segments of any length arrive.
    pub mtu: usize,
    /// How many of a thousand segments that may be marked are (RFC 3168).
    pub marked: u64,
    /// Drops the n-th segment of a host, counted from here on.
    pub drop: Vec<(usize, u64)>,
    pub sent: [u64; 2],
    pub sent_bytes: [u64; 2],
    /// Of all bytes that went out.
    pub digest: DefaultHasher,
    pub log: bool,
    flights: BinaryHeap<Flight>,
    number: u64,
}

#[cfg(feature = "alloc")]
impl Pair<tcpv4::buffer::Growing> {
    /// An active opener and a passive one, before the first SYN.
    pub fn new(settings: [Settings; 2], seed: u64, faults: Faults) -> Self {
        Self::with_offers(settings, seed, faults, SACK | TIMESTAMPS | SCALE)
    }

    /// The same with only some options agreed on.
    pub fn with_offers(settings: [Settings; 2], seed: u64, faults: Faults, offers: u8) -> Self {
        Self::with_buffers(settings, seed, faults, offers, [Buffers::default(), Buffers::default()])
    }
}

impl<S: Backing> Pair<S> {
    pub fn with_buffers(
        settings: [Settings; 2],
        seed: u64,
        faults: Faults,
        offers: u8,
        buffers: [Buffers<S>; 2],
    ) -> Self {
        let mut random = Random::new(seed);
        let now = Instant::from_secs(1);
        let iss = [SeqNum::new(random.next() as u32), SeqNum::new(random.next() as u32)];
        let offset = [random.next() as u32, random.next() as u32];
        let [for_a, for_b] = buffers;
        let open = Open { iss: iss[0], ts_offset: offset[0], mtu: MTU };
        let mut a = Connection::connect(now, &open, &settings[0], for_a);
        // The layer's half-open entry, in short: the SYN is never lost here.
        let syn = a.poll_transmit(now, &Budget { mtu: MTU, gso_max_size: 0 }).expect("a SYN");
        a.transmitted(now, &syn);
        let bytes = encode(&a, &syn).remove(0);
        let mut heard = decode(&bytes);
        if offers & SACK == 0 {
            heard.options.sack_permitted = false;
        }
        if offers & TIMESTAMPS == 0 {
            heard.options.timestamps = None;
        }
        if offers & SCALE == 0 {
            heard.options.window_scale = None;
        }
        let b = Self::passive(now, &heard, iss[1], offset[1], &settings[1], for_b);
        Self {
            now,
            hosts: [a, b],
            events: [Events::empty(); 2],
            faults,
            random,
            gso: 0,
            mtu: MTU,
            marked: 0,
            drop: Vec::new(),
            sent: [0; 2],
            sent_bytes: [0; 2],
            digest: DefaultHasher::new(),
            log: false,
            flights: BinaryHeap::new(),
            number: 0,
        }
    }

    fn passive(
        now: Instant,
        syn: &Segment<'_>,
        iss: SeqNum,
        offset: u32,
        settings: &Settings,
        buffers: Buffers<S>,
    ) -> Connection<S> {
        let passive = passive_from(syn, now, iss, offset, settings);
        Connection::accept(now, &passive, settings, buffers)
    }

    /// Gives the active opener the SYN and ACK that the half-open entry sent.
    pub fn establish(&mut self) {
        let answer = {
            // The passive machine sends its SYN and ACK again when asked to.
            let due = self.hosts[1].next_timeout().unwrap();
            let _ = self.hosts[1].handle_timeout(due);
            let budget = Budget { mtu: MTU, gso_max_size: 0 };
            let transmit = self.hosts[1].poll_transmit(self.now, &budget).expect("SYN and ACK");
            self.hosts[1].transmitted(self.now, &transmit);
            encode(&self.hosts[1], &transmit).remove(0)
        };
        let _ = self.deliver(0, &answer, Ecn::NotCapable);
    }

    fn deliver(&mut self, to: usize, bytes: &[u8], ecn: Ecn) -> Outcome {
        let segment = Segment { ecn, ..decode(bytes) };
        let outcome = self.hosts[to].handle_segment(self.now, &segment);
        if self.log {
            println!("{:?} → {to} {} {:?}", self.now, describe(&segment), outcome);
        }
        self.events[to] |= outcome.events;
        outcome
    }

    /// Has both say what they have to say.
    pub fn flush(&mut self) {
        for from in 0..2 {
            let budget = Budget { mtu: self.mtu, gso_max_size: self.gso };
            let mut count = 0;
            while let Some(transmit) = self.hosts[from].poll_transmit(self.now, &budget) {
                count += 1;
                assert!(count < 10_000, "host {from} never falls silent: {transmit:?}");
                for bytes in encode(&self.hosts[from], &transmit) {
                    self.launch(from, bytes, transmit.ecn);
                }
                self.hosts[from].transmitted(self.now, &transmit);
            }
        }
    }

    fn launch(&mut self, from: usize, bytes: Vec<u8>, ecn: Ecn) {
        let number = self.sent[from];
        self.sent[from] += 1;
        self.sent_bytes[from] += bytes.len() as u64;
        self.digest.write(&bytes);
        self.digest.write_u8(ecn.tos());
        let is_dropped = self.drop.contains(&(from, number)) || self.random.chance(self.faults.loss);
        if self.log {
            println!(
                "{:?}   {from} → {} #{number}{}",
                self.now,
                describe(&decode(&bytes)),
                if is_dropped { " LOST" } else { "" }
            );
        }
        if is_dropped {
            return;
        }
        let is_marked = ecn != Ecn::NotCapable && self.marked > 0 && self.random.chance(self.marked);
        let ecn = if is_marked { Ecn::Congested } else { ecn };
        let copies = if self.random.chance(self.faults.duplicate) { 2 } else { 1 };
        for _ in 0..copies {
            let mut delay = self.faults.delay + self.random.below(self.faults.jitter);
            if self.random.chance(self.faults.reorder) {
                delay += self.random.below(self.faults.delay * 2 + 1000);
            }
            let at = self.now + Duration::from_micros(delay);
            self.number += 1;
            self.flights.push(Flight { at, number: self.number, to: 1 - from, ecn, bytes: bytes.clone() });
        }
    }

    /// The time of what happens next.
    pub fn next(&self) -> Option<Instant> {
        let timers = self.hosts.iter().filter_map(Connection::next_timeout).min();
        let flight = self.flights.peek().map(|flight| flight.at);
        [timers, flight].into_iter().flatten().min()
    }

    /// Goes to what happens next, and has it happen. False when nothing does.
    pub fn step(&mut self) -> bool {
        self.flush();
        let Some(next) = self.next() else { return false };
        assert!(next >= self.now || self.flights.peek().is_none(), "time goes on");
        self.now = self.now.max(next);
        while self.flights.peek().is_some_and(|flight| flight.at <= self.now) {
            let flight = self.flights.pop().unwrap();
            let _ = self.deliver(flight.to, &flight.bytes, flight.ecn);
        }
        for host in 0..2 {
            if self.hosts[host].next_timeout().is_some_and(|at| at <= self.now) {
                self.events[host] |= self.hosts[host].handle_timeout(self.now);
                let later = self.hosts[host].next_timeout();
                assert!(later.is_none_or(|at| at > self.now), "a timer that is due again at once");
            }
        }
        true
    }

    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.flush();
            match self.next() {
                Some(next) if next <= end => assert!(self.step()),
                _ => break,
            }
        }
        self.now = end;
    }
}

/// What a half-open entry would learn from a SYN.
pub fn passive_from(syn: &Segment<'_>, now: Instant, iss: SeqNum, offset: u32, settings: &Settings) -> Passive {
    assert_eq!(syn.control, Some(Control::Syn));
    let own = tcpv4::WindowScale::for_limit(settings.receive_limit as usize);
    Passive {
        iss,
        irs: syn.seq,
        mss: syn.options.mss.unwrap_or(tcpv4::Mss::DEFAULT),
        window: syn.window,
        window_scale: syn.options.window_scale.map(|peer| (own, peer)),
        advertised: tcpv4::Window(settings.receive_limit.min(65_535) as u16),
        sack_permitted: syn.options.sack_permitted,
        timestamps: syn.options.timestamps.map(|ts| (offset, ts.value)),
        ecn: syn.marks.contains(Marks::ECE | Marks::CWR),
        sent_at: Some(now),
        mtu: MTU,
    }
}

pub fn describe(segment: &Segment<'_>) -> String {
    format!(
        "{:?} seq {:?}+{} ack {:?} win {} {:?} {:?}",
        segment.control,
        segment.seq,
        segment.payload.len(),
        segment.ack,
        segment.window.0,
        segment.options.timestamps.map(|ts| (ts.value, ts.echo)),
        segment.options.sack.as_slice(),
    )
}
