//! What a connection holds while nothing happens on it.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::net;
use crate::net::raw::{ACK, PSH, Raw};
use crate::net::{accept, once, speak, with_limits};
use tcpv4::{Limits, Listener};
use test_allocator::held;

/// At most this much for an idle connection that has carried data both ways,
/// with everything that the layer holds for it: its slot, its share of the
/// index, of the timers and of whatever grows in steps.
const MOST: usize = 256;

/// What the layer holds is measured, at every number of connections from 5000
/// on: lists that grow in steps are emptiest right after a step. Slots come in
/// pages of 16, which fewer connections would share.
#[test]
fn an_idle_connection_is_small() {
    let mut limits = Limits::default();
    limits.connections = 20_000;
    with_limits(limits, |net| {
        let tcp = net.a();
        let listener = Listener::<4>::with_capacity();
        let mut flows = Vec::with_capacity(limits.connections);
        let begin = held();
        let mut most = (0.0, 0);
        for n in 0..limits.connections as u32 {
            let from = Ipv4Addr::from_bits(0x0b00_0000 + n);
            let opening = Raw::new(0, 1000, 0).from(from, 99);
            let (mut flow, next) = accept(net, &listener, &opening);
            Raw::new(ACK | PSH, 1001, next).from(from, 99).payload(b"hello").input(tcp, None);
            assert!(once(flow.read(&mut [0; 10])).is_ready());
            assert!(once(flow.write_all(b"there")).is_ready());
            speak(net);
            Raw::new(ACK, 1006, next + 5).from(from, 99).input(tcp, None);
            assert!(once(flow.flush()).is_ready(), "all is acknowledged");
            flows.push(flow);
            // Until buffers and timers are given back.
            for _ in 0..3 {
                net.clock.set(net.clock.now() + Duration::from_secs(1));
                speak(net);
            }
            assert_eq!(tcp.usage().bytes, 0);
            // What the host below holds for packets is not the layer's.
            net.hosts[0].ip.sent.borrow_mut().shrink_to_fit();
            let each = (held() - begin) as f64 / (n + 1) as f64;
            if n >= 5000 && each > most.0 {
                most = (each, n + 1);
            }
        }
        for (n, flow) in flows.iter().enumerate().step_by(1000) {
            let totals = flow.info().unwrap().totals;
            assert_eq!((totals.bytes_received, totals.bytes_acknowledged), (5, 5), "{n}");
        }
        std::println!("{:.1} bytes at {} connections", most.0, most.1);
        assert!(most.0 <= MOST as f64, "{:.1} bytes at {} connections", most.0, most.1);
    });
}

/// The same by the sizes of what is held, which says where it is.
#[test]
fn what_it_is_made_of() {
    let (slot, machine) = tcpv4::Tcp::<&net::MockIp>::connection_size();
    // Eight bytes a cell of the index, of which two thirds are in use at least.
    let index = 8 * 3 / 2;
    std::println!("{slot} and {index}: {machine} of them the machine's");
    assert!(slot + index <= MOST, "{slot} + {index}");
}
