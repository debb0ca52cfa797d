//! Half-open connections that are asked again and again.

use std::net::Ipv4Addr;
use std::task::Waker;
use std::time::Duration;

use crate::net;
use crate::net::Net;
use crate::net::raw::{ACK, RST, Raw, SYN, Seen, take};
use tcpv4::{Listener, Storage};
use traits::Layer as _;

fn speak<S: Storage>(net: &Net<'_, S>) -> Vec<Seen> {
    net.a().poll(net.clock.now(), Waker::noop());
    take(net.hosts[0].ip)
}

/// How often host `a` answers `segment`, which comes each 10 ms for a second.
fn answers<S: Storage>(net: &Net<'_, S>, listener: &Listener<4>, segment: &Raw) -> usize {
    let answers = (0..100).map(|_| {
        segment.input(net.a(), Some(listener));
        let count = speak(net).len();
        net.clock.set(net.clock.now() + Duration::from_millis(10));
        count
    });
    answers.sum()
}

on_both! {
    /// RFC 5961 §7; as Linux: `tcp_oow_rate_limited`, 500 ms.
    fn acknowledgements_are_throttled(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        speak(net);
        let asks = [Raw::new(ACK, 900_000, 5), Raw::new(RST, 150, 5), Raw::new(SYN, 150, 0)];
        for segment in asks {
            // Without the SYN-ACK that comes by itself after a second.
            let before = net.a().statistics().retransmitted;
            let count = answers(net, &listener, &segment) as u64;
            assert_eq!(count - (net.a().statistics().retransmitted - before), 2, "{segment:?}");
        }
        assert_eq!(net.a().statistics().handshake_throttled, 3 * 98);
        assert_eq!(net.a().usage().half_open, 1);
    }

    fn the_same_syn_is_answered_twice_a_second(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        assert_eq!(speak(net).len(), 1);
        assert_eq!(answers(net, &listener, &Raw::new(SYN, 100, 0)), 2);
    }

    /// RFC 9293 §3.10.7.4, first: some of it lies in the window.
    fn data_that_began_with_the_syn_completes_the_handshake(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        let iss = speak(net)[0].seq;
        let segment = Raw::new(ACK, 100, iss.wrapping_add(1)).payload(b"xhello");
        segment.input(net.a(), Some(&listener));
        let [answer] = &speak(net)[..] else { panic!() };
        assert_eq!((answer.flags, answer.ack), (ACK, 106));
        assert_eq!((net.a().usage().connections, net.a().usage().half_open), (1, 0));
    }

    /// RFC 5961 §3.2, whatever comes with it.
    fn a_reset_that_begins_before_the_window_is_ignored(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        speak(net);
        Raw::new(RST, 100, 0).payload(b"a reason").input(net.a(), Some(&listener));
        assert_eq!((speak(net), net.a().usage().half_open), (vec![], 1));
    }

    /// A tap hands up 64 small frames in one go: all are answered, with an entry, a
    /// cookie or a reset.
    fn a_batch_is_answered_whole(net) {
        let listener = Listener::<4>::with_capacity();
        for round in 0..3 {
            for n in 0..64 {
                let listener = Some(&listener as &dyn tcpv4::Accept).filter(|_| n % 4 > 0);
                let src = Ipv4Addr::from_bits(0x0c00_0000 + 64 * round + n);
                Raw::new(SYN, n, 0).from(src, 99).input(net.a(), listener);
            }
            assert_eq!((speak(net).len(), net.a().statistics().replies_lost), (64, 0));
        }
    }

    /// Each peer has its own throttle: none tells of another.
    fn others_are_answered_meanwhile(net) {
        let listener = Listener::<4>::with_capacity();
        for port in [1, 2, 3] {
            let raw = |flags, seq| Raw::new(flags, seq, 5).from(net::raw::PEER, port);
            raw(SYN, 100).input(net.a(), Some(&listener));
            speak(net);
            raw(ACK, 900_000).input(net.a(), Some(&listener));
            raw(ACK, 900_000).input(net.a(), Some(&listener));
            assert_eq!(speak(net).len(), 1);
        }
    }

    /// What the SYN-ACK told holds, though the settings have changed.
    fn the_window_told_is_the_one_that_counts(net) {
        let listener = Listener::<4>::with_capacity();
        Raw::new(SYN, 100, 0).input(net.a(), Some(&listener));
        let answer = speak(net).remove(0);
        let told = u32::from(answer.window);
        let mut settings = net.a().settings();
        settings.receive_limit = 100;
        net.a().set_settings(settings);
        // The last byte of the window is in it.
        Raw::new(ACK, 100 + told, answer.seq + 7).input(net.a(), Some(&listener));
        let [reset] = &speak(net)[..] else { panic!() };
        assert_eq!((reset.flags, reset.seq), (RST, answer.seq + 7));
        Raw::new(ACK, 101 + told, answer.seq + 1).input(net.a(), Some(&listener));
        let [challenge] = &speak(net)[..] else { panic!() };
        assert_eq!((challenge.flags, challenge.window), (ACK, answer.window));
        Raw::new(SYN, 100, 0).from(net::raw::PEER, 5001).input(net.a(), Some(&listener));
        assert_eq!(speak(net)[0].window, 100);
    }
}
