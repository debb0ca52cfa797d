//! Connections that are over.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::Waker;
use std::time::Duration;

use crate::net;
use crate::net::raw::{ACK, FIN, PEER, RST, Raw, SYN};
use crate::net::{Net, SECOND, speak, with_limits};
use tcpv4::{Flow, Limits, Listener, Storage};
use traits::Ip;

/// Accepts, then closes at once.
async fn close<I: Ip, S: Storage>(mut flow: Flow<'_, I, S>) {
    let _ = flow.close().await;
}

/// A connection from `port` whose last acknowledgement brings host `a` into
/// TIME-WAIT; the sequence numbers that are next on both sides.
fn enter<S: Storage>(net: &Net<'_, S>, port: u16) -> (u32, u32) {
    let listener = Listener::<2>::with_capacity();
    let raw = |flags, seq, ack| Raw::new(flags, seq, ack).from(PEER, port);
    raw(SYN, 1000, 0).input(net.a(), Some(&listener));
    let iss = speak(net)[0].seq;
    raw(ACK, 1001, iss + 1).input(net.a(), Some(&listener));
    let mut server = std::pin::pin!(async { close(listener.accept(net.a()).await).await });
    let mut poll = || {
        let mut context = std::task::Context::from_waker(Waker::noop());
        server.as_mut().poll(&mut context)
    };
    assert!(poll().is_pending());
    let fin = speak(net);
    assert_eq!((fin[0].flags & FIN, fin[0].seq), (FIN, iss + 1));
    raw(FIN | ACK, 1001, iss + 2).input(net.a(), Some(&listener));
    assert!(poll().is_ready());
    let last = speak(net);
    assert_eq!((last.len(), last[0].flags, last[0].ack), (1, ACK, 1002));
    (1002, iss + 2)
}

on_both! {
    fn an_entry_takes_over_and_expires(net) {
        enter(net, 5000);
        let usage = net.a().usage();
        assert_eq!((usage.connections, usage.time_wait), (0, 1));
        net.clock.set(net.clock.now() + SECOND * 60);
        assert_eq!(speak(net), []);
        assert_eq!(net.a().usage().time_wait, 0);
        Raw::new(ACK, 1002, 5).input(net.a(), None);
        assert_eq!(speak(net)[0].flags, RST, "forgotten");
    }

    fn the_last_acknowledgement_is_repeated_for_a_fin_that_comes_again(net) {
        let (seq, ack) = enter(net, 5000);
        net.clock.set(net.clock.now() + SECOND * 50);
        Raw::new(FIN | ACK, seq - 1, ack).input(net.a(), None);
        let [answer] = &speak(net)[..] else { panic!() };
        assert_eq!((answer.flags, answer.seq, answer.ack), (ACK, ack, seq));
        Raw::new(FIN | ACK, seq - 1, ack).input(net.a(), None);
        assert_eq!(speak(net), std::slice::from_ref(answer), "whoever says it again has not heard it");
        Raw::new(ACK, seq - 100, ack).input(net.a(), None);
        assert_eq!(speak(net), std::slice::from_ref(answer));
        Raw::new(ACK, seq - 100, ack).input(net.a(), None);
        assert_eq!(speak(net), [], "an old acknowledgement: twice a second at most");
        net.clock.set(net.clock.now() + SECOND * 59);
        speak(net);
        assert_eq!(net.a().usage().time_wait, 1, "the time starts again");
        net.clock.set(net.clock.now() + SECOND);
        speak(net);
        assert_eq!(net.a().usage().time_wait, 0);
    }

    fn one_that_is_renewed_does_not_hold_up_the_others(net) {
        let (seq, ack) = enter(net, 1);
        enter(net, 2);
        net.clock.set(net.clock.now() + SECOND * 30);
        Raw::new(FIN | ACK, seq - 1, ack).from(PEER, 1).input(net.a(), None);
        assert_eq!(speak(net).len(), 1);
        net.clock.set(net.clock.now() + SECOND * 30);
        speak(net);
        assert_eq!(net.a().usage().time_wait, 1);
        net.clock.set(net.clock.now() + SECOND * 30);
        speak(net);
        assert_eq!(net.a().usage().time_wait, 0);
    }

    /// RFC 1337.
    fn a_reset_does_not_end_it(net) {
        let (seq, ack) = enter(net, 5000);
        Raw::new(RST, seq, ack).input(net.a(), None);
        assert_eq!((net.a().usage().time_wait, speak(net).len()), (1, 0));
        assert_eq!(net.a().statistics().stray, 1);
    }

    /// RFC 6191, RFC 1122 §4.2.2.13.
    fn a_new_syn_takes_the_tuple_over(net) {
        let (seq, ack) = enter(net, 5000);
        let listener = Listener::<2>::with_capacity();
        Raw::new(SYN, seq - 10, 0).input(net.a(), Some(&listener));
        let [old] = &speak(net)[..] else { panic!() };
        assert_eq!((old.flags, old.ack), (ACK, seq), "an old one is not believed");
        Raw::new(SYN, seq + 5, 0).input(net.a(), Some(&listener));
        let [answer] = &speak(net)[..] else { panic!() };
        assert_eq!((answer.flags, answer.ack), (SYN | ACK, seq + 6));
        assert!(answer.seq.wrapping_sub(ack) > 65_535, "beyond all that the old one used");
        assert_eq!((net.a().usage().time_wait, net.a().usage().half_open), (0, 1));
        assert_eq!(net.a().statistics().time_wait_reused, 1);
    }

    /// The same while something is left to read: that stays.
    fn a_new_syn_takes_over_what_was_not_read(net) {
        let listener = Listener::<2>::with_capacity();
        Raw::new(SYN, 1000, 0).input(net.a(), Some(&listener));
        let iss = speak(net)[0].seq;
        Raw::new(ACK, 1001, iss + 1).input(net.a(), Some(&listener));
        let mut context = std::task::Context::from_waker(Waker::noop());
        let mut accept = std::pin::pin!(listener.accept(net.a()));
        let std::task::Poll::Ready(mut flow) = accept.as_mut().poll(&mut context) else { panic!() };
        {
            let mut close = std::pin::pin!(flow.close());
            assert!(close.as_mut().poll(&mut context).is_pending());
            speak(net);
            Raw::new(FIN | ACK, 1001, iss + 2).payload(b"last").input(net.a(), Some(&listener));
            assert!(close.as_mut().poll(&mut context).is_ready());
        }
        speak(net);
        assert_eq!((net.a().usage().connections, net.a().usage().time_wait), (1, 0));
        // Nobody takes it: nothing changes.
        Raw::new(SYN, 5000, 0).input(net.a(), None);
        assert_eq!(speak(net), []);
        Raw::new(SYN, 900, 0).input(net.a(), Some(&listener));
        let [challenge] = &speak(net)[..] else { panic!() };
        assert_eq!((challenge.flags, challenge.ack), (ACK, 1006), "an old one is not believed");
        Raw::new(SYN, 5000, 0).input(net.a(), Some(&listener));
        let [answer] = &speak(net)[..] else { panic!() };
        assert_eq!((answer.flags, answer.ack), (SYN | ACK, 5001));
        assert!(answer.seq.wrapping_sub(iss) > 65_535, "beyond all that the old one used");
        assert_eq!(net.a().statistics().time_wait_reused, 1);
        Raw::new(ACK, 5001, answer.seq + 1).input(net.a(), Some(&listener));
        assert_eq!(listener.len(), 1);
        let mut read = [0; 10];
        let std::task::Poll::Ready(read_len) = std::pin::pin!(flow.read(&mut read)).as_mut().poll(&mut context) else { panic!() };
        assert_eq!(read_len, Ok(4));
        drop(flow);
        assert_eq!(speak(net), []);
        assert_eq!(net.a().usage().connections, 1, "the new one");
        listener.clear(net.a());
        speak(net);
    }

    fn a_new_syn_to_a_closed_port_is_refused_and_changes_nothing(net) {
        let (seq, _) = enter(net, 5000);
        Raw::new(SYN, seq + 5, 0).input(net.a(), None);
        assert_eq!(speak(net)[0].flags, RST | ACK);
        assert_eq!(net.a().usage().time_wait, 1);
    }

    fn connect_and_close_over_and_over(net) {
        let listener = Listener::<4>::with_capacity();
        let b = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
        let client = async {
            for _ in 0..500 {
                let mut flow = net.a().create_connection(b).await.unwrap();
                flow.write_all(b"x").await.unwrap();
                flow.close().await.unwrap();
                assert_eq!(flow.read(&mut [0; 10]).await, Ok(0));
            }
        };
        let server = listener.serve(net.b(), async |mut flow: Flow<'_, _, _>| {
            while flow.read(&mut [0; 10]).await != Ok(0) {}
            flow.close().await.unwrap();
        });
        let mut session = net.session().listen(1, 80, &listener).background(server).spawn(client);
        assert!(session.run_for(SECOND * 100), "{:?}", net.a().statistics());
        assert_eq!(net.b().usage().time_wait, 0);
    }
}

