//! What a segment costs beside many connections, counted: slots that are looked
//! at, cells of the index, deadlines that move, and connections in a backlog.

use core::net::Ipv4Addr;
use core::task::Waker;
use core::time::Duration;
use std::vec::Vec;

use traits::Layer as _;

use crate::layer_net::raw::{ACK, PSH, Raw, SYN};
use crate::layer_net::{accept, once, speak, with_heap, with_limits};
use crate::table::{Work, work};
use crate::{Limits, Listener};

const EXCHANGES: u32 = 500;

/// The work of exchanges on two connections in turn beside `idle` ones, and
/// that of a poll of the task with nothing to say.
fn beside(idle: u32) -> (Work, Work) {
    let limits = Limits { connections: idle as usize + 2, ..Limits::default() };
    let mut counted = (Work::default(), Work::default());
    with_limits(limits, |net| {
        let listener = Listener::<4>::with_capacity();
        let opening = |n: u32| Raw::new(0, 1000, 0).from(Ipv4Addr::from_bits(0x0b00_0000 + n), 99);
        let mut flows: Vec<_> = (0..idle).map(|n| accept(net, &listener, &opening(n))).collect();
        let mut busy: Vec<_> = (idle..idle + 2).map(|n| (n, accept(net, &listener, &opening(n)))).collect();
        for _ in 0..3 {
            net.clock.set(net.clock.now() + Duration::from_secs(2));
            for _ in 0..=idle / 1000 {
                speak(net);
            }
        }
        let before = work();
        net.a().poll(net.clock.now(), Waker::noop());
        counted.1 = work() - before;
        let before = work();
        for round in 0..EXCHANGES {
            let (n, (flow, next)) = &mut busy[round as usize % 2];
            let done = round / 2 * 100;
            let mut segment = opening(*n).payload(&[7; 100]);
            (segment.flags, segment.seq, segment.ack) = (ACK | PSH, 1001 + done, next.wrapping_add(done));
            segment.input(net.a(), None);
            assert!(once(flow.read(&mut [0; 200])).is_ready());
            assert!(once(flow.write(&[8; 100])).is_ready());
            assert_eq!(speak(net).len(), 1, "data and acknowledgement in one");
            net.clock.set(net.clock.now() + Duration::from_millis(1));
        }
        counted.0 = work() - before;
        flows.clear();
    });
    counted
}

/// O(1) for everything but the deadlines, and those are the few of connections
/// that have one.
#[test]
fn a_segment_costs_the_same_beside_100_000_connections() {
    let (few, few_polled) = beside(10);
    let (many, many_polled) = beside(100_000);
    assert!(few.slots > u64::from(EXCHANGES) && few.cells >= u64::from(EXCHANGES), "it is counted");
    assert_eq!(few.slots, many.slots);
    assert_eq!(few.moves, many.moves);
    // A chain is as long as the index is full, not as large: at three quarters
    // some are of a few dozen cells.
    assert!(many.cells <= 64 * u64::from(EXCHANGES), "{}", many.cells);
    assert_eq!(few_polled, many_polled);
    assert!(many_polled.slots <= 4, "{many_polled:?}");
}

/// Nor does it cost more where others wait to be accepted beside it.
#[test]
fn a_segment_costs_the_same_in_a_long_backlog() {
    const BACKLOG: u32 = 500;
    with_heap(|net| {
        let listener = Listener::<{ BACKLOG as usize }>::with_capacity();
        let peer = |n: u32| Raw::new(0, 1000, 0).from(Ipv4Addr::from_bits(0x0b00_0000 + n), 99);
        let handshake = |n: u32| {
            let (mut syn, mut ack) = (peer(n), peer(n));
            syn.flags = SYN;
            syn.input(net.a(), Some(&listener));
            let next = speak(net)[0].seq.wrapping_add(1);
            (ack.flags, ack.seq, ack.ack) = (ACK, 1001, next);
            ack.input(net.a(), Some(&listener));
            next
        };
        let nexts: Vec<u32> = (0..BACKLOG).map(handshake).collect();
        assert_eq!(listener.len(), BACKLOG as usize);
        let before = work();
        for (n, next) in (0..).zip(nexts) {
            let mut segment = peer(n).payload(&[7; 100]);
            (segment.flags, segment.seq, segment.ack) = (ACK | PSH, 1001, next);
            segment.input(net.a(), Some(&listener));
        }
        assert_eq!((work() - before).waiting, u64::from(BACKLOG));
        assert_eq!(net.a().statistics().not_accepted, 0);
    });
}
