//! A client on a script: virtual time, and a server's words by hand.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

pub mod world;

use std::net::Ipv4Addr;
use std::time::Duration;

use dhcp_client::machine::{Machine, Note, Transmit};
use dhcp_client::message::{Code, Header, MessageType, Op, Writer};
use dhcp_client::{Check, Options, StateName};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use traits::{Instant, MacAddr};

pub const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);
pub const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
pub const LENGTH: u64 = 8000;

pub type Said = Vec<(Code, Vec<u8>)>;

/// What a server says at least.
pub fn said(server: Ipv4Addr, length: u64) -> Said {
    let length = length as u32;
    vec![
        (Code::SERVER_IDENTIFIER, server.octets().to_vec()),
        (Code::LEASE_TIME, length.to_be_bytes().to_vec()),
        (Code::RENEWAL_TIME, (length / 2).to_be_bytes().to_vec()),
        (Code::REBINDING_TIME, (length / 8 * 7).to_be_bytes().to_vec()),
        (Code::SUBNET_MASK, vec![255, 255, 255, 0]),
        (Code::ROUTER, server.octets().to_vec()),
    ]
}

/// The same with one option changed, or left out where `bytes` is `None`.
pub fn with(mut said: Said, code: Code, bytes: Option<&[u8]>) -> Said {
    said.retain(|(each, _)| *each != code);
    said.extend(bytes.map(|bytes| (code, bytes.to_vec())));
    said
}

pub fn header(xid: u32, yiaddr: Ipv4Addr) -> Header {
    Header { op: Op::Reply, yiaddr, ..Header::request(xid, MAC) }
}

pub fn message(header: &Header, kind: MessageType, said: &Said) -> Vec<u8> {
    let mut buffer = vec![0; 4000];
    let mut writer = Writer::new(&mut buffer, header, kind);
    said.iter().for_each(|(code, bytes)| writer.option(*code, bytes));
    let len = writer.finish().unwrap();
    buffer.truncate(len);
    buffer
}

pub struct Script {
    pub machine: Machine,
    pub random: ChaCha8Rng,
    pub now: Instant,
    /// The `xid` of the last message sent.
    pub xid: u32,
}

impl Script {
    /// Without a check by ARP.
    pub fn new() -> Self {
        Self::with(&Options::new().check(Check::None))
    }

    pub fn with(options: &Options) -> Self {
        let machine = Machine::new(MAC, options);
        Self { machine, random: ChaCha8Rng::seed_from_u64(7), now: Instant::from_secs(100), xid: 0 }
    }

    /// Sends what is to be sent.
    pub fn sent(&mut self) -> Transmit {
        let transmit = self.machine.transmit().expect("something to send");
        self.machine.sent(true);
        self.xid = transmit.xid;
        transmit
    }

    pub fn silent(&self) {
        assert_eq!(self.machine.transmit(), None);
    }

    /// Lets the next timeout come, and returns what it made be sent.
    pub fn due(&mut self) -> Transmit {
        self.wait();
        self.sent()
    }

    /// Lets the next timeout come.
    pub fn wait(&mut self) {
        let at = self.machine.next_timeout().expect("a timeout");
        self.now = self.now.max(at);
        self.machine.handle_timeout(self.now, &mut self.random);
    }

    /// Lets time pass, with nothing in between.
    pub fn sleep(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.machine.handle_timeout(self.now, &mut self.random);
    }

    pub fn hear(&mut self, bytes: &[u8]) {
        self.machine.handle_datagram(self.now, bytes, &mut self.random);
    }

    pub fn reply(&mut self, kind: MessageType, yiaddr: Ipv4Addr, said: &Said) {
        let bytes = message(&header(self.xid, yiaddr), kind, said);
        self.hear(&bytes);
    }

    pub fn offer(&mut self) {
        self.reply(MessageType::Offer, ADDRESS, &said(SERVER, LENGTH));
    }

    pub fn ack(&mut self) {
        self.reply(MessageType::Ack, ADDRESS, &said(SERVER, LENGTH));
    }

    pub fn nak_from(&mut self, server: Ipv4Addr) {
        let said = vec![(Code::SERVER_IDENTIFIER, server.octets().to_vec())];
        self.reply(MessageType::Nak, NONE, &said);
    }

    /// To BOUND, by the whole exchange.
    pub fn bound() -> Self {
        let mut script = Self::new();
        script.due();
        script.offer();
        script.sent();
        script.ack();
        script.is(StateName::Bound);
        script
    }

    pub fn renewing() -> Self {
        let mut script = Self::bound();
        script.due();
        script.is(StateName::Renewing);
        script
    }

    pub fn rebinding() -> Self {
        let mut script = Self::bound();
        script.sleep(LENGTH / 8 * 7);
        script.sent();
        script.is(StateName::Rebinding);
        script
    }

    /// All that is sent until a state is reached.
    pub fn sent_until(&mut self, state: StateName) -> Vec<Transmit> {
        let mut sent = Vec::new();
        while self.machine.state() != state {
            sent.push(self.due());
        }
        sent
    }

    pub fn is(&self, state: StateName) {
        assert_eq!(self.machine.state(), state);
    }

    pub fn notes(&mut self) -> Vec<Note> {
        std::iter::from_fn(|| self.machine.take_note()).collect()
    }

    /// Seconds until the next timeout.
    pub fn next_in(&self) -> f64 {
        self.machine.next_timeout().unwrap().duration_since(self.now).as_secs_f64()
    }
}