#[test]
fn the_oldest_makes_room() {
    let mut limits = Limits::default();
    limits.time_wait = 3;
    with_limits(limits, |net| {
        for port in 1..=5 {
            enter(net, port);
        }
        assert_eq!(net.a().usage().time_wait, 3);
        assert_eq!(net.a().statistics().time_wait_evicted, 2);
        Raw::new(ACK, 1002, 5).from(PEER, 2).input(net.a(), None);
        assert_eq!(speak(net)[0].flags, RST);
    });
}

/// RFC 6191 from this side: when all ports towards a peer are in TIME-WAIT,
/// the tuples are used again after a second.
#[test]
fn ports_in_time_wait_are_used_again() {
    net::with_heap(|net| {
        let listener = Listener::<4>::with_capacity();
        let b = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
        net.link.set(net::Link { delay: Duration::ZERO, ..net::Link::CLEAN });
        let client = async {
            for n in 0..28_300 {
                let mut flow = match net.a().create_connection(b).await {
                    Ok(flow) => flow,
                    Err(error) => {
                        assert_eq!((error, n), (traits::ConnectError::PortsExhausted, 28_232));
                        net.sleep(SECOND * 2).await;
                        net.a().create_connection(b).await.unwrap()
                    }
                };
                flow.close().await.unwrap();
                assert_eq!(flow.read(&mut [0; 10]).await, Ok(0));
            }
        };
        let server = listener.serve(net.b(), async |mut flow: Flow<'_, _, _>| {
            assert_eq!(flow.read(&mut [0; 10]).await, Ok(0));
            flow.close().await.unwrap();
        });
        let mut session = net.session().listen(1, 80, &listener).background(server).spawn(client);
        assert!(session.run_for(SECOND * 30), "{:?}", net.a().statistics());
        assert_eq!(net.a().statistics().time_wait_reused, 68);
        assert_eq!(net.a().statistics().retransmitted, 0);
    });
}
