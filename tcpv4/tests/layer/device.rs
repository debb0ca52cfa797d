//! Devices that are full, that offload, and that fail.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::net::raw::{ACK, PEER, RST, Raw, SYN, take};
use crate::net::{
    B, Clock, Link, MockIp, Net, SECOND, accept, once, pattern, random, read_all, speak, with_heap,
};
use tcpv4::{Flow, Listener, Statistics, Storage, Tcp};
use traits::{Capabilities, FlowError, Instant, Layer as _, Offload, SendError};

/// What was not sent, by its reason.
fn lost(statistics: &Statistics) -> [u64; 6] {
    let &Statistics {
        lost_no_route,
        lost_no_address,
        lost_unresolved,
        lost_too_long,
        lost_down,
        lost_unsupported,
        ..
    } = statistics;
    [lost_no_route, lost_no_address, lost_unresolved, lost_too_long, lost_down, lost_unsupported]
}

/// Sends `len` bytes from `a` to `b`; how many packets that took.
fn send<S: Storage>(net: &Net<'_, S>, len: usize) -> u64 {
    let before = net.hosts[0].ip.writes.get();
    let listener = Listener::<2>::with_capacity();
    let data = pattern(len, 5);
    let client = async {
        let mut flow = net.a().create_connection(B).await.unwrap();
        flow.write_all(&data).await.unwrap();
        flow.close().await.unwrap();
        assert_eq!(flow.read(&mut [0]).await, Ok(0));
    };
    let server = async {
        let got = read_all(&mut listener.accept(net.b()).await).await;
        assert!(got == data, "{} of {len}", got.len());
    };
    let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
    assert!(session.run_for(SECOND * 200), "{:?}\n{:?}", net.a().statistics(), net.b().statistics());
    net.hosts[0].ip.writes.get() - before
}

