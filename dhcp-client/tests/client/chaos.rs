//! The machine under any messages and any timing: no panic, no stuck state,
//! never an address without a lease.

use std::time::Duration;

use crate::common::*;
use dhcp_client::machine::Machine;
use dhcp_client::message::{Code, Header, MessageType, Op};
use dhcp_client::{Check, Options, StateName};
use proptest::collection::vec;
use proptest::prelude::*;
use rand_core::SeedableRng;
use traits::{Cidr, Instant, MacAddr};

#[derive(Clone, Debug)]
enum Step {
    /// Time passes, in milliseconds.
    Pass(u64),
    /// Until the next timeout.
    Wait,
    Message {
        kind: u8,
        right_xid: bool,
        right_mac: bool,
        reply: bool,
        address: u8,
        server: u8,
        times: [u32; 3],
    },
    Bytes(Vec<u8>),
    Probe(u8, bool),
    Conflict(u8),
    Sent(bool),
    Release,
    Restart,
}

fn steps() -> impl Strategy<Value = Step> {
    let time = prop_oneof![0u32..4, 1u32..10_000, Just(u32::MAX), any::<u32>()];
    let likely = || prop::bool::weighted(0.9);
    prop_oneof![
        3 => (0u64..200_000).prop_map(Step::Pass),
        1 => any::<u64>().prop_map(Step::Pass),
        6 => Just(Step::Wait),
        12 => (
            1u8..=8, likely(), likely(), likely(), 49u8..52, 0u8..3, [time.clone(), time.clone(), time]
        ).prop_map(|(kind, right_xid, right_mac, reply, address, server, times)| {
            Step::Message { kind, right_xid, right_mac, reply, address, server, times }
        }),
        1 => vec(any::<u8>(), 0..400).prop_map(Step::Bytes),
        2 => (49u8..52, any::<bool>()).prop_map(|(address, found)| Step::Probe(address, found)),
        1 => (49u8..52).prop_map(Step::Conflict),
        4 => likely().prop_map(Step::Sent),
        1 => Just(Step::Release),
        1 => Just(Step::Restart),
    ]
}

fn starts() -> impl Strategy<Value = Options> {
    let checks = prop_oneof![Just(Check::None), Just(Check::Quick), Just(Check::Full)];
    let options = prop_oneof![
        3 => Just(Options::new()),
        1 => Just(Options::new().remembered(ADDRESS)),
        1 => Just(Options::new().requested(ADDRESS)),
        1 => Just(Options::new().inform(Cidr::new(ADDRESS, 24))),
    ];
    (options, checks).prop_map(|(options, check)| options.check(check))
}

fn host(n: u8) -> std::net::Ipv4Addr {
    [10, 0, 0, n].into()
}

fn take(s: &mut Script, step: Step) {
    match step {
        Step::Pass(millis) => {
            s.now += Duration::from_millis(millis);
            s.machine.handle_timeout(s.now, &mut s.random);
        }
        Step::Wait => {
            s.now = s.machine.next_timeout().map_or(s.now, |at| at.max(s.now));
            s.machine.handle_timeout(s.now, &mut s.random);
        }
        Step::Message { kind, right_xid, right_mac, reply, address, server, times: [length, t1, t2] } => {
            if let Some(transmit) = s.machine.transmit() {
                s.xid = transmit.xid;
            }
            let header = Header {
                op: if reply { Op::Reply } else { Op::Request },
                chaddr: if right_mac { MAC } else { MacAddr([2, 0, 0, 0, 0, 9]) },
                ..header(if right_xid { s.xid } else { !s.xid }, host(address))
            };
            let said = with(said(host(server), 0), Code::LEASE_TIME, Some(&length.to_be_bytes()));
            let said = with(said, Code::RENEWAL_TIME, Some(&t1.to_be_bytes()));
            let said = with(said, Code::REBINDING_TIME, Some(&t2.to_be_bytes()));
            s.hear(&message(&header, MessageType::from_byte(kind).unwrap(), &said));
        }
        Step::Bytes(bytes) => s.hear(&bytes),
        Step::Probe(n, in_use) => s.machine.handle_probe(s.now, host(n), in_use, &mut s.random),
        Step::Conflict(n) => s.machine.handle_conflict(s.now, host(n), &mut s.random),
        Step::Sent(ok) => {
            if let Some(transmit) = s.machine.transmit() {
                s.xid = transmit.xid;
            }
            s.machine.sent(ok);
        }
        Step::Release => s.machine.release(s.now, &mut s.random),
        Step::Restart => s.machine.restart(s.now),
    }
}

/// What holds after every step.
fn sound(s: &Script, fixed: bool) {
    let m: &Machine = &s.machine;
    let state = m.state();
    match m.settings() {
        None => {}
        Some(settings) => {
            let address = settings.config().addresses[0].address();
            match m.lease() {
                // Never an address without a lease that lasts.
                Some(lease) => {
                    assert_eq!(lease.address, address);
                    assert!(lease.expires_at().is_none_or(|at| at > s.now), "{state}");
                }
                None => assert!(fixed && [StateName::Informing, StateName::Stopped].contains(&state)),
            }
        }
    }
    match m.next_timeout() {
        // What was due was done: nothing spins.
        Some(at) => {
            let mut after = m.clone();
            after.handle_timeout(s.now, &mut s.random.clone());
            let at = after.next_timeout().unwrap_or(at);
            assert!(at > s.now || s.now == Instant::MAX, "{state}");
        }
        None => match state {
            StateName::Bound => assert_eq!(m.lease().unwrap().term, None),
            StateName::Informed | StateName::Stopped => {}
            state => panic!("stuck in {state}"),
        },
    }
    if let Some((address, _)) = m.probe() {
        assert_eq!(state, StateName::Checking);
        assert!(m.settings().is_none());
        assert!(!address.is_unspecified());
    }
    if let Some(transmit) = m.transmit() {
        let mut buffer = [0; 548];
        transmit.write(MAC, 1500, &Options::new(), &mut buffer).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn anything_may_happen(options in starts(), seed: u64, steps in vec(steps(), 0..80)) {
        let mut s = Script::with(&options);
        s.random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let fixed = s.machine.state() == StateName::Informing;
        sound(&s, fixed);
        let mut serial = s.machine.serial();
        let mut lease = s.machine.lease().cloned();
        for step in steps {
            take(&mut s, step);
            sound(&s, fixed);
            // Whoever watches the serial misses nothing.
            if s.machine.serial() == serial {
                prop_assert_eq!(s.machine.lease(), lease.as_ref());
            }
            serial = s.machine.serial();
            lease = s.machine.lease().cloned();
        }
        // Whatever happened, a server that answers gets the client a lease.
        s.machine.release(s.now, &mut s.random);
        s.machine.sent(true);
        let mut s = Script { machine: s.machine, random: s.random, now: s.now, xid: 0 };
        if s.now > Instant::from_secs(1 << 33) {
            // The clock stands at the end of time.
            return Ok(());
        }
        s.machine.restart(s.now);
        for _ in 0..20 {
            s.wait();
            let Some(transmit) = s.machine.transmit() else { continue };
            s.sent();
            match transmit.kind {
                MessageType::Discover => s.offer(),
                MessageType::Request | MessageType::Inform => s.ack(),
                _ => {}
            }
            if s.machine.transmit().is_some_and(|t| t.kind == MessageType::Request) {
                s.sent();
                s.ack();
            }
            if s.machine.lease().is_some() {
                return Ok(());
            }
        }
        prop_assert!(s.machine.lease().is_some(), "{}", s.machine.state());
    }
}
