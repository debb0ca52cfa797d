//! A [`Network`] over a [`Network`] that counts what passes, by protocol, and
//! how long the tower above takes for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant as Wall};

use fata::traits::{Frame, Layer, Network, Never, SendError, TxMeta};

/// The protocol of a frame, as far up as it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Arp,
    Icmp,
    Udp,
    Tcp,
    OtherIp,
    Ipv6,
    Other,
}

const KINDS: [(Kind, &str); 7] = [
    (Kind::Arp, "ARP"),
    (Kind::Icmp, "IPv4 / ICMP"),
    (Kind::Udp, "IPv4 / UDP"),
    (Kind::Tcp, "IPv4 / TCP"),
    (Kind::OtherIp, "IPv4 / other"),
    (Kind::Ipv6, "IPv6"),
    (Kind::Other, "other"),
];

impl Kind {
    fn of(frame: &[u8]) -> Self {
        match frame.get(12..14) {
            Some([0x08, 0x06]) => Self::Arp,
            Some([0x86, 0xdd]) => Self::Ipv6,
            Some([0x08, 0x00]) => match frame.get(23) {
                Some(1) => Self::Icmp,
                Some(6) => Self::Tcp,
                Some(17) => Self::Udp,
                _ => Self::OtherIp,
            },
            _ => Self::Other,
        }
    }
}

#[derive(Default)]
struct Counter {
    received: AtomicU64,
    received_bytes: AtomicU64,
    nanoseconds: AtomicU64,
    sent: AtomicU64,
    sent_bytes: AtomicU64,
}

/// What has passed so far; shared with the meter, readable from any thread.
#[derive(Clone, Default)]
pub struct Tally(Arc<[Counter; KINDS.len()]>);

impl Tally {
    fn received(&self, kind: Kind, len: usize, took: Duration) {
        let counter = &self.0[kind as usize];
        counter.received.fetch_add(1, Relaxed);
        counter.received_bytes.fetch_add(len as u64, Relaxed);
        counter.nanoseconds.fetch_add(took.as_nanos() as u64, Relaxed);
    }

    fn sent(&self, kind: Kind, len: usize) {
        let counter = &self.0[kind as usize];
        counter.sent.fetch_add(1, Relaxed);
        counter.sent_bytes.fetch_add(len as u64, Relaxed);
    }

    /// Frames received and sent, all protocols together.
    pub fn frames(&self) -> (u64, u64) {
        let sum = |of: fn(&Counter) -> &AtomicU64| self.0.iter().map(|c| of(c).load(Relaxed)).sum();
        (sum(|c| &c.received), sum(|c| &c.sent))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:14}{:>9}{:>12}{:>9}{:>12}{:>18}",
            "protocol", "received", "bytes", "sent", "bytes", "each took, input"
        )?;
        for (kind, name) in KINDS {
            let counter = &self.0[kind as usize];
            let [received, received_bytes, sent, sent_bytes] =
                [&counter.received, &counter.received_bytes, &counter.sent, &counter.sent_bytes]
                    .map(|c| c.load(Relaxed));
            if received + sent == 0 {
                continue;
            }
            let each = match counter.nanoseconds.load(Relaxed).checked_div(received) {
                Some(nanoseconds) => format!("{:.2} µs", nanoseconds as f64 / 1e3),
                None => "-".to_owned(),
            };
            writeln!(f, "{name:14}{received:>9}{received_bytes:>12}{sent:>9}{sent_bytes:>12}{each:>18}")?;
        }
        Ok(())
    }
}

/// The device below, with its traffic counted.
pub struct Meter<N> {
    below: N,
    tally: Tally,
}

impl<N: Network> Meter<N> {
    /// Counts what passes `below` in `tally`.
    pub fn new(below: N, tally: Tally) -> Self {
        Self { below, tally }
    }
}

impl<N: Network> Layer for Meter<N> {
    fata::traits::forward_layer!(below);
}

impl<N: Network> Network for Meter<N> {
    type Error = N::Error;

    fata::traits::forward_network!(below, except write, listen);

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        self.below.write(meta, len, |buffer| {
            let used = fill(buffer).min(len);
            self.tally.sent(Kind::of(&buffer[..used]), used);
            used
        })
    }

    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, N::Error> {
        self.below
            .listen(|frame| {
                let (kind, len) = (Kind::of(frame.bytes), frame.bytes.len());
                let start = Wall::now();
                input(frame);
                self.tally.received(kind, len, start.elapsed());
            })
            .await
    }
}
