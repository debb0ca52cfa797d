//! Any segments, any calls, in any order: nothing panics, every bound holds,
//! and in the end nothing is left.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::net;
use crate::net::raw::{ACK, FIN, PEER, RST, Raw, SYN, take};
use crate::net::{MockIp, Net, once, with_fixed, with_limits};
use proptest::prelude::*;
use tcpv4::{Flow, Limits, Listener, Storage};
use traits::{ConnectError, IcmpError, IcmpErrorKind, Inbound, Layer as _, Packet, UnreachableCode};
use wire::Protocol;

#[derive(Clone, Debug)]
enum Step {
    Segment { port: u16, flags: u8, seq: i32, ack: i32, len: u16, options: usize, window: u16 },
    Accept,
    Read(usize),
    ReadWith(usize),
    Write(usize, u16),
    Flush(usize),
    Close(usize),
    Abort(usize),
    Drop(usize),
    Connect(u16),
    GiveUpConnecting,
    Advance(u64),
    Room(usize),
    Icmp(u16, u8, i32),
    Move(bool),
}

/// Mostly what fits the connection, so that it gets somewhere.
fn near() -> impl Strategy<Value = i32> {
    prop_oneof![8 => Just(0), 2 => -3..3i32, 1 => -3000..3000i32, 1 => any::<i32>()]
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop_oneof![
        4 => Just(ACK),
        3 => Just(SYN),
        1 => Just(SYN | ACK),
        2 => Just(FIN | ACK),
        1 => Just(RST),
        1 => any::<u8>(),
    ];
    let len = prop_oneof![2 => Just(0u16), 2 => 1..1400u16];
    let window = prop_oneof![1 => Just(0), 3 => any::<u16>()];
    prop_oneof![
        12 => (1..4u16, flags, near(), near(), len, 0..4usize, window)
            .prop_map(|(port, flags, seq, ack, len, options, window)| {
                Step::Segment { port, flags, seq, ack, len, options, window }
            }),
        3 => Just(Step::Accept),
        2 => (0..3usize).prop_map(Step::Read),
        1 => (0..3usize).prop_map(Step::ReadWith),
        2 => (0..3usize, any::<u16>()).prop_map(|(flow, len)| Step::Write(flow, len)),
        1 => (0..3usize).prop_map(Step::Flush),
        2 => (0..3usize).prop_map(Step::Close),
        1 => (0..3usize).prop_map(Step::Abort),
        1 => (0..3usize).prop_map(Step::Drop),
        1 => (1..4u16).prop_map(Step::Connect),
        1 => Just(Step::GiveUpConnecting),
        4 => prop_oneof![0..3u64, 30..300u64, 900..3000u64, 50_000..100_000u64].prop_map(Step::Advance),
        1 => (0..4usize).prop_map(Step::Room),
        1 => (1..4u16, 0..6u8, near()).prop_map(|(port, kind, seq)| Step::Icmp(port, kind, seq)),
        1 => prop_oneof![3 => Just(false), 1 => Just(true)].prop_map(Step::Move),
    ]
}

const OPTIONS: [&[u8]; 4] = [
    &[],
    &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7],
    &[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0],
    &[1, 1, 5, 10, 0, 0, 0, 0, 255, 255, 255, 255],
];

/// What the peer knows of a connection: the next numbers of both sides, and
/// the host's port.
#[derive(Clone, Copy, Default)]
struct Known {
    seq: u32,
    ack: u32,
    port: u16,
}

type Attempt<'t, 'i, S> = Pin<Box<dyn Future<Output = Result<Flow<'t, &'i MockIp, S>, ConnectError>> + 't>>;

struct Chaos<'t, 'i, S: Storage> {
    net: &'t Net<'i, S>,
    listener: Listener<2>,
    known: HashMap<u16, Known>,
    flows: Vec<Flow<'t, &'i MockIp, S>>,
    attempts: Vec<Attempt<'t, 'i, S>>,
}

