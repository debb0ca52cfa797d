//! Traffic that means no good, each line of what has broken stacks, as
//! captures: made by hand, always the same bytes.
//!
//! `docs/bad-inputs.md` says which scene is for what. A scene is what the stack
//! receives, and says where it stands what the stack answers to it. Where an
//! attack needs a connection, the stack's part of the handshake stands in the
//! scene as if its numbers were known; a replay translates them.

mod answer;
mod connections;
mod dhcp;
mod floods;
mod network;
mod transport;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fata::traits::{Cidr, EtherType, Instant, MacAddr, Protocol};
use fata_cli::replay::{Options, Report, replay};
use netif_pcap::{Direction, Recorded, Recording};

use crate::frames::{
    ACK, GOOD, GOOD_MAC, Ip, OWN, OWN_MAC, PEER, PEER_MAC, PSH, SYN, Tcp, arp, ethernet, ping,
};
pub use answer::{Answer, Answers, compare};

/// Where the stack's sequence numbers start, as far as a scene knows.
const ISS: u32 = 1_000_000;
/// Where the peer's do.
const IRS: u32 = 1_000;
/// Options of a SYN: an MSS of 1460, and SACK permitted.
const USUAL: [u8; 8] = [2, 4, 5, 0xb4, 4, 2, 1, 1];

/// Data of the application's, `at` bytes into its stream.
fn written(port: u16, at: u32, len: usize) -> Tcp {
    Tcp::new(port, ACK | PSH, ISS + 1 + at, IRS + 1).data(&vec![7; len])
}

/// What the stack says to who means well.
pub const WELCOME: &[u8] = b"welcome";

/// One attack.
pub struct Scene {
    /// The name of its file.
    pub name: &'static str,
    /// Counters that have to stand so at its end: layer, name, count.
    pub counters: &'static [(&'static str, &'static str, u64)],
    /// What the stack sends: no more, no less.
    pub answers: Answers,
    /// Whether somebody who means well gets a connection at its end, and an
    /// answer over it.
    pub serves: bool,
    /// Which host it is played against.
    pub options: Options,
    frames: Vec<Recorded>,
    now: Instant,
}

/// All of them.
pub fn scenes() -> Vec<Scene> {
    let all = [network::scenes(), floods::scenes(), transport::scenes(), connections::scenes(), dhcp::scenes()];
    all.into_iter().flatten().collect()
}

/// The host that scenes are played against which say of no other.
pub fn options() -> Options {
    Options { address: Some(Cidr::new(OWN, 24)), tcp: vec![80], udp: vec![7], ..Options::default() }
}

impl Scene {
    /// A scene in which the peer has just asked for the stack's address.
    fn new(name: &'static str) -> Self {
        let mut scene = Self::empty(name);
        scene.get(ethernet(MacAddr::BROADCAST, EtherType::ARP, &arp(1, (PEER_MAC, PEER), OWN)));
        scene.answer(Answer::IsAt);
        // The address that it was given, when it starts.
        scene.answer(Answer::Announces);
        scene
    }

    fn empty(name: &'static str) -> Self {
        let now = Instant::from_millis(1);
        Self {
            name,
            counters: &[],
            answers: Answers::new(),
            serves: false,
            options: options(),
            frames: Vec::new(),
            now,
        }
    }

    /// The stack sends this, for what has just been said.
    fn answer(&mut self, answer: Answer) {
        self.answers(answer, 1);
    }

    /// The stack sends so many of these.
    fn answers(&mut self, answer: Answer, count: usize) {
        self.answers_about(answer, count, count);
    }

    /// The stack sends at least and at most so many of these.
    fn answers_about(&mut self, answer: Answer, least: usize, most: usize) {
        let (all_least, all_most) = self.answers.entry(answer).or_default();
        *all_least += least;
        *all_most += most;
    }

    /// An address that was given is announced once more after two seconds
    /// (RFC 5227 §2.3), in scenes that last so long.
    fn lasts(&mut self) {
        self.answer(Answer::Announces);
    }

