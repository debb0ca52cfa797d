//! What the two ends tell each other in xenstore, and what a connection needs.

mod common;

use std::time::Duration;

use common::*;
use netif_memory::VirtualClock;
use netif_xen_netfront::simulation::{Attachment, Device, World};
use netif_xen_netfront::{ConnectError, Options};
use traits::{Network, Time, TxMeta};

#[test]
fn a_connection_takes_few_round_trips() {
    for (options, requests) in [(Options::new(), 19), (Options::new().with_one_channel(), 17)] {
        let clock = VirtualClock::new();
        let world = World::new(&clock);
        run(&clock, async {
            let (_front, device, _) = by_hand::<1>(&world, &Attachment::default(), options).await.unwrap();
            assert_eq!(device.frontend_state(), 4);
        });
        assert_eq!(world.store_requests(), requests);
    }
}

#[test]
fn a_backend_is_in_the_domain_of_its_directory_or_in_the_one_that_is_named() {
    for (path, named, open) in [
        ("/local/domain/0/backend/vif/5/0", None, true),
        ("/local/domain/0/backend/vif/5/0", Some("9"), true),
        ("/elsewhere/vif/5/0", Some("0"), true),
        ("/elsewhere/vif/5/0", None, false),
    ] {
        let clock = VirtualClock::new();
        let world = World::new(&clock);
        run(&clock, async {
            let device = Device::new(&world, DOM0, GUEST, 0);
            let attachment = Attachment::default();
            device.attach(&attachment);
            device.offer(&attachment);
            world.store_write(&format!("{}/backend", device.frontend()), path);
            world.store_remove(&format!("{}/backend-id", device.frontend()));
            if let Some(named) = named {
                world.store_write(&format!("{}/backend-id", device.frontend()), named);
            }
            for (name, value) in &attachment.features {
                world.store_write(&format!("{path}/{name}"), &value.to_string());
            }
            world.store_write(&format!("{path}/state"), "2");
            let connect = Front::<1>::connect_with(world.guest(GUEST), 0, few());
            let connected = embassy_futures::select::select(connect, clock.sleep(SHORT)).await;
            match connected {
                embassy_futures::select::Either::First(front) => {
                    assert!(open && front.is_ok(), "{path} {named:?}");
                    assert!(device.queues().is_some(), "granted to domain 0");
                }
                embassy_futures::select::Either::Second(()) => assert!(!open, "{path} {named:?}"),
            }
        });
    }
}

#[test]
fn settings_of_the_tool_stack() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let set = Attachment { mac: "00:16:3e:12:34:56".into(), mtu: Some(1400), ..Attachment::default() };
        let (front, device, queues) = by_hand::<1>(&world, &set, Options::new()).await.unwrap();
        assert_eq!(front.mac().to_string(), "00:16:3e:12:34:56");
        assert_eq!(front.mtu(), 1400);
        assert_ne!(queues[0].tx_port, queues[0].rx_port, "split");
        for name in ["request-rx-copy", "feature-rx-notify", "feature-sg", "feature-gso-tcpv4"] {
            assert_eq!(device.frontend_number(name), Some(1), "{name}");
        }
        assert_eq!(device.frontend_number("feature-no-csum-offload"), None, "a missing node says no");
    });
}

#[test]
fn one_channel_where_two_are_not_offered_or_not_wanted() {
    for (attachment, options) in [
        (Attachment::default().without("feature-split-event-channels"), Options::new()),
        (Attachment::default(), Options::new().with_one_channel()),
    ] {
        let clock = VirtualClock::new();
        let world = World::new(&clock);
        run(&clock, async {
            let (_front, device, queues) = by_hand::<1>(&world, &attachment, options).await.unwrap();
            assert_eq!(queues[0].tx_port, queues[0].rx_port);
            assert_eq!(device.frontend_number("event-channel-tx"), None);
            assert_eq!(world.open_ports(), 1);
        });
    }
}

#[test]
fn several_queues_where_offered() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let offer = Attachment::default().with("multi-queue-max-queues", 2);
        let (front, device, mut queues) = by_hand::<4>(&world, &offer, few()).await.unwrap();
        assert_eq!((front.queues(), queues.len()), (2, 2));
        assert_eq!(device.frontend_number("multi-queue-num-queues"), Some(2));
        assert_eq!(device.frontend_number("tx-ring-ref"), None);
        // Frames of many flows use both, those of one flow one.
        for port in 0..8 {
            let mut frame = tcp_frame(60);
            frame[34] = port;
            for _ in 0..2 {
                front
                    .write(TxMeta::NONE, 60, |buffer| {
                        buffer.copy_from_slice(&frame);
                        60
                    })
                    .unwrap();
                for queue in &mut queues {
                    while let Some(request) = queue.take_tx() {
                        queue.answer_tx(request.id.get(), 0);
                    }
                    queue.publish();
                }
            }
        }
        assert!(queues.iter().all(|queue| queue.tx.consumed > 0 && queue.tx.consumed % 2 == 0));
        assert_eq!(queues.iter().map(|queue| queue.tx.consumed).sum::<u32>(), 16);
        // Both are listened to.
        for queue in &mut queues {
            queue.put_rx(&tcp_frame(60), 0, 0).unwrap();
            queue.publish();
        }
        assert_eq!(listen_for(&clock, &front, SHORT).await.len(), 2);
    });
}

#[test]
fn what_a_backend_must_have() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let error =
            by_hand::<1>(&world, &Attachment::default().without("feature-rx-copy"), few()).await.unwrap_err();
        assert_eq!(error, ConnectError::NoCopy);
        let bad = Attachment { mac: "ff:ff:ff:ff:ff:ff".into(), ..Attachment::default() };
        assert_eq!(by_hand::<1>(&world, &bad, few()).await.unwrap_err(), ConnectError::NoMac);
    });
}

#[test]
fn memory_and_ports_that_run_out() {
    for (grants, ports) in [(0, 9), (4, 9), (5, 9), (6, 9), (13, 9), (14, 0), (14, 1)] {
        let clock = VirtualClock::new();
        let world = World::new(&clock);
        world.set_limits(grants, ports);
        let result = run(&clock, by_hand::<1>(&world, &Attachment::default(), few()));
        assert_eq!(result.map(|_| ()).unwrap_err(), ConnectError::Exhausted);
        assert_eq!((world.granted(), world.open_ports()), (0, 0), "all given back");
    }
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    // Four pages to send from, eight to receive into, two rings.
    world.set_limits(14, 2);
    assert!(run(&clock, by_hand::<1>(&world, &Attachment::default(), few())).is_ok());
}

#[test]
fn a_slow_xenstore_and_a_connection_given_up_half_way() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    world.set_latency(Duration::from_millis(1));
    for millis in 1..30 {
        run(&clock, async {
            let attachment = Attachment::default();
            let connect = by_hand::<1>(&world, &attachment, few());
            embassy_futures::select::select(connect, clock.sleep(Duration::from_millis(millis))).await;
        });
        assert_eq!((world.granted(), world.open_ports()), (0, 0), "{millis}");
    }
}