impl<S: Storage> Chaos<'_, '_, S> {
    fn poll(&mut self) {
        let net = self.net;
        net.a().poll(net.clock.now(), Waker::noop());
        for seen in take(net.hosts[0].ip) {
            let control = u32::from(seen.flags & (SYN | FIN) != 0);
            let known = self.known.entry(seen.dst_port).or_default();
            known.ack = seen.seq.wrapping_add(seen.payload.len() as u32 + control);
            known.port = seen.src_port;
            if seen.flags & ACK != 0 {
                known.seq = seen.ack;
            }
        }
        let mut context = Context::from_waker(Waker::noop());
        for at in (0..self.attempts.len()).rev() {
            if let Poll::Ready(result) = self.attempts[at].as_mut().poll(&mut context) {
                drop(self.attempts.swap_remove(at));
                self.flows.extend(result);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        let net = self.net;
        let flow = |flows: &Vec<_>, n: usize| if flows.is_empty() { None } else { Some(n % flows.len()) };
        match *step {
            Step::Segment { port, flags, seq, ack, len, options, window } => {
                let known = self.known.get(&port).copied().unwrap_or(Known { seq: 1000, ack: 0, port: 80 });
                let mut raw =
                    Raw::new(flags, known.seq.wrapping_add_signed(seq), known.ack.wrapping_add_signed(ack))
                        .from(PEER, port)
                        .toward(known.port)
                        .options(OPTIONS[options])
                        .payload(&vec![7; usize::from(len)]);
                raw.window = window;
                let bytes = raw.bytes();
                let packet = Packet::new(PEER, raw.dst, Protocol::TCP, &bytes);
                net.a().input(Inbound::Packet(packet), |port| (port == 80).then_some(&self.listener as _));
            }
            Step::Accept => {
                if let Poll::Ready(flow) = once(self.listener.accept(net.a())) {
                    self.flows.push(flow);
                }
            }
            Step::Read(n) => {
                if let Some(n) = flow(&self.flows, n) {
                    let _ = once(self.flows[n].read(&mut [0; 500]));
                }
            }
            Step::ReadWith(n) => {
                if let Some(n) = flow(&self.flows, n) {
                    let _ = once(self.flows[n].read_with(|bytes| {
                        net.a().poll(net.clock.now(), Waker::noop());
                        (bytes.len() / 2 + 1, ())
                    }));
                }
            }
            Step::Write(n, len) => {
                if let Some(n) = flow(&self.flows, n) {
                    let _ = once(self.flows[n].write(&vec![1; usize::from(len)]));
                }
            }
            Step::Flush(n) => {
                if let Some(n) = flow(&self.flows, n) {
                    let _ = once(self.flows[n].flush());
                }
            }
            Step::Close(n) => {
                if let Some(n) = flow(&self.flows, n) {
                    let _ = once(self.flows[n].close());
                }
            }
            Step::Abort(n) => {
                if let Some(n) = flow(&self.flows, n) {
                    self.flows[n].abort();
                }
            }
            Step::Drop(n) => {
                if let Some(n) = flow(&self.flows, n) {
                    drop(self.flows.swap_remove(n));
                }
            }
            Step::Connect(port) => {
                let dst = SocketAddrV4::new(PEER, port);
                self.attempts.push(Box::pin(net.a().create_connection(dst)));
            }
            Step::GiveUpConnecting => drop(self.attempts.pop()),
            Step::Advance(millis) => net.clock.set(net.clock.now() + Duration::from_millis(millis)),
            Step::Room(room) => net.hosts[0].ip.give_room(room * 3),
            Step::Icmp(port, kind, seq) => self.icmp(port, kind, seq),
            Step::Move(away) => {
                let host = if away { 77 } else { 1 };
                net.hosts[0].ip.move_to(Ipv4Addr::new(10, 0, 0, host));
            }
        }
        self.poll();
    }

    fn icmp(&self, port: u16, kind: u8, seq: i32) {
        let known = self.known.get(&port).copied().unwrap_or_default();
        let kind = match kind {
            0 => IcmpErrorKind::Unreachable(UnreachableCode::Port),
            1 => IcmpErrorKind::Unreachable(UnreachableCode::Host),
            2 => IcmpErrorKind::FragmentationNeeded { mtu: 576 },
            3 => IcmpErrorKind::TimeExceeded,
            _ => IcmpErrorKind::ParameterProblem,
        };
        let mut quote = Vec::new();
        quote.extend(known.port.to_be_bytes());
        quote.extend(port.to_be_bytes());
        quote.extend(known.ack.wrapping_sub(1).wrapping_add_signed(seq).to_be_bytes());
        let error = IcmpError::new(kind, PEER, net::raw::HOST, PEER, Protocol::TCP, &quote);
        self.net.a().input(Inbound::Error(error), |_| None);
    }
}

fn run<S: Storage>(net: &Net<'_, S>, steps: &[Step], connections: usize) {
    let mut chaos = Chaos {
        net,
        listener: Listener::with_capacity(),
        known: HashMap::new(),
        flows: Vec::new(),
        attempts: Vec::new(),
    };
    for step in steps {
        chaos.step(step);
        let usage = net.a().usage();
        assert!(usage.connections <= connections && usage.half_open <= 8 && usage.time_wait <= 8);
    }
    chaos.listener.clear(net.a());
    chaos.flows.clear();
    chaos.attempts.clear();
    net.hosts[0].ip.give_room(usize::MAX);
    // Longer than anything lasts, to an unanswering peer.
    for _ in 0..40 {
        net.clock.set(net.clock.now() + Duration::from_secs(60));
        chaos.poll();
    }
    let usage = net.a().usage();
    assert_eq!((usage.connections, usage.half_open, usage.time_wait, usage.bytes), (0, 0, 0, 0));
    assert_eq!(net.a().poll(net.clock.now(), Waker::noop()), None, "no timer is left");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn in_growing_memory(steps in proptest::collection::vec(step(), 0..120)) {
        let mut limits = Limits::default();
        (limits.connections, limits.half_open, limits.time_wait, limits.bytes) = (3, 2, 2, 60_000);
        with_limits(limits, |net| run(net, &steps, 3));
    }

    #[test]
    fn in_fixed_memory(steps in proptest::collection::vec(step(), 0..120)) {
        with_fixed(|net| run(net, &steps, 8));
    }

    #[test]
    fn arbitrary_bytes(packets: Vec<(Vec<u8>, bool)>) {
        with_fixed(|net| {
            let listener = Listener::<2>::with_capacity();
            for (bytes, listening) in &packets {
                let mut packet = Packet::new(PEER, net::raw::HOST, Protocol::TCP, bytes);
                packet.meta = packet.meta.with_checksum(traits::ChecksumVerdict::Verified);
                net.a().input(Inbound::Packet(packet), |_| listening.then_some(&listener as _));
                net.a().poll(net.clock.now(), Waker::noop());
            }
        });
    }
}
