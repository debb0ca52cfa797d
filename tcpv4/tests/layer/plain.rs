//! Segments whose options are the timestamps as everybody pads them, or none, are
//! taken by a way of their own: each has a twin that is padded otherwise, which is
//! not, and fares alike.

use std::time::Duration;

use proptest::prelude::*;
use tcpv4::{Listener, Storage};
use traits::Cast;

use crate::net::raw::{ACK, CWR, ECE, PEER, PSH, Raw, SYN, Seen};
use crate::net::{Net, accept, once, speak, with_heap};

/// What arrives: where it differs from the one that is expected, and how.
#[derive(Clone, Debug)]
struct Arrives {
    flags: u8,
    /// Added to the number expected, and to the acknowledgement of all.
    seq: i32,
    ack: i32,
    window: u16,
    len: usize,
    /// Added to the timestamp before.
    ts: i32,
    is_broadcast: bool,
    /// It has met congestion.
    is_marked: bool,
    /// A bit that is turned over.
    spoilt: Option<usize>,
    from_other: bool,
    /// What happens before.
    written: usize,
    read: usize,
    passes: u64,
    /// In whose hands a queue is meanwhile.
    lent: Lent,
}

#[derive(Clone, Copy, Debug)]
enum Lent {
    None,
    Send,
    Received,
}

fn arrives() -> impl Strategy<Value = Arrives> {
    let flags = prop_oneof![8 => Just(ACK), 6 => Just(ACK | PSH), 1 => any::<u8>()];
    let off = || prop_oneof![12 => Just(0), 1 => -3000i32..3000];
    let window = prop_oneof![6 => Just(60_000u16), 1 => any::<u16>()];
    let len = prop_oneof![2 => Just(0usize), 3 => Just(1000), 1 => 0usize..1400];
    let ts = prop_oneof![6 => Just(0), 4 => Just(1), 1 => -5i32..5];
    let rare = || prop_oneof![20 => Just(false), 1 => Just(true)];
    let spoilt = prop_oneof![20 => Just(None), 1 => (0usize..12_000).prop_map(Some)];
    let user = (
        prop_oneof![3 => Just(0usize), 1 => 1usize..5000],
        prop_oneof![1 => Just(0usize), 2 => 1usize..5000],
        prop_oneof![4 => 0u64..50, 1 => 0u64..3_000],
        prop_oneof![10 => Just(Lent::None), 1 => Just(Lent::Send), 1 => Just(Lent::Received)],
    );
    let met = (rare(), rare());
    (flags, off(), off(), window, len, ts, met, spoilt, rare(), user).prop_map(
        |(flags, seq, ack, window, len, ts, (is_broadcast, is_marked), spoilt, from_other, user)| Arrives {
            flags,
            seq,
            ack,
            window,
            len,
            ts,
            is_broadcast,
            is_marked,
            spoilt,
            from_other,
            written: user.0,
            read: user.1,
            passes: user.2,
            lent: user.3,
        },
    )
}

/// Timestamps, padded before the option or behind; without them nothing or padding.
fn options(stamp: Option<u32>, is_usual: bool) -> Vec<u8> {
    match stamp {
        Some(value) => timestamps(value, 0, is_usual),
        None if is_usual => Vec::new(),
        None => vec![1; 4],
    }
}

fn timestamps(value: u32, echo: u32, is_usual: bool) -> Vec<u8> {
    let option = [&[8, 10][..], &value.to_be_bytes(), &echo.to_be_bytes()].concat();
    if is_usual { [&[1, 1][..], &option].concat() } else { [&option[..], &[1, 1]].concat() }
}

/// All that can be seen of a host to which that happens.
fn run<S: Storage>(
    net: &Net<'_, S>,
    is_usual: bool,
    [ecn, stamped]: [bool; 2],
    all: &[Arrives],
) -> Vec<String> {
    let listener = Listener::<2>::with_capacity();
    let mut settings = net.a().settings();
    settings.ecn = ecn;
    net.a().set_settings(settings);
    let opening =
        Raw::new(if ecn { SYN | ECE | CWR } else { SYN }, 999, 0).options(&options(stamped.then_some(1), true));
    let (mut flow, first) = accept(net, &listener, &opening);
    let (mut nxt, mut una, mut ts) = (1000u32, first, 1u32);
    let mut buffer = [0; 5000];
    let mut trace = Vec::new();
    for arrives in all {
        net.clock.set(net.clock.now() + Duration::from_millis(arrives.passes));
        let written = once(flow.write(&buffer[..arrives.written]));
        ts = ts.wrapping_add_signed(arrives.ts);
        let (seq, ack) = (nxt.wrapping_add_signed(arrives.seq), una.wrapping_add_signed(arrives.ack));
        let mut raw = Raw::new(arrives.flags, seq, ack)
            .options(&options(stamped.then_some(ts), is_usual))
            .payload(&vec![7; arrives.len]);
        raw.window = arrives.window;
        if arrives.is_broadcast {
            raw.cast = Cast::Broadcast;
        }
        if arrives.from_other {
            raw = raw.from(PEER, 6000);
        }
        raw.tos = if arrives.is_marked { 3 } else { 0 };
        // Without timestamps the twins have ports and numbers alike.
        raw.spoilt = arrives.spoilt.map(|bit| if stamped { bit } else { bit % 96 });
        let input = || raw.input(net.a(), Some(&listener));
        match arrives.lent {
            Lent::None => input(),
            Lent::Send => {
                let lent = once(flow.write_with(|_| (3, input())));
                if lent.is_pending() {
                    input();
                }
            }
            Lent::Received => {
                let lent = once(flow.read_with(|_| (1, input())));
                if lent.is_pending() {
                    input();
                }
            }
        }
        let said: Vec<Seen> = speak(net);
        let read = once(flow.read(&mut buffer[..arrives.read]));
        let more = speak(net);
        for seen in said.iter().chain(&more) {
            nxt = seen.ack.max(nxt);
            una = una.max(seen.seq.wrapping_add(seen.payload.len() as u32));
        }
        let statistics = net.a().statistics();
        trace.push(format!("{written:?} {said:?} {read:?} {more:?} {statistics:?} {:?}", flow.info()));
    }
    trace
}

proptest! {
    #[test]
    fn both_ways_do_the_same(agreed: [bool; 2], all in proptest::collection::vec(arrives(), 1..60)) {
        let mut traces = Vec::new();
        for is_usual in [true, false] {
            with_heap(|net| traces.push(run(net, is_usual, agreed, &all)));
        }
        for (at, (usual, other)) in traces[0].iter().zip(&traces[1]).enumerate() {
            prop_assert_eq!(usual, other, "after {} of {:?}", at, all);
        }
    }
}