on_both! {
    fn a_full_device_loses_nothing(net) {
        let waiting = async {
            loop {
                net.sleep(Duration::from_millis(3)).await;
                net.hosts[0].ip.give_room(2);
            }
        };
        net.hosts[0].ip.give_room(0);
        let listener = Listener::<2>::with_capacity();
        let data = pattern(100_000, 5);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(&data).await.unwrap();
            flow.close().await.unwrap();
        };
        let server = async { assert!(read_all(&mut listener.accept(net.b()).await).await == data) };
        let mut session =
            net.session().listen(1, 80, &listener).background(waiting).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 20));
        let statistics = net.a().statistics();
        assert!(statistics.device_full > 10);
        assert_eq!(statistics.retransmitted, 0, "what waited was not taken for lost");
    }

    fn a_flood_of_strays_on_a_slow_device_starves_no_connection(net) {
        let listener = Listener::<2>::with_capacity();
        let (mut flow, _) = accept(net, &listener, &Raw::new(0, 1000, 0).from(PEER, 99));
        assert!(once(flow.write(&[7; 100])).is_ready());
        let mut replies = 0;
        // More come with each batch than the device takes.
        let sent = (0..10).any(|round| {
            for n in 0..64 {
                Raw::new(ACK, n, 1).from(PEER, 1000 + 64 * round + n as u16).input(net.a(), None);
            }
            net.hosts[0].ip.give_room(4);
            let seen = speak(net);
            replies += seen.iter().filter(|segment| segment.flags & RST != 0).count();
            seen.iter().any(|segment| segment.payload.len() == 100)
        });
        assert!(sent && replies >= 4, "{replies}");
        net.hosts[0].ip.give_room(usize::MAX);
    }

    /// Neither do SYNs, of which each owes an answer, and which make room for the
    /// next ones.
    fn a_flood_of_syns_on_a_slow_device_starves_no_connection(net) {
        let listener = Listener::<2>::with_capacity();
        let (mut flow, _) = accept(net, &listener, &Raw::new(0, 1000, 0).from(PEER, 99));
        assert!(once(flow.write(&[7; 100])).is_ready());
        let mut answers = 0;
        let sent = (0..10).any(|round| {
            for n in 0..32 {
                let port = 1000 + 64 * round + n;
                Raw::new(SYN, 7, 0).from(PEER, port).input(net.a(), Some(&listener));
                Raw::new(ACK, 7, 1).from(PEER, 9000 + port).input(net.a(), None);
            }
            net.hosts[0].ip.give_room(4);
            let seen = speak(net);
            answers += seen.iter().filter(|segment| segment.flags & SYN != 0).count();
            seen.iter().any(|segment| segment.payload.len() == 100)
        });
        assert!(sent && answers >= 4, "{answers}");
        net.hosts[0].ip.give_room(usize::MAX);
    }

    fn a_device_without_offloads(net) {
        assert!(send(net, 500_000) >= 500_000 / 1448);
    }

    /// RFC 3168: offered, taken up, and data goes out as capable.
    fn explicit_congestion_notification(net) {
        let mut settings = net.a().settings();
        settings.ecn = true;
        net.a().set_settings(settings);
        send(net, 50_000);
        let capable = net.seen.borrow().iter().filter(|(from, tos)| *from == 0 && tos & 3 == 2).count();
        assert!(capable >= 50_000 / 1460, "{capable}");
    }

    fn checksums_by_the_device(net) {
        net.hosts[0].ip.capabilities.set(Capabilities::new(Offload::TX_CHECKSUM, 0));
        send(net, 100_000);
        assert_eq!(net.b().statistics().bad_checksum, 0);
    }

    fn large_segments_cut_by_the_device(net) {
        let offload = Offload::TX_CHECKSUM | Offload::TSO4 | Offload::TSO_ECN;
        net.hosts[0].ip.capabilities.set(Capabilities::new(offload, 65_535 - 20));
        let writes = send(net, 500_000);
        assert!(writes < 500_000 / 1448 / 2, "{writes} writes");
        assert_eq!(net.b().statistics().bad_checksum, 0);
    }

    /// A device that gathers takes large payloads from where they lie, where it
    /// completes the checksum as well.
    fn large_payloads_are_not_copied_for_a_device_that_gathers(net) {
        send(net, 500_000);
        assert_eq!(net.hosts[0].ip.gathered.get(), 0, "the checksum is to be computed");
        let offload = Offload::TX_CHECKSUM | Offload::TSO4 | Offload::TSO_ECN;
        net.hosts[0].ip.capabilities.set(Capabilities::new(offload, 65_535 - 20));
        let writes = send(net, 500_000);
        let gathered = net.hosts[0].ip.gathered.get();
        assert!(gathered > 5 && gathered < writes, "{gathered} of {writes}");
        assert_eq!(net.b().statistics().bad_checksum, 0);
    }

    fn large_segments_received_whole(net) {
        let offload = Offload::TX_CHECKSUM | Offload::TSO4 | Offload::TSO_ECN;
        net.hosts[0].ip.capabilities.set(Capabilities::new(offload, 65_535 - 20));
        net.link.set(Link { large_receive: true, ..Link::CLEAN });
        send(net, 500_000);
        assert!(net.b().statistics().received < 500_000 / 1448 / 2);
    }

    fn capabilities_come_and_go(net) {
        let offload = Offload::TX_CHECKSUM | Offload::TSO4 | Offload::TSO_ECN;
        let on = Capabilities::new(offload, 65_535 - 20);
        let toggle = async {
            loop {
                for capabilities in [on, Capabilities::NONE, Capabilities::new(Offload::TX_CHECKSUM, 0)] {
                    net.hosts[0].ip.capabilities.set(capabilities);
                    net.sleep(Duration::from_millis(7)).await;
                }
            }
        };
        let listener = Listener::<2>::with_capacity();
        let data = pattern(1_000_000, 5);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(&data).await.unwrap();
            flow.close().await.unwrap();
        };
        let server = async { assert!(read_all(&mut listener.accept(net.b()).await).await == data) };
        let mut session = net.session().listen(1, 80, &listener).background(toggle).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 60));
        assert_eq!((net.a().statistics().retransmitted, net.b().statistics().bad_checksum), (0, 0));
    }

    /// Its packets are as long as IPv4 has them.
    fn a_path_wider_than_any_packet(net) {
        for host in &net.hosts {
            host.ip.mtu.set(70_000);
        }
        let packets = send(net, 1_000_000);
        // 8 KiB of memory each way, or hardly more than needed of the largest.
        assert!((16..200).contains(&packets), "{packets}");
        assert_eq!((net.a().statistics().retransmitted, lost(&net.a().statistics())), (0, [0; 6]));
    }

    fn a_path_that_becomes_narrower(net) {
        let narrow = async {
            net.sleep(Duration::from_millis(40)).await;
            net.hosts[0].ip.mtu.set(800);
        };
        let listener = Listener::<2>::with_capacity();
        let data = pattern(300_000, 5);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(&data).await.unwrap();
            flow.close().await.unwrap();
        };
        let server = async { assert!(read_all(&mut listener.accept(net.b()).await).await == data) };
        let mut session = net.session().listen(1, 80, &listener).spawn(narrow).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 60));
        assert_eq!(lost(&net.a().statistics()), [0; 6]);
    }

    /// As lost on the way: sent again when it is due, and all arrives.
    fn what_the_layers_below_refuse_is_sent_again(net) {
        for error in [SendError::Unresolved, SendError::Down, SendError::NoRoute, SendError::Unsupported] {
            let fail = async {
                net.hosts[0].ip.error.set(Some(error));
                net.sleep(Duration::from_millis(1500)).await;
                net.hosts[0].ip.error.set(None);
            };
            let listener = Listener::<2>::with_capacity();
            let client = async {
                let mut flow = net.a().create_connection(B).await.unwrap();
                flow.write_all(b"x").await.unwrap();
                flow.close().await.unwrap();
                assert_eq!(flow.read(&mut [0]).await, Ok(0));
            };
            let server = async { assert!(read_all(&mut listener.accept(net.b()).await).await == b"x") };
            let mut session = net.session().listen(1, 80, &listener).spawn(fail).spawn(client).spawn(server);
            assert!(session.run_for(SECOND * 20), "{error}");
            session.run_for(SECOND * 61);
        }
        let statistics = net.a().statistics();
        let [no_route, no_address, unresolved, too_long, down, unsupported] = lost(&statistics);
        assert!([no_route, unresolved, down, unsupported].iter().all(|count| (1..8).contains(count)));
        assert_eq!((no_address, too_long), (0, 0));
        assert!(statistics.retransmitted < statistics.sent, "{statistics:?}");
    }

    /// A neighbour that is off is no long wait: ARP has asked for three seconds.
    fn a_next_hop_that_does_not_answer_ends_an_attempt(net) {
        let attempt = async {
            net.hosts[0].ip.error.set(Some(SendError::Unresolved));
            let start = net.clock.now();
            let error = net.a().create_connection(B).await.err();
            net.hosts[0].ip.error.set(None);
            assert_eq!(error, Some(traits::ConnectError::Unreachable));
            assert_eq!(net.clock.now().duration_since(start), SECOND * 3);
        };
        assert!(net.session().spawn(attempt).run_for(SECOND * 20));
        let statistics = net.a().statistics();
        assert_eq!((statistics.unreachable, lost(&statistics)), (1, [0, 0, 4, 0, 0, 0]));
        assert_eq!(net.a().usage(), tcpv4::Usage::default());
    }

    fn connections_end_with_their_address(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Err(FlowError::Unreachable));
            assert_eq!(flow.write(b"x").await, Err(FlowError::Unreachable));
            assert_eq!(flow.close().await, Err(FlowError::Unreachable));
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            net.sleep(SECOND).await;
            net.hosts[0].ip.move_to(Ipv4Addr::new(10, 0, 0, 77));
            net.a().poll(net.clock.now(), Waker::noop());
            flow.abort();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        session.run_for(SECOND);
        assert_eq!(net.a().statistics().unreachable, 1);
        assert_eq!(net.a().usage().connections, 0);
    }
}

