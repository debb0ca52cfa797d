//! The straight functions and the general steps: whatever a path does to
//! segments, both leave the same connections and send the same.

use core::cell::Cell;
use core::hash::Hasher;
use core::time::Duration;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::busy::Busy;
use super::super::{Connection, Settings};
use crate::buffer::{Growing, Side as _};
use crate::congestion::Algorithm;
use crate::machine::{Faults, Pair, Random, SACK, SCALE, TIMESTAMPS, pattern};

std::thread_local! {
    static IS_OFF: Cell<bool> = const { Cell::new(false) };
    static TAKEN: Cell<[u64; 2]> = const { Cell::new([0; 2]) };
}

/// Which straight function.
#[derive(Clone, Copy)]
pub(in crate::connection) enum Way {
    Acknowledged,
    Sent,
}

/// Whether everything takes the general steps.
pub(in crate::connection) fn is_off() -> bool {
    IS_OFF.get()
}

/// A straight function was taken to its end.
pub(in crate::connection) fn taken(way: Way) {
    let mut taken = TAKEN.get();
    taken[way as usize] += 1;
    TAKEN.set(taken);
}

/// All of a connection; of the bytes in its queues, where they lie.
fn state(connection: &Connection<Growing>) -> String {
    let Connection {
        state,
        failure,
        algorithm,
        flags,
        snd,
        rcv,
        acks,
        ts,
        rtt,
        window,
        mtu,
        path_cap,
        path_probe_after,
        mss,
        retries,
        keepalive_probes,
        keepalive_limit,
        user,
        heard_at,
        sent_at,
        liveness,
        limits,
        counts,
        busy,
    } = connection;
    format!(
        "{state:?} {failure:?} {algorithm:?} {flags:?}\n{snd:?}\n{rcv:?}\n{acks:?} {ts:?} {rtt:?} {window:?}\n\
         {mtu} {path_cap} {path_probe_after} {mss} {retries} {keepalive_probes} {keepalive_limit} {user:?}\n\
         {heard_at:?} {sent_at:?} {liveness:?} {limits:?} {counts:?}\n{}",
        busy.get().map_or_else(String::new, of_busy)
    )
}

fn of_busy(busy: &Busy<Growing>) -> String {
    let Busy {
        send,
        receive,
        taken,
        timers,
        scoreboard,
        recovery,
        control,
        assembler,
        fin_at,
        last_smaller,
        landmark,
        limited,
        used,
        small_end,
        pushed,
        barrier,
        persist_since,
        challenged_at,
        path_probe,
        tuning,
    } = busy;
    format!(
        "{send:?} {receive:?} {taken}\n{timers:?}\n{scoreboard:?}\n{recovery:?}\n{control:?}\n\
         {assembler:?} {fin_at:?} {last_smaller:?}\n{landmark:?} {limited:?} {used:?} {small_end:?} {pushed:?}\n\
         {barrier:?} {persist_since:?} {challenged_at:?} {path_probe:?} {tuning:?}"
    )
}

/// What is done to a pair of connections.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    faults: Faults,
    offers: u8,
    settings: Settings,
    /// Bytes in one write at most: small ones are dialogues.
    chunk: u64,
    steps: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let faults = (
        prop_oneof![3 => Just(0u64), 2 => 0u64..30, 1 => 0u64..300],
        prop_oneof![3 => Just(0u64), 1 => 0u64..100],
        prop_oneof![3 => Just(0u64), 1 => 0u64..200],
        prop_oneof![100u64..2_000, 2_000u64..100_000],
        prop_oneof![Just(0u64), 0u64..30_000],
    )
        .prop_map(|(loss, duplicate, reorder, delay, jitter)| Faults {
            loss,
            duplicate,
            reorder,
            delay,
            jitter,
        });
    let offers = prop_oneof![4 => Just(SACK | TIMESTAMPS | SCALE), 1 => 0u8..8];
    let settings = (any::<bool>(), any::<bool>(), prop_oneof![Just(4_000u32), Just(1 << 20)], any::<bool>())
        .prop_map(|(nodelay, is_reno, limit, is_impatient)| Settings {
            nodelay,
            congestion: if is_reno { Algorithm::NewReno } else { Algorithm::Cubic },
            send_limit: limit,
            receive_limit: limit,
            user_timeout: is_impatient.then_some(Duration::from_secs(30)),
            ..Settings::default()
        });
    let chunk = prop_oneof![1u64..100, 1u64..3_000, 1u64..100_000];
    (any::<u64>(), faults, offers, settings, chunk, 1usize..300).prop_map(
        |(seed, faults, offers, settings, chunk, steps)| Plan { seed, faults, offers, settings, chunk, steps },
    )
}

/// Carries a plan out, and returns what both connections were after each step.
fn carry_out(plan: &Plan, is_off: bool) -> Vec<String> {
    IS_OFF.set(is_off);
    let mut pair = Pair::with_offers([plan.settings; 2], plan.seed, plan.faults, plan.offers);
    pair.establish();
    let mut random = Random::new(plan.seed ^ 1);
    let mut buffer = vec![0; 200_001];
    let mut trace = Vec::new();
    for step in 0..plan.steps {
        let host = random.below(2) as usize;
        let mut results = String::new();
        let connection = &mut pair.hosts[host];
        if random.chance(600) {
            let len = 1 + random.below(plan.chunk);
            let bytes: Vec<u8> = (0..len).map(|at| pattern(host, at)).collect();
            results += &format!("{:?}\n", connection.write(pair.now, &bytes));
        }
        if random.chance(700) {
            let len = 1 + random.below(2 * plan.chunk) as usize;
            let read = connection.read(pair.now, &mut buffer[..len]);
            results += &format!("{read:?} {:?}\n", &buffer[..len.min(64)]);
        }
        if step > 100 && random.chance(3) {
            results += &format!("{:?}\n", connection.close(pair.now));
        }
        if random.chance(950) {
            pair.step();
        } else {
            pair.run_for(Duration::from_millis(random.below(3_000)));
        }
        // What happened since, and every byte that went out.
        let events = core::mem::take(&mut pair.events);
        let sent = format!("{:?} {:?} {:?} {events:?}\n", pair.now, pair.sent, pair.digest.finish());
        trace.push(results + &sent + &state(&pair.hosts[0]) + &state(&pair.hosts[1]));
    }
    IS_OFF.set(false);
    trace
}

proptest! {
    #[test]
    fn both_ways_leave_the_same(plan in plan()) {
        let straight = carry_out(&plan, false);
        let general = carry_out(&plan, true);
        for (step, (straight, general)) in straight.iter().zip(&general).enumerate() {
            prop_assert_eq!(straight, general, "after step {}", step);
        }
    }
}

/// A dialogue and a transfer without loss are all straight, but for their
/// beginning.
#[test]
fn a_path_without_faults_goes_straight() {
    for chunk in [1, 50_000] {
        let plan = Plan {
            seed: 1,
            faults: Faults::NONE,
            offers: SACK | TIMESTAMPS | SCALE,
            settings: Settings::default(),
            chunk,
            steps: 300,
        };
        TAKEN.set([0; 2]);
        carry_out(&plan, true);
        assert_eq!(TAKEN.get(), [0; 2]);
        carry_out(&plan, false);
        let [acknowledged, sent] = TAKEN.get();
        assert!(acknowledged > 50 && sent > 50, "{:?} of chunks of {chunk}", TAKEN.get());
    }
}
