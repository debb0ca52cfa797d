//! The path between the two ends: a bottleneck with a queue, a delay, and
//! seeded loss and reordering, the same code whoever stands at its ends.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use fata::netif_unix_tap::Tap;
use fata::os::{Os, unix::Unix};
use fata::prelude::*;
use fata::traits::{Frame, TxMeta};
use netif_faults::{Faults, Impairments, Probability};
use netif_memory::{Link, Settings, WhenFull};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// A full frame of an MTU of 1500 bytes.
const FRAME: u64 = 1514;
/// Frames that the bottleneck's queue holds at least: with less, the first
/// flight alone would overflow it on a short path.
const QUEUE: u64 = 64;

/// What a path does to what passes, alike in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Path {
    /// The round trip without any waiting, in microseconds.
    pub(crate) rtt: u64,
    /// Frames lost at random, in a million.
    pub(crate) loss: u32,
    /// Frames held so that others overtake them, in a million, each for a
    /// random time up to half a round trip.
    pub(crate) reordering: u32,
    /// The bottleneck in bits per second.
    pub(crate) rate: u64,
    /// Draws what is lost and what is late.
    pub(crate) seed: u64,
}

impl Path {
    /// Frames that may wait at the bottleneck: as many as the path holds.
    pub(crate) fn queue(&self) -> usize {
        let frames = self.rate * self.rtt / 1_000_000 / 8 / FRAME;
        frames.max(QUEUE) as usize
    }

    pub(crate) fn line(&self) -> Settings {
        let settings = Settings::new().with_rate(self.rate).with_delay(Duration::from_micros(self.rtt / 2));
        // Small frames are many more than large ones, and none is to be lost
        // for want of memory.
        settings.with_queue(self.queue(), WhenFull::Drop).with_capacity(1 << 16)
    }

    pub(crate) fn impairments(&self) -> Impairments {
        Impairments::NONE
            .with_loss(Probability::per_million(self.loss))
            .with_reordering(Probability::per_million(self.reordering), Duration::from_micros(self.rtt / 2))
    }

    /// What draws for frames from the left, 0, or from the right, 1.
    pub(crate) fn random(&self, direction: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed << 2 | direction)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.rtt, self.loss, self.reordering, self.rate, self.seed)
    }
}

impl FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut numbers = text.split_whitespace().map(str::parse::<u64>);
        let mut next = || Ok::<_, Error>(numbers.next().context("too few numbers")??);
        Ok(Self {
            rtt: next()?,
            loss: next()?.try_into()?,
            reordering: next()?.try_into()?,
            rate: next()?,
            seed: next()?,
        })
    }
}

/// What happened to frames on their way from the sender, and back.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Passed {
    pub(crate) frames: u64,
    /// By chance.
    pub(crate) lost: u64,
    pub(crate) late: u64,
    /// For want of room at the bottleneck.
    pub(crate) dropped: u64,
    /// For want of room at an end: the measurement is spoilt.
    pub(crate) refused: u64,
}

/// Carries frames between two devices, for ever; `tell` hears now and then
/// what has passed each way.
pub(crate) async fn carry(
    os: &Os<Unix>,
    path: &Path,
    [left, right]: [&Tap<&Os<Unix>>; 2],
    tell: impl Fn([Passed; 2]),
) -> Result<Never> {
    let link = Link::new(os, path.line());
    let [a, b] = link.ports();
    let a = Faults::new(a, path.random(0), path.impairments(), Impairments::NONE);
    let b = Faults::new(b, path.random(1), path.impairments(), Impairments::NONE);
    let refused = [Cell::new(0), Cell::new(0)];
    let passed = || {
        [(&a, 1), (&b, 0)].map(|(way, port)| {
            let counts = way.faults().transmit;
            Passed {
                frames: counts.frames,
                lost: counts.lost,
                late: counts.reordered,
                dropped: link.dropped(port),
                refused: refused[1 - port].get() + counts.overflow,
            }
        })
    };
    let into_left = async {
        let ended = left.listen(|frame| cross(frame, &a, &refused[0])).await;
        ended.map_err(Error::from)
    };
    let into_right = async {
        let ended = right.listen(|frame| cross(frame, &b, &refused[1])).await;
        ended.map_err(Error::from)
    };
    let ways = async {
        let (to_left, to_right) = (
            a.listen(|frame| cross(frame, left, &refused[1])),
            b.listen(|frame| cross(frame, right, &refused[0])),
        );
        match fata::os::race!(to_left, to_right, a.run(os), b.run(os)) {
            Ok(never) | Err(never) => match never {},
        }
    };
    let report = async {
        loop {
            os.sleep(Duration::from_millis(20)).await;
            tell(passed());
        }
    };
    fata::os::race!(into_left, into_right, ways, report)
}

fn cross(frame: Frame<'_>, to: &impl Network, refused: &Cell<u64>) {
    let sent = to.write(TxMeta::NONE, frame.bytes.len(), |buffer| {
        buffer.copy_from_slice(frame.bytes);
        buffer.len()
    });
    refused.set(refused.get() + u64::from(sent.is_err()));
}
