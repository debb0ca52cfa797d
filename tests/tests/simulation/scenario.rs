//! What is simulated: how many hosts, what they send, how bad the network is.

use std::time::Duration;

use netif_faults::{Impairments, Probability};
use netif_memory::{Settings, WhenFull};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Hosts at most: the ports of the switch.
pub(crate) const HOSTS: usize = 6;

/// All that decides what happens. Fields shrink to what does no harm.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Of all generators: of the stacks' and of the faults.
    pub(crate) seed: u64,
    /// Towers on the switch: a server and its clients.
    pub(crate) hosts: usize,
    /// Bytes that each client sends, and gets back.
    pub(crate) len: usize,
    /// How long a frame takes, in microseconds.
    pub(crate) delay: u32,
    /// How much longer at most, in microseconds, order kept.
    pub(crate) jitter: u32,
    /// Bits per second; 0: without limit.
    pub(crate) rate: u32,
    /// Frames that may wait for the line.
    pub(crate) queue: usize,
    /// Whether a full queue drops, or refuses.
    pub(crate) drops: bool,
    /// In so many of a thousand cases: the frame is lost.
    pub(crate) loss: u32,
    /// It comes twice.
    pub(crate) duplication: u32,
    /// It is overtaken.
    pub(crate) reordering: u32,
    /// By others, for up to so many microseconds.
    pub(crate) hold: u32,
    /// One bit is wrong.
    pub(crate) bit_error: u32,
    /// Its end is missing.
    pub(crate) truncation: u32,
    /// It is marked, if it is ECN-capable.
    pub(crate) marking: u32,
    /// The device is full for 3 ms.
    pub(crate) full: u32,
    /// The largest window, in bytes.
    pub(crate) receive_limit: u32,
    /// What is kept of what is written, in bytes.
    pub(crate) send_limit: u32,
    /// The MTU in bytes.
    pub(crate) mtu: usize,
    /// Whether ECN is offered, and Nagle's algorithm is off.
    pub(crate) options: (bool, bool),
}

impl Scenario {
    /// The one that a seed makes.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let (mut runner, tree) = (runner(seed), strategy(seed));
        tree.new_tree(&mut runner).map(|tree| tree.current()).expect("nothing is filtered out")
    }

    pub(crate) fn impairments(&self) -> Impairments {
        let of = |parts: u32| Probability::per_million(parts * 1000);
        let micros = |micros: u32| Duration::from_micros(micros.into());
        Impairments::NONE
            .with_loss(of(self.loss))
            .with_duplication(of(self.duplication))
            .with_reordering(of(self.reordering), micros(self.hold))
            .with_bit_error(of(self.bit_error))
            .with_truncation(of(self.truncation))
            .with_marking(of(self.marking))
            .with_full(of(self.full), Duration::from_millis(3))
            .with_delay(Duration::ZERO, micros(self.jitter))
    }

    pub(crate) fn settings(&self) -> Settings {
        let when_full = if self.drops { WhenFull::Drop } else { WhenFull::Refuse };
        Settings::new()
            .with_delay(Duration::from_micros(self.delay.into()))
            .with_rate(self.rate.into())
            .with_queue(self.queue, when_full)
            .with_mtu(self.mtu)
    }

    /// The byte at a place in the stream of a client.
    pub(crate) fn byte(&self, client: usize, at: usize) -> u8 {
        (at.wrapping_mul(31) ^ (at >> 8) ^ self.seed as usize ^ client << 3) as u8
    }
}

/// A runner that draws from a seed.
pub(crate) fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { max_shrink_iters: 500, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Faults in parts of a thousand: none in every third scenario.
fn faults(most: u32) -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 2 => 0..=most]
}

/// Any scenario with a certain seed for its generators.
pub(crate) fn strategy(seed: u64) -> impl Strategy<Value = Scenario> {
    let len = prop_oneof![20 => 1usize..30_000, 1 => 100_000usize..300_000];
    let limit = || prop_oneof![3 => Just(6u32 << 20), 1 => 300u32..5_000, 1 => 5_000u32..70_000];
    // From what carries a small scenario within minutes to without limit.
    let rate = prop_oneof![2 => Just(0u32), 1 => 1_000_000u32..100_000_000];
    let network = (0u32..50_000, faults(5_000), rate, 4usize..256, any::<bool>());
    let mtu = prop_oneof![3 => Just(1500usize), 1 => 576usize..1500];
    // Seldom so long that a timeout fires for what is not lost.
    let hold = prop_oneof![4 => 1u32..30_000, 1 => 30_000u32..1_500_000];
    let spoilt = (faults(150), faults(100), faults(150), hold, faults(15), faults(15), faults(30));
    let ends = (limit(), limit(), mtu, any::<(bool, bool)>(), faults(200));
    (2usize..=HOSTS, len, network, spoilt, ends).prop_map(move |(hosts, len, network, spoilt, ends)| {
        let (delay, jitter, rate, queue, drops) = network;
        let (loss, duplication, reordering, hold, bit_error, truncation, full) = spoilt;
        let (receive_limit, send_limit, mtu, options, marking) = ends;
        // Windows of less than a segment take a round trip for each few bytes.
        let len = if receive_limit.min(send_limit) < 5_000 { len.min(20_000) } else { len };
        let faults = (loss, duplication, reordering, hold);
        Scenario {
            seed,
            hosts,
            len: if hosts > 3 { len.min(30_000) } else { len },
            delay,
            jitter,
            rate,
            queue,
            drops,
            loss: faults.0,
            duplication: faults.1,
            reordering: faults.2,
            hold: faults.3,
            bit_error,
            truncation,
            marking,
            full,
            receive_limit,
            send_limit,
            mtu,
            options,
        }
    })
}
