//! Half-open connections: SYNs, SYN-ACKs, cookies and floods.

use std::net::Ipv4Addr;
use std::task::Waker;
use std::time::Duration;

use crate::net::raw::{ACK, FIN, PEER, PSH, RST, Raw, SYN, Seen};
use crate::net::{Net, random, speak, with_limits};
use rand_chacha::rand_core::Rng as _;
use tcpv4::{Limits, Listener, Storage};
use traits::Layer as _;

fn after<S: Storage>(net: &Net<'_, S>, millis: u64) -> Vec<Seen> {
    net.clock.set(net.clock.now() + Duration::from_millis(millis));
    speak(net)
}

/// MSS 1000, SACK-permitted, timestamps (value 7), window scale 3.
const OPTIONS: [u8; 20] = [2, 4, 3, 232, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 3];

on_both! {
    fn a_syn_is_answered_with_what_was_offered(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).options(&OPTIONS).input(net.a(), Some(&listener));
        let [answer] = &speak(net)[..] else { panic!() };
        assert_eq!((answer.flags, answer.ack, answer.dst), (SYN | ACK, 101, PEER));
        let [2, 4, 5, 180, 4, 2, 8, 10, _, _, _, _, 0, 0, 0, 7, 1, 3, 3, _] = answer.options[..] else {
            panic!("{:?}", answer.options)
        };
        Raw::new(SYN, 100, 0).from(PEER, 5001).input(net.a(), Some(&listener));
        let [answer] = &speak(net)[..] else { panic!() };
        assert_eq!(answer.options, [2, 4, 5, 180], "no more than that without an offer");
        assert_eq!(net.a().usage().half_open, 2);
        assert!(listener.is_empty());
    }

    fn the_answer_is_repeated_and_then_given_up(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        let first = speak(net);
        for wait in [1000, 2000, 4000, 8000, 16_000] {
            assert_eq!(after(net, wait - 1), []);
            assert_eq!(after(net, 1), first);
        }
        assert_eq!(after(net, 32_000), []);
        assert_eq!(net.a().usage().half_open, 0);
        let statistics = net.a().statistics();
        assert_eq!((statistics.half_open_expired, statistics.retransmitted), (1, 5));
    }

    fn the_same_syn_again_is_answered_again(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        let first = speak(net);
        net.clock.set(net.clock.now() + Duration::from_millis(10));
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        assert_eq!(speak(net), first);
        assert_eq!(net.a().usage().half_open, 1);
    }

    fn a_syn_that_is_repeated_for_ever_leaves_nothing_behind(net) {
        let listener = Listener::<4>::with_capacity();
        for _ in 0..20 {
            Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
            assert_eq!(speak(net).len(), 1);
            assert_eq!(after(net, 500), []);
        }
        after(net, 32_000);
        assert_eq!(net.a().usage().half_open, 0);
        assert_eq!(net.a().poll(net.clock.now(), Waker::noop()), None);
    }

    fn one_whose_address_has_gone_is_forgotten(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        speak(net);
        net.hosts[0].ip.move_to(Ipv4Addr::new(10, 0, 0, 77));
        after(net, 1000);
        assert_eq!(net.a().usage().half_open, 0);
    }

    /// RFC 3168 §6.1.1: the offer has both marks, the answer one.
    fn an_offer_of_ecn_is_taken_up(net) {
        let listener = Listener::<4>::with_capacity();
        for (port, offer, answer) in [(1, 0xc0, 0x40), (2, 0x40, 0), (3, 0x80, 0), (4, 0, 0)] {
            Raw::new(SYN | offer, 100, 0).from(PEER, port).input(net.a(), Some(&listener));
            assert_eq!(speak(net)[0].flags, SYN | ACK | answer, "{offer:#x}");
        }
    }

    fn data_on_a_syn_is_left_for_later(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).payload(b"early").input(net.a(), Some(&listener));
        let [answer] = &speak(net)[..] else { panic!() };
        assert_eq!((answer.flags, answer.ack), (SYN | ACK, 101));
    }

    /// RFC 9293 §3.10.7.2.
    fn what_is_no_handshake_for_a_listener(net) {
        let listener = Listener::<4>::with_capacity();
        for flags in [0, FIN, PSH, RST, RST | ACK, 0xff, 0x20] {
            Raw::new(flags, 100, 5).payload(b"x").input(net.a(), Some(&listener));
            assert_eq!(speak(net), [], "{flags:#x}");
        }
        assert_eq!(net.a().statistics().stray, 7);
        for flags in [ACK, SYN | ACK, FIN | ACK] {
            Raw::new(flags, 100, 5).input(net.a(), Some(&listener));
            let [reset] = &speak(net)[..] else { panic!() };
            assert_eq!((reset.flags, reset.seq), (RST, 5));
        }
        Raw::new(SYN | FIN, 100, 0).input(net.a(), Some(&listener));
        assert_eq!((speak(net), net.a().statistics().bad_flags), (vec![], 1));
        assert_eq!(net.a().usage(), tcpv4::Usage::default());
    }

    /// RFC 5961 §3: only the exact number resets.
    fn a_reset_ends_it_when_exact(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        let answer = speak(net).remove(0);
        Raw::new(RST, 150, 0).input(net.a(), Some(&listener));
        let [challenge] = &speak(net)[..] else { panic!() };
        assert_eq!((challenge.flags, challenge.seq, challenge.ack), (ACK, answer.seq + 1, 101));
        Raw::new(RST, 90, 0).input(net.a(), Some(&listener));
        assert_eq!(speak(net), []);
        assert_eq!(net.a().usage().half_open, 1);
        Raw::new(RST, 101, 0).input(net.a(), Some(&listener));
        assert_eq!(net.a().usage().half_open, 0);
        assert_eq!(net.a().statistics().half_open_reset, 1);
    }

    /// RFC 9293 §3.10.7.4, SYN-RECEIVED.
    fn a_wrong_acknowledgement_is_reset(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        speak(net);
        Raw::new(ACK, 101, 77).input(net.a(), Some(&listener));
        let [reset] = &speak(net)[..] else { panic!() };
        assert_eq!((reset.flags, reset.seq), (RST, 77));
        assert_eq!(net.a().usage().half_open, 1);
        assert_eq!(net.a().statistics().bad_handshake, 1);
    }

    fn a_listener_that_has_gone_refuses(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        let answer = speak(net).remove(0);
        Raw::new(ACK, 101, answer.seq + 1).input(net.a(), None);
        let [reset] = &speak(net)[..] else { panic!() };
        assert_eq!((reset.flags, reset.seq), (RST, answer.seq + 1));
        assert_eq!(net.a().usage().half_open, 0);
    }

    fn an_answer_waits_for_the_device(net) {
        let listener = Listener::<4>::with_capacity();
        net.hosts[0].ip.give_room(0);
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        assert_eq!(after(net, 500), []);
        net.hosts[0].ip.give_room(1);
        assert_eq!(after(net, 0).len(), 1);
        assert_eq!(after(net, 999), []);
        net.hosts[0].ip.give_room(1);
        assert_eq!(after(net, 1).len(), 1, "a second after it was sent, not after it was owed");
    }
}

