//! Two machines over a pipe that loses, doubles and reorders.

use std::time::Duration;

use crate::harness::*;
use tcpv4::buffer::Fixed;
use tcpv4::connection::{Buffers, Settings};

fn with_offers(settings: [Settings; 2], seed: u64, faults: Faults, offers: u8) -> Pair<crate::Memory> {
    let buffers = [crate::buffers(&settings[0]), crate::buffers(&settings[1])];
    Pair::with_buffers(settings, seed, faults, offers, buffers)
}

#[test]
fn a_clean_pipe() {
    let mut pair = with_offers([Settings::default(); 2], 1, Faults::NONE, SACK | TIMESTAMPS | SCALE);
    pair.establish();
    transfer(&mut pair, [1_000_000, 1_000], Duration::from_secs(20));
}

#[test]
fn a_bad_pipe_for_many_seeds() {
    for seed in 0..300 {
        let mut random = Random::new(seed + 1000);
        let faults = Faults {
            loss: random.below(120),
            duplicate: random.below(60),
            reorder: random.below(200),
            delay: 100 + random.below(30_000),
            jitter: random.below(3_000),
        };
        let mut settings = [Settings::default(); 2];
        for settings in &mut settings {
            let (receive, send) = (9 + random.below(12), 9 + random.below(12));
            settings.receive_limit = 300 + random.below(1 << receive) as u32;
            settings.send_limit = 300 + random.below(1 << send) as u32;
            settings.nodelay = random.chance(500);
            if random.chance(500) {
                settings.congestion = tcpv4::congestion::Algorithm::NewReno;
            }
        }
        println!("seed {seed}: {faults:?} {settings:?}");
        let mut pair = with_offers(settings, seed, faults, random.below(8) as u8);
        pair.gso = [0, 65_000, 9_000][random.below(3) as usize];
        pair.establish();
        let lens = [random.below(60_000), random.below(60_000)];
        transfer(&mut pair, lens, Duration::from_secs(20_000));
    }
}

/// 2 MB over a round trip of 20 ms, by what both sides offer and by how many
/// of a thousand segments are lost.
#[test]
fn losses_cost_no_more_than_they_must() {
    let cases = [
        (SACK | TIMESTAMPS | SCALE, [(0, 300), (1, 400), (10, 3_000)]),
        (SACK | SCALE, [(0, 300), (1, 400), (10, 3_000)]),
        (TIMESTAMPS | SCALE, [(0, 400), (1, 800), (10, 4_000)]),
        (SCALE, [(0, 400), (1, 800), (10, 4_000)]),
    ];
    for (offers, limits) in cases {
        for (loss, millis) in limits {
            let faults = Faults { loss, ..Faults::NONE };
            let mut pair = with_offers([Settings::default(); 2], 7, faults, offers);
            pair.gso = 65_000;
            pair.establish();
            let start = pair.now;
            transfer(&mut pair, [2_000_000, 0], Duration::from_secs(100));
            // The last minute is TIME-WAIT.
            let time = pair.now.duration_since(start) - Duration::from_secs(60);
            println!("{offers} {loss}: {time:?}, {:?} segments", pair.sent);
            assert!(time < Duration::from_millis(millis), "{offers} {loss}: {time:?}");
        }
    }
}

#[test]
fn fixed_memory_over_a_bad_pipe() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let faults = Faults {
            loss: random.below(100),
            duplicate: random.below(50),
            reorder: random.below(200),
            delay: 1_000 + random.below(20_000),
            jitter: random.below(3_000),
        };
        let mut memory: Vec<Vec<u8>> = (0..4).map(|_| vec![0; 500 + random.below(20_000) as usize]).collect();
        let mut settings = [Settings::default(); 2];
        for (settings, receive) in settings.iter_mut().zip([1, 3]) {
            // As the layer does: what the half-open entry told is what there is.
            settings.receive_limit = memory[receive].len() as u32;
        }
        let [a, b, c, d] = &mut memory[..] else { unreachable!() };
        let buffers = [
            Buffers { send: &mut a[..], receive: &mut b[..] },
            Buffers { send: &mut c[..], receive: &mut d[..] },
        ];
        println!("seed {seed}: {faults:?}");
        let mut pair = Pair::<Fixed<'_>>::with_buffers(settings, seed, faults, random.below(8) as u8, buffers);
        pair.gso = [0, 65_000][random.below(2) as usize];
        pair.establish();
        let lens = [random.below(60_000), random.below(60_000)];
        transfer(&mut pair, lens, Duration::from_secs(20_000));
    }
}
