//! What the layer says that it remembers.

use std::task::Waker;

use crate::net::Net;
use crate::net::raw::{ACK, PEER, Raw, SYN, take};
use tcpv4::connection::State;
use tcpv4::{Listener, Remembered};
use traits::Layer as _;

fn listed<I: traits::Ip, S: tcpv4::Storage>(tcp: &tcpv4::Tcp<I, S>) -> Vec<Remembered> {
    let mut all = Vec::new();
    tcp.connections(|one| all.push(one));
    all
}

on_both! {
    fn half_open_and_open_connections_are_listed(net) {
        let listener = Listener::<2>::with_capacity();
        let raw = |flags, seq, ack| Raw::new(flags, seq, ack).from(PEER, 5000);
        assert_eq!(listed(net.a()), []);
        raw(SYN, 1000, 0).input(net.a(), Some(&listener));
        net.a().poll(net.clock.now(), Waker::noop());
        let iss = take(net.hosts[0].ip)[0].seq;
        let half_open = listed(net.a());
        assert_eq!(half_open.len(), 1);
        assert_eq!((half_open[0].state, half_open[0].info), (State::SynReceived, None));
        assert_eq!((*half_open[0].remote.ip(), half_open[0].remote.port()), (PEER, 5000));
        raw(ACK, 1001, iss + 1).input(net.a(), Some(&listener));
        let open = listed(net.a());
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].state, State::Established);
        assert_eq!(open[0].info.map(|info| info.outstanding), Some(0));
    }
}

#[test]
fn counters_have_names() {
    let statistics = tcpv4::Statistics::default();
    let names: Vec<_> = statistics.iter().map(|(name, _)| name).collect();
    assert_eq!(names.first(), Some(&"received"));
    assert!(names.contains(&"bad_checksum"));
}