/// 10⁶ SYNs from anywhere: memory stays as it is, and every one is answered,
/// by an entry or by a cookie.
#[test]
fn a_flood_costs_no_memory() {
    let mut limits = Limits::default();
    limits.half_open = 100;
    with_limits(limits, |net| {
        let listener = Listener::new();
        let mut random = random(5);
        let mut answered = 0;
        for n in 0..1_000_000u32 {
            let src = Ipv4Addr::from_bits(0x0b00_0000 | random.next_u32() & 0xff_ffff);
            let port = 1 + (random.next_u32() % 65_535) as u16;
            Raw::new(SYN, random.next_u32(), 0).from(src, port).input(net.a(), Some(&listener));
            // A device hands them up by the batch.
            if n % 64 == 63 {
                net.a().poll(net.clock.now(), Waker::noop());
                answered += net.hosts[0].ip.take().len();
            }
        }
        let usage = net.a().usage();
        assert_eq!((usage.half_open, usage.connections, usage.time_wait), (100, 0, 0));
        let statistics = net.a().statistics();
        // The same tuple twice is one entry.
        assert!(statistics.cookies_sent >= 1_000_000 - 200, "{statistics:?}");
        assert!(answered >= 999_000, "{answered}");
        assert_eq!(statistics.replies_lost, 0);
    });
}
