//! Two machines over a pipe that loses, doubles and reorders.

mod machine;

use std::time::Duration;

use machine::*;
use tcpv4::connection::Settings;

#[test]
fn a_clean_pipe() {
    let mut pair = Pair::new([Settings::default(); 2], 1, Faults::NONE);
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
        let mut pair = Pair::with_offers(settings, seed, faults, random.below(8) as u8);
        pair.gso = [0, 65_000, 9_000][random.below(3) as usize];
        pair.establish();
        let lens = [random.below(60_000), random.below(60_000)];
        transfer(&mut pair, lens, Duration::from_secs(20_000));
    }
}

/// How long 2 MB take over a path of 20 ms, with each n-th... printed.
#[test]
fn explore() {
    for (name, offers) in [("sack+ts", 7), ("sack", 5), ("reno+ts", 6), ("reno", 4)] {
        for loss in [0, 1, 10, 30] {
            for gso in [0, 65_000] {
                let faults = Faults { loss, ..Faults::NONE };
                let mut pair = Pair::with_offers([Settings::default(); 2], 7, faults, offers);
                pair.gso = gso;
                pair.establish();
                let start = pair.now;
                transfer(&mut pair, [2_000_000, 0], Duration::from_secs(2000));
                let time = pair.now.duration_since(start) - Duration::from_secs(60);
                println!("{name} loss {loss} gso {gso}: {time:?} sent {:?} bytes {:?}", pair.sent, pair.sent_bytes);
            }
        }
    }
}

#[test]
fn sizes() {
    println!("{}", size_of::<tcpv4::connection::Connection<tcpv4::buffer::Growing>>());
    println!("{}", size_of::<tcpv4::connection::Connection<tcpv4::buffer::Fixed<'static>>>());
}