/// No connection keeps the others waiting, whatever it has to send.
#[test]
fn connections_take_turns() {
    with_heap(|net| {
        let offload = Offload::TX_CHECKSUM;
        net.hosts[0].ip.capabilities.set(Capabilities::new(offload, 0));
        net.link.set(Link { delay: Duration::from_millis(1), ..Link::CLEAN });
        let listener = Listener::<8>::with_capacity();
        let pace = async {
            loop {
                net.sleep(Duration::from_micros(100)).await;
                net.hosts[0].ip.give_room(4);
            }
        };
        let server = listener.serve(net.b(), async |mut flow: Flow<'_, _, _>| read_all(&mut flow).await.len());
        let mut session = net.session().listen(1, 80, &listener).background(server).background(pace);
        for _ in 0..4 {
            session = session.background(async {
                let mut flow = net.a().create_connection(B).await.unwrap();
                loop {
                    flow.write_all(&[1; 10_000]).await.unwrap();
                }
            });
        }
        let small = async {
            net.sleep(SECOND).await;
            for _ in 0..10 {
                let before = net.clock.now();
                let mut flow = net.a().create_connection(B).await.unwrap();
                flow.write_all(b"small").await.unwrap();
                flow.close().await.unwrap();
                let took = net.clock.now().duration_since(before);
                assert!(took < Duration::from_millis(50), "{took:?}");
            }
        };
        assert!(session.spawn(small).run_for(SECOND * 5));
    });
}

/// What the peer acknowledges while it is sent again, from within the device, is
/// not there to be copied any more, or to be shown: nothing goes out, and nothing
/// counts as sent.
#[test]
fn what_is_acknowledged_as_it_goes_out_is_withheld() {
    let cases = [(1500, 500, Capabilities::NONE), (9000, 8000, Capabilities::new(Offload::TX_CHECKSUM, 0))];
    for (mtu, len, capabilities) in cases {
        let clock = Clock::default();
        clock.set(Instant::from_secs(1000));
        let ip: &'static MockIp = Box::leak(Box::new(MockIp::new(&clock, 1)));
        ip.mtu.set(mtu);
        ip.capabilities.set(capabilities);
        let tcp = Rc::new(Tcp::connect(ip, &mut random(1)));
        let listener = Listener::<2>::with_capacity();
        let speak = || {
            tcp.poll(clock.now(), Waker::noop());
            take(ip)
        };
        // With an MSS of 8960.
        Raw::new(SYN, 1000, 0).options(&[2, 4, 35, 0]).input(&tcp, Some(&listener));
        let next = speak()[0].seq.wrapping_add(1);
        Raw::new(ACK, 1001, next).input(&tcp, Some(&listener));
        let Poll::Ready(mut flow) = once(listener.accept(&tcp)) else { panic!("nothing to accept") };
        assert_eq!(once(flow.write(&vec![7; len])), Poll::Ready(Ok(len)));
        assert_eq!(speak().len(), 1);
        let (before, gathered) = (tcp.statistics(), ip.gathered.get());
        let weak = Rc::downgrade(&tcp);
        let acknowledgement = Raw::new(ACK, 1001, next.wrapping_add(len as u32));
        *ip.on_write.borrow_mut() = Some(Box::new(move || {
            acknowledgement.input(&weak.upgrade().unwrap(), None);
        }));
        clock.set(clock.now() + SECOND);
        assert_eq!(speak(), []);
        *ip.on_write.borrow_mut() = None;
        assert_eq!(ip.gathered.get() - gathered, u64::from(len > 4096));
        let statistics = tcp.statistics();
        assert_eq!((statistics.withheld, statistics.sent), (1, before.sent), "{mtu}");
        assert_eq!(statistics.retransmitted, before.retransmitted);
        assert_eq!(flow.info().map(|info| info.outstanding), Some(0));
        flow.abort();
    }
}
