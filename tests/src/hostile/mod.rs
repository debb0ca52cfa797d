//! Traffic that means no good, each line of what has broken stacks, as
//! captures: made by hand, always the same bytes.
//!
//! A scene is what the stack receives. Where an attack needs a connection, the
//! stack's part of the handshake stands in the scene as if its numbers were
//! known; a replay translates them.

mod dhcp;
mod frames;
mod network;
mod transport;

use std::time::Duration;

use anyhow::{Context, Result};
use fata::traits::{Cidr, EtherType, Instant, MacAddr, Protocol};
use fata_cli::replay::{Options, Report, replay};
use netif_pcap::{Direction, Recorded, Recording};

use frames::{ACK, Ip, OWN, OWN_MAC, PEER, PEER_MAC, SYN, Tcp, arp, ethernet, ping};

/// Where the stack's sequence numbers start, as far as a scene knows.
const ISS: u32 = 1_000_000;
/// Where the peer's do.
const IRS: u32 = 1_000;

/// One attack.
pub struct Scene {
    /// The name of its file.
    pub name: &'static str,
    /// Counters that have to stand so at its end: layer, name, count.
    pub counters: &'static [(&'static str, &'static str, u64)],
    /// Frames that the stack sends: no more, no less.
    pub answers: usize,
    frames: Vec<Recorded>,
    now: Instant,
}

/// All of them.
pub fn scenes() -> Vec<Scene> {
    [network::scenes(), transport::scenes(), dhcp::scenes()].into_iter().flatten().collect()
}

/// Which host the scenes are played against.
pub fn options() -> Options {
    Options { address: Some(Cidr::new(OWN, 24)), tcp: vec![80], udp: vec![7], ..Options::default() }
}

impl Scene {
    /// A scene in which the peer has just asked for the stack's address.
    fn new(name: &'static str) -> Self {
        let mut scene = Self::empty(name);
        scene.get(ethernet(MacAddr::BROADCAST, EtherType::ARP, &arp(1, (PEER_MAC, PEER), OWN)));
        scene
    }

    fn empty(name: &'static str) -> Self {
        Self { name, counters: &[], answers: 0, frames: Vec::new(), now: Instant::from_millis(1) }
    }

    /// What has to come of it.
    fn expect(mut self, answers: usize, counters: &'static [(&'static str, &'static str, u64)]) -> Self {
        self.counters = counters;
        self.answers = answers;
        self
    }

    /// The stack is alive: it answers a ping.
    fn alive(mut self) -> Self {
        self.wait(Duration::from_millis(10));
        self.get(ping().frame());
        self
    }

    fn push(&mut self, direction: Direction, bytes: Vec<u8>) {
        let original_len = bytes.len();
        self.frames.push(Recorded {
            at: self.now,
            direction: Some(direction),
            interface: 0,
            bytes,
            original_len,
        });
    }

    /// The stack gets a frame, a millisecond after what was before.
    fn get(&mut self, frame: Vec<u8>) {
        self.wait(Duration::from_millis(1));
        self.push(Direction::Inbound, frame);
    }

    /// The stack sends something like this, for which its application is the
    /// reason; what it really sends takes its place.
    fn sends(&mut self, segment: &Tcp) {
        let mut segment = segment.clone();
        segment.ports = (segment.ports.1, segment.ports.0);
        let ip = segment.in_ip(Ip::new(Protocol::TCP, &[]).from(OWN).to(PEER));
        let mut frame = ip.frame();
        frame[..6].copy_from_slice(&PEER_MAC.0);
        frame[6..12].copy_from_slice(&OWN_MAC.0);
        self.push(Direction::Outbound, frame);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    /// The peer opens a connection from `port` with these options.
    fn connect(&mut self, port: u16, options: &[u8]) {
        self.get(Tcp::new(port, SYN, IRS, 0).options(options).frame());
        self.sends(&Tcp::new(port, SYN | ACK, ISS, IRS + 1));
        self.get(Tcp::new(port, ACK, IRS + 1, ISS + 1).frame());
    }

    /// What the stack makes of it, as a capture of both.
    ///
    /// # Errors
    ///
    /// Where it can't be played.
    pub fn play(&self) -> Result<(Recording, Report)> {
        let (report, _) = replay(Recording::new(self.frames.clone()), &options())?;
        let passed = report.events.iter().map(|event| {
            let bytes = unhex(&event.frame).context("no hexadecimal")?;
            let direction = if event.sent { Direction::Outbound } else { Direction::Inbound };
            Ok(Recorded {
                at: Instant::from_nanos(event.at_ns),
                direction: Some(direction),
                interface: 0,
                original_len: bytes.len(),
                bytes,
            })
        });
        Ok((Recording::new(passed.collect::<Result<_>>()?), report))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().as_chunks::<2>().0.iter();
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
