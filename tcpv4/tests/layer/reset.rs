//! Segments that belong to no connection.

use std::net::Ipv4Addr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::net::raw::{ACK, FIN, HOST, PEER, RST, Raw, SYN, take};
use crate::net::{Net, speak};
use tcpv4::Listener;
use traits::{Cast, Inbound, Packet, RxMeta};
use wire::Protocol;

on_both! {
    /// RFC 9293 §3.10.7.1.
    fn a_closed_port_answers_with_a_reset(net) {
        Raw::new(SYN, 100, 0).input(net.a(), None);
        let [reset] = &speak(net)[..] else { panic!() };
        assert_eq!((reset.flags, reset.seq, reset.ack), (RST | ACK, 0, 101));
        assert_eq!((reset.dst, reset.src_port, reset.dst_port), (PEER, 80, 5000));
        Raw::new(ACK, 100, 7).payload(b"abc").input(net.a(), None);
        let [reset] = &speak(net)[..] else { panic!() };
        assert_eq!((reset.flags, reset.seq), (RST, 7));
        Raw::new(FIN, 100, 0).payload(b"abc").input(net.a(), None);
        let [reset] = &speak(net)[..] else { panic!() };
        assert_eq!((reset.flags, reset.ack), (RST | ACK, 104));
        assert_eq!(net.a().statistics().refused, 3);
    }

    /// RFC 9293 §3.6.1: nobody will read it. One reset, with the number that its
    /// sender expects.
    fn data_for_nobody_is_reset_once(net) {
        for (port, acked) in [(1, 1), (2, 2)] {
            let listener = Listener::<2>::with_capacity();
            let raw = |flags, seq, ack| Raw::new(flags, seq, ack).from(PEER, port);
            raw(SYN, 1000, 0).input(net.a(), Some(&listener));
            let iss = speak(net)[0].seq;
            raw(ACK, 1001, iss + 1).input(net.a(), Some(&listener));
            let mut context = Context::from_waker(Waker::noop());
            {
                let accept = std::pin::pin!(listener.accept(net.a()));
                let Poll::Ready(mut flow) = accept.poll(&mut context) else { panic!() };
                assert!(std::pin::pin!(flow.close()).poll(&mut context).is_pending());
            }
            assert_eq!(speak(net)[0].flags & FIN, FIN);
            // In FIN-WAIT-1, then in FIN-WAIT-2.
            raw(ACK, 1001, iss + acked).payload(b"x").input(net.a(), Some(&listener));
            let [reset] = &speak(net)[..] else { panic!() };
            assert_eq!((reset.flags, reset.seq), (RST, iss + acked));
            assert_eq!((net.a().usage().connections, speak(net)), (0, vec![]));
        }
    }

    fn a_reset_is_not_answered(net) {
        Raw::new(RST, 100, 0).input(net.a(), None);
        Raw::new(RST | SYN, 100, 0).input(net.a(), None);
        assert_eq!(speak(net), []);
        assert_eq!(net.a().statistics().stray, 2);
    }

    fn input_itself_says_nothing(net) {
        Raw::new(SYN, 100, 0).input(net.a(), None);
        assert_eq!(take(net.hosts[0].ip), []);
    }

    fn broadcasts_and_groups_are_not_answered(net) {
        for cast in [Cast::Broadcast, Cast::Multicast] {
            let mut syn = Raw::new(SYN, 100, 0);
            syn.cast = cast;
            syn.input(net.a(), None);
        }
        assert_eq!(speak(net), []);
        assert_eq!(net.a().statistics().not_unicast, 2);
    }

    /// LAND and its like: never answered, not even by a reset.
    fn syns_from_impossible_sources_are_dropped(net) {
        let listener = Listener::<4>::with_capacity();
        let sources = [
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::BROADCAST,
            Ipv4Addr::new(224, 0, 0, 1),
            HOST,
        ];
        for src in sources {
            Raw::new(SYN, 100, 0).from(src, 80).input(net.a(), Some(&listener));
            Raw::new(SYN, 100, 0).from(src, 80).input(net.a(), None);
        }
        assert_eq!(speak(net), []);
        assert_eq!(net.a().statistics().bad_source, 8);
        assert_eq!(net.a().usage().half_open, 0);
    }

    fn what_is_malformed_is_counted(net) {
        let input = |bytes: &[u8]| {
            net.a().input(Inbound::Packet(Packet::new(PEER, HOST, Protocol::TCP, bytes)), |_| None);
        };
        let whole = Raw::new(SYN, 100, 0).options(&[2, 4, 5, 180]).bytes();
        for len in 0..24 {
            input(&whole[..len]);
        }
        assert_eq!(net.a().statistics().malformed, 24, "cut short");
        let mut short_header = whole.clone();
        short_header[12] = 4 << 4;
        input(&short_header);
        assert_eq!(net.a().statistics().malformed, 25);
        let mut corrupt = whole.clone();
        corrupt[20] ^= 1;
        input(&corrupt);
        assert_eq!(net.a().statistics().bad_checksum, 1);
        input(&Raw::new(SYN | FIN, 100, 0).bytes());
        assert_eq!(net.a().statistics().bad_flags, 1);
        input(&Raw::new(SYN, 100, 0).toward(0).bytes());
        input(&Raw::new(SYN, 100, 0).from(PEER, 0).bytes());
        assert_eq!(net.a().statistics().bad_port, 2);
        assert_eq!(speak(net), []);
    }

    fn a_checksum_that_the_device_verified_is_believed(net) {
        let mut bytes = Raw::new(SYN, 100, 0).bytes();
        bytes[16] ^= 0xff;
        let mut packet = Packet::new(PEER, HOST, Protocol::TCP, &bytes);
        packet.meta = RxMeta::NONE.with_checksum(traits::ChecksumVerdict::Verified);
        net.a().input(Inbound::Packet(packet), |_| None);
        assert_eq!(speak(net).len(), 1);
        assert_eq!(net.a().statistics().bad_checksum, 0);
    }

    fn lost_ones_are_counted(net) {
        for port in 1..=5000 {
            Raw::new(SYN, 100, 0).from(PEER, port).input(net.a(), None);
        }
        assert_eq!(net.a().statistics().refused, 5000);
        let spoken = speak(net).len() as u64;
        assert!(spoken >= 16 && net.a().statistics().replies_lost > 0, "the queue is bounded");
        assert_eq!(spoken + net.a().statistics().replies_lost, 5000);
    }

    /// A quota that all share tells whoever uses it up what others were told
    /// (the trick of CVE-2016-5696): here, that a forged segment met no
    /// connection.
    fn what_is_reset_for_others_cannot_be_counted(net) {
        let own_resets = |forged: bool| {
            net.clock.set(net.clock.now() + Duration::from_secs(2));
            let mut count = 0;
            for n in 0..3000 {
                if forged && n < 1000 {
                    Raw::new(SYN | ACK, 5, 5).from(PEER, 777).input(net.a(), None);
                }
                Raw::new(ACK, n, 5).from(Ipv4Addr::new(10, 0, 0, 66), 1 + n as u16).input(net.a(), None);
                count += speak(net).iter().filter(|reset| reset.dst != PEER).count();
            }
            count
        };
        assert_eq!((own_resets(false), own_resets(true)), (3000, 3000));
    }

    fn only_once_when_the_device_is_full(net) {
        net.hosts[0].ip.give_room(0);
        Raw::new(SYN, 100, 0).input(net.a(), None);
        assert_eq!(speak(net), []);
        assert_eq!(speak(net), []);
        net.hosts[0].ip.give_room(5);
        assert_eq!(speak(net).len(), 1);
        assert_eq!(speak(net), []);
        assert_eq!(net.a().statistics().device_full, 2);
    }
}
