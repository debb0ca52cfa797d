//! ICMP echo requests of one's own, over any IPv4 layer.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use fata::os::race;
use fata::prelude::*;
use fata::traits::{Header, IcmpErrorKind, Inbound, Ip, Protocol, SendError, TxMeta, WakerSet};
use fata::wire::checksum;

/// Bytes of an echo message before its payload.
const HEADER: usize = 8;
const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// Sends echo requests one at a time and waits for the answers.
#[derive(Default)]
pub struct Pinger {
    identifier: u16,
    /// The request that waits: its number and size.
    waiting: Cell<Option<(u16, usize)>>,
    answer: Cell<Option<Result<Reply, PingError>>>,
    waker: WakerSet<1>,
}

/// An answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Who answered.
    pub from: Ipv4Addr,
    /// Hops left.
    pub ttl: u8,
    /// From the request to the answer.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PingError {
    /// The request could not be sent.
    Send(SendError),
    /// Somebody on the way says no.
    Icmp(Ipv4Addr, IcmpErrorKind),
    /// The answer carries something else than was sent.
    Corrupt,
    /// Nobody answered.
    Timeout,
}

impl fmt::Display for PingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(error) => write!(f, "not sent: {error}"),
            Self::Icmp(reporter, kind) => write!(f, "{reporter} says {kind:?}"),
            Self::Corrupt => f.write_str("the answer is not what was sent"),
            Self::Timeout => f.write_str("no answer"),
        }
    }
}

impl std::error::Error for PingError {}

fn pattern(index: usize) -> u8 {
    index as u8
}

impl Pinger {
    /// With an identifier, which tells its requests from others'.
    pub fn new(identifier: u16) -> Self {
        Self { identifier, ..Self::default() }
    }

    /// Takes what the label `icmp` of `ipv4::listeners` hands out.
    pub fn input(&self, inbound: Inbound<'_>) {
        let Some((sequence, size)) = self.waiting.get() else { return };
        let answer = match inbound {
            Inbound::Packet(packet) => {
                let Some((head, payload)) = packet.payload.split_at_checked(HEADER) else { return };
                if head[0] != ECHO_REPLY || head[4..8] != self.key(sequence) {
                    return;
                }
                let same = payload.len() == size
                    && payload.iter().enumerate().all(|(index, &byte)| byte == pattern(index));
                let reply = Reply { from: packet.src, ttl: packet.ttl, took: Duration::ZERO };
                if same { Ok(reply) } else { Err(PingError::Corrupt) }
            }
            Inbound::Error(error) => {
                if error.quote.get(4..8) != Some(&self.key(sequence)[..]) {
                    return;
                }
                Err(PingError::Icmp(error.reporter, error.kind))
            }
        };
        self.waiting.set(None);
        self.answer.set(Some(answer));
        self.waker.wake();
    }

    fn key(&self, sequence: u16) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.identifier.to_be_bytes(), sequence.to_be_bytes());
        [a, b, c, d]
    }

    /// Sends one request with `size` bytes of payload and waits for its
    /// answer, for `patience` at most.
    pub async fn ping(
        &self,
        ip: &impl Ip,
        time: &impl Time,
        dst: Ipv4Addr,
        sequence: u16,
        size: usize,
        patience: Duration,
    ) -> Result<Reply, PingError> {
        self.answer.set(None);
        self.waiting.set(Some((sequence, size)));
        let start = time.now();
        ip.write(Header::new(dst, Protocol::ICMP), TxMeta::NONE, HEADER + size, |message| {
            message[..4].copy_from_slice(&[ECHO_REQUEST, 0, 0, 0]);
            message[4..8].copy_from_slice(&self.key(sequence));
            message[HEADER..].iter_mut().enumerate().for_each(|(index, byte)| *byte = pattern(index));
            let sum = checksum(message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            message.len()
        })
        .map_err(PingError::Send)?;
        let answered = poll_fn(|context| match self.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                self.waker.register(context.waker());
                Poll::Pending
            }
        });
        let reply = race!(answered, async {
            time.sleep(patience).await;
            Err(PingError::Timeout)
        })?;
        Ok(Reply { took: time.now().duration_since(start), ..reply })
    }
}
