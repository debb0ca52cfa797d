//! Whatever comes in, in whatever order: no panic, no bound exceeded.

use std::pin::Pin;

use crate::common::*;
use ethif::{Ethif, listeners};
use proptest::prelude::*;
use traits::{Ethernet, Frame, Layer, SendError, To, TxMeta};
use wire::{EtherType, MacAddr};

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(frames: Vec<Vec<u8>>) {
        let net = Mock::new();
        let e = Ethif::connect(&net);
        e.add_ipv4(OWN_IP);
        for bytes in frames {
            e.input(Frame::from(bytes.as_slice()), listeners().ipv4(|_| ()).other(|_, _| ()));
        }
    }

    #[test]
    fn what_is_written_is_read(payload in prop::collection::vec(any::<u8>(), 1..1500), ethertype in 0x0900_u16..0x8000) {
        let net = Mock::new();
        let e = Ethif::connect(&net);
        e.write(To::Mac(OWN), EtherType(ethertype), TxMeta::NONE, payload.len(), |buffer| {
            buffer.copy_from_slice(&payload);
            payload.len()
        }).unwrap();
        let mut got = None;
        let sent = net.take().remove(0).bytes;
        e.input(sent.as_slice().into(), listeners().other(|ethertype, p| got = Some((ethertype.0, p.bytes.to_vec()))));
        prop_assert_eq!(got, Some((ethertype, payload)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send { n: u8, len: usize },
    Arp(Arp, bool),
    Noise(Vec<u8>),
    Pass(u64),
    Poll,
    Add(u8),
    Remove(u8),
    Confirm(u8),
    Query(u8),
    Probe(u8),
    Forget,
    Room(usize),
    Refuse(bool),
}

fn host() -> impl Strategy<Value = u8> {
    0..12_u8
}

fn arp() -> impl Strategy<Value = Arp> {
    (0..4_u16, host(), prop_oneof![host(), Just(255)], host(), any::<bool>()).prop_map(
        |(op, m, i, target, to_own)| Arp {
            op,
            sender: (mac(m), if i == 255 { [0, 0, 0, 0].into() } else { ip(i) }),
            target: (if to_own { OWN } else { MacAddr::ZERO }, ip(target)),
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (host(), 0..1600_usize).prop_map(|(n, len)| Step::Send { n, len }),
        5 => (arp(), any::<bool>()).prop_map(|(arp, all)| Step::Arp(arp, all)),
        1 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Step::Noise),
        3 => (0..4000_u64).prop_map(Step::Pass),
        3 => Just(Step::Poll),
        1 => host().prop_map(Step::Add),
        1 => host().prop_map(Step::Remove),
        1 => host().prop_map(Step::Confirm),
        1 => host().prop_map(Step::Query),
        1 => host().prop_map(Step::Probe),
        1 => Just(Step::Forget),
        1 => prop_oneof![Just(0), 1..5_usize, Just(usize::MAX)].prop_map(Step::Room),
        1 => any::<bool>().prop_map(Step::Refuse),
    ]
}

type Futures<'a> = Vec<Pin<Box<dyn Future<Output = ()> + 'a>>>;

fn take<'a>(e: &'a Ethif<&'a Mock, 4, 4>, futures: &mut Futures<'a>, step: Step) {
    let net = e.network();
    match step {
        Step::Send { n, len } => {
            let result = send(e, n, &vec![n; len]);
            assert!(matches!(
                result,
                Ok(())
                    | Err(SendError::Full | SendError::Unresolved | SendError::TooLong)
                    | Err(SendError::Unsupported | SendError::Down)
            ));
        }
        Step::Arp(arp, all) => input(e, &arp.frame(if all { MacAddr::BROADCAST } else { OWN })),
        Step::Noise(payload) => input(e, &frame(OWN, mac(1), 0x0806, &payload)),
        Step::Pass(ms) => net.pass(millis(ms)),
        Step::Poll => {
            let next = poll(e);
            assert!(next.is_none_or(|next| next > e.now()), "a deadline lies after now");
        }
        Step::Add(n) => drop(e.add_ipv4(ip(n))),
        Step::Remove(n) => e.remove_ipv4(ip(n)),
        Step::Confirm(n) => e.confirm(ip(n)),
        Step::Query(n) => futures.push(Box::pin(async move { _ = e.query_arpv4(ip(n)).await })),
        Step::Probe(n) => futures.push(Box::pin(async move { _ = e.probe_ipv4(ip(n)).await })),
        Step::Forget => drop(futures.pop()),
        Step::Room(frames) => net.set_room(frames),
        Step::Refuse(refuse) => net.refuses.set(refuse.then_some(SendError::Down)),
    }
    futures.retain_mut(|future| once(future.as_mut()).is_pending());
    assert!(neighbours(e) <= 4);
}

proptest! {
    #[test]
    fn any_course_of_events_keeps_the_bounds(steps in prop::collection::vec(step(), 0..200)) {
        let net = Mock::new();
        let e = Ethif::<_, 4, 4>::with_capacity(&net);
        let mut futures = Vec::new();
        for step in steps {
            take(&e, &mut futures, step);
        }
        // In the end all waiting ends, and every packet is accounted for.
        net.refuses.set(None);
        net.set_room(usize::MAX);
        for _ in 0..100 {
            run(&e, secs(10));
            futures.retain_mut(|future| once(future.as_mut()).is_pending());
        }
        prop_assert!(futures.is_empty());
        prop_assert_eq!(poll(&e), None);
        prop_assert_eq!(neighbours(&e), 0);
        let s = e.statistics();
        let ended = s.parked_sent + s.parked_unanswered + s.parked_displaced + s.parked_refused;
        prop_assert_eq!(s.parked, ended);
    }
}
