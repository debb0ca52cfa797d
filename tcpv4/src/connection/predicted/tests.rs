//! The straight functions and the general steps: whatever a path does to
//! segments, both leave the same connections and send the same.

use core::cell::Cell;
use core::fmt::Debug;
use core::hash::Hasher;
use core::time::Duration;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::busy::Busy;
use super::super::{Buffers, Connection, Settings};
use crate::buffer::{Backing, Fixed, Growing, Side as _};
use crate::congestion::Algorithm;
use crate::machine::{Faults, MTU, Pair, Random, SACK, SCALE, TIMESTAMPS, pattern};
use crate::receive::Range;
use crate::send::{Record, Resent};

std::thread_local! {
    static IS_OFF: Cell<bool> = const { Cell::new(false) };
    static TAKEN: Cell<[u64; 3]> = const { Cell::new([0; 3]) };
}

/// Which straight function.
#[derive(Clone, Copy)]
pub(in crate::connection) enum Way {
    Acknowledged,
    Received,
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

/// A form of memory that can be shown.
trait Shown: Backing<Bytes: Debug, List<Record>: Debug, List<Resent>: Debug, List<Range>: Debug> {}

impl Shown for Growing {}
impl<const LIST: usize> Shown for Fixed<'_, LIST> {}

/// All of a connection; of the bytes in its queues, where they lie.
fn state<B: Shown>(connection: &Connection<B>) -> String {
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

fn of_busy<B: Shown>(busy: &Busy<B>) -> String {
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
        received_at,
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
         {assembler:?} {fin_at:?} {last_smaller:?} {received_at:?}\n{landmark:?} {limited:?} {used:?} {small_end:?} {pushed:?}\n\
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
    /// How many of a thousand segments are marked, where ECN is agreed on.
    marked: u64,
    /// The largest segments that the device cuts, in turns.
    gso: [usize; 2],
    /// How often in a thousand steps the path has another MTU, and those.
    turns: u64,
    mtus: [usize; 3],
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
    let settings = (any::<[bool; 4]>(), prop_oneof![Just(4_000u32), Just(1 << 20)]).prop_map(
        |([nodelay, is_reno, is_impatient, ecn], limit)| Settings {
            nodelay,
            ecn,
            congestion: if is_reno { Algorithm::NewReno } else { Algorithm::Cubic },
            send_limit: limit,
            receive_limit: limit,
            user_timeout: is_impatient.then_some(Duration::from_secs(30)),
            ..Settings::default()
        },
    );
    let chunk = prop_oneof![1u64..100, 1u64..3_000, 1u64..100_000];
    let gso = || prop_oneof![Just(0usize), Just(9_000), Just(65_000), 0usize..70_000];
    let path = (
        prop_oneof![2 => Just(0u64), 1 => 0u64..300],
        [gso(), gso()],
        prop_oneof![2 => Just(0u64), 1 => 0u64..200],
        (Just(MTU), 576usize..MTU, 576usize..9_000).prop_map(|(a, b, c)| [a, b, c]),
    );
    (any::<u64>(), faults, offers, settings, chunk, 1usize..300, path).prop_map(
        |(seed, faults, offers, settings, chunk, steps, (marked, gso, turns, mtus))| Plan {
            seed,
            faults,
            offers,
            settings,
            chunk,
            steps,
            marked,
            gso,
            turns,
            mtus,
        },
    )
}

/// Carries a plan out, and returns what both connections were after each step.
fn carry_out<B: Shown>(plan: &Plan, is_off: bool, buffers: [Buffers<B>; 2]) -> Vec<String> {
    IS_OFF.set(is_off);
    let mut pair = Pair::with_buffers([plan.settings; 2], plan.seed, plan.faults, plan.offers, buffers);
    (pair.gso, pair.marked) = (plan.gso[0], plan.marked);
    pair.establish();
    let mut random = Random::new(plan.seed ^ 1);
    let mut buffer = vec![0; 200_001];
    let mut trace = Vec::new();
    for step in 0..plan.steps {
        let host = random.below(2) as usize;
        if plan.turns > 0 && random.chance(plan.turns) {
            pair.mtu = plan.mtus[random.below(3) as usize];
            pair.gso = plan.gso[random.below(2) as usize];
        }
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

/// The same in memory that grows.
fn growing(plan: &Plan, is_off: bool) -> Vec<String> {
    carry_out::<Growing>(plan, is_off, Default::default())
}

/// The same in fixed memory, with lists that are full soon.
fn fixed(plan: &Plan, is_off: bool) -> Vec<String> {
    let size = plan.settings.send_limit.min(60_000) as usize;
    let mut bytes = [(); 4].map(|()| vec![0; size]);
    let [a, b, c, d] = &mut bytes;
    let of_a = Buffers { send: &mut a[..], receive: &mut b[..] };
    let of_b = Buffers { send: &mut c[..], receive: &mut d[..] };
    let mut plan = plan.clone();
    plan.settings.receive_limit = size as u32;
    carry_out::<Fixed<'_, 16>>(&plan, is_off, [of_a, of_b])
}

/// Both ways leave the same after each step.
fn compare(straight: &[String], general: &[String]) -> Result<(), TestCaseError> {
    for (step, (straight, general)) in straight.iter().zip(general).enumerate() {
        prop_assert_eq!(straight, general, "after step {}", step);
    }
    Ok(())
}

proptest! {
    #[test]
    fn both_ways_leave_the_same(plan in plan()) {
        compare(&growing(&plan, false), &growing(&plan, true))?;
    }

    #[test]
    fn both_ways_leave_the_same_in_fixed_memory(plan in plan()) {
        compare(&fixed(&plan, false), &fixed(&plan, true))?;
    }
}

/// A dialogue and a transfer without loss are all straight, but for their
/// beginning, in either form of memory, with ECN, and while the path changes.
#[test]
fn a_path_without_faults_goes_straight() {
    let paths =
        [(1, 1, false, 0), (1, 50_000, false, 0), (1, 1, true, 0), (1, 50_000, true, 0), (2, 1, true, 100)];
    for (seed, chunk, ecn, turns) in paths {
        let plan = Plan {
            seed,
            faults: Faults::NONE,
            offers: SACK | TIMESTAMPS | SCALE,
            settings: Settings { ecn, ..Settings::default() },
            chunk,
            steps: 300,
            marked: 0,
            gso: [0, 65_000],
            turns,
            mtus: [MTU, 1400, 9_000],
        };
        for carry_out in [growing, fixed] {
            TAKEN.set([0; 3]);
            carry_out(&plan, true);
            assert_eq!(TAKEN.get(), [0; 3]);
            carry_out(&plan, false);
            let [acknowledged, received, sent] = TAKEN.get();
            assert!(acknowledged > 50 && received > 50 && sent > 50, "{:?} of {plan:?}", TAKEN.get());
        }
    }
}