    /// What has been counted at its end.
    fn expect(mut self, counters: &'static [(&'static str, &'static str, u64)]) -> Self {
        self.counters = counters;
        self
    }

    /// The stack is alive: it answers a ping.
    fn alive(mut self) -> Self {
        self.wait(Duration::from_millis(10));
        self.get(ping().frame());
        self.answer(Answer::Echoes);
        self
    }

    /// The stack serves who means well: a ping, and a connection with a word
    /// each way.
    fn served(mut self) -> Self {
        let good = |ip: Ip| {
            let mut frame = ip.from(GOOD).frame();
            frame[6..12].copy_from_slice(&GOOD_MAC.0);
            frame
        };
        let tcp = |flags, seq, ack| Tcp::new(7000, flags, seq, ack);
        let to = (GOOD_MAC, GOOD);
        self.wait(Duration::from_millis(10));
        let mut asks = ethernet(MacAddr::BROADCAST, EtherType::ARP, &arp(1, to, OWN));
        asks[6..12].copy_from_slice(&GOOD_MAC.0);
        self.get(asks);
        self.answer(Answer::IsAt);
        self.get(good(ping()));
        self.answer(Answer::Echoes);
        let segment = |tcp: Tcp| good(tcp.in_ip(Ip::new(Protocol::TCP, &[]).from(GOOD)));
        self.get(segment(tcp(SYN, IRS, 0).options(&[2, 4, 5, 0xb4])));
        self.sends_to(to, &tcp(SYN | ACK, ISS, IRS + 1));
        self.answer(Answer::Accepts);
        self.get(segment(tcp(ACK, IRS + 1, ISS + 1)));
        self.get(segment(tcp(ACK | PSH, IRS + 1, ISS + 1).data(b"hello")));
        // The answer acknowledges what was asked.
        self.sends_to(to, &tcp(ACK | PSH, ISS + 1, IRS + 6).data(WELCOME));
        self.answer(Answer::Data);
        self.get(segment(tcp(ACK, IRS + 6, ISS + 1 + WELCOME.len() as u32)));
        self.serves = true;
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

    /// The stack gets a frame at once, in the same batch as what was before.
    fn get_too(&mut self, frame: Vec<u8>) {
        self.push(Direction::Inbound, frame);
    }

    /// The stack sends something like this, for which its application is the
    /// reason; what it really sends takes its place.
    fn sends(&mut self, segment: &Tcp) {
        self.sends_to((PEER_MAC, PEER), segment);
    }

    fn sends_to(&mut self, (mac, host): (MacAddr, Ipv4Addr), segment: &Tcp) {
        let mut segment = segment.clone();
        segment.ports = (segment.ports.1, segment.ports.0);
        let ip = segment.in_ip(Ip::new(Protocol::TCP, &[]).from(OWN).to(host));
        let mut frame = ip.frame();
        frame[..6].copy_from_slice(&mac.0);
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
        self.answer(Answer::Accepts);
        self.get(Tcp::new(port, ACK, IRS + 1, ISS + 1).frame());
    }

    /// What the stack makes of it, as a capture of both.
    ///
    /// Applications write what a capture has when it was first sent: where
    /// that is later than in the scene, what comes of it is played again.
    ///
    /// # Errors
    ///
    /// Where it can't be played, or comes to something else each time.
    pub fn play(&self) -> Result<(Recording, Report)> {
        const TIMES: usize = 4;
        let mut recording = Recording::new(self.frames.clone());
        for _ in 0..TIMES {
            let (report, differences) = replay(recording, &self.options)?;
            recording = passed(&report)?;
            if differences.is_same() {
                return Ok((recording, report));
            }
        }
        bail!("it comes to something else each time")
    }
}

/// What a report says that passed.
fn passed(report: &Report) -> Result<Recording> {
    let frames = report.events.iter().map(|event| {
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
    Ok(Recording::new(frames.collect::<Result<_>>()?))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().as_chunks::<2>().0.iter();
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
