//! A device that is detached and attached, and a backend that comes and goes,
//! as tool stacks and Linux do it.

mod common;

use std::pin::pin;
use std::time::Duration;

use common::*;
use netif_memory::VirtualClock;
use netif_xen_netfront::simulation::{Attachment, Device, World};
use netif_xen_netfront::{DomainId, Netfront};
use traits::{Layer, MacAddr, Network, SendError, TxMeta};

const STUB: DomainId = DomainId(3);

async fn passes(clock: &VirtualClock, front: &Front<'_, '_>, device: &Device<'_, Clock<'_>>) {
    device.set_state(4);
    let mut queues = device.queues().expect("written");
    queues[0].put_rx(&[1; 60], 0, 0).expect("a page");
    queues[0].publish();
    assert_eq!(listen_for(clock, front, SHORT).await.len(), 1);
    front.write(TxMeta::NONE, 60, |buffer| buffer.len()).unwrap();
    assert!(queues[0].take_tx().is_some());
}

#[test]
fn it_waits_for_a_device_that_is_attached_later() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    let device = Device::new(&world, DOM0, GUEST, 0);
    {
        let mut connect = pin!(Netfront::connect(world.guest(GUEST), 0));
        assert!(poll_once(connect.as_mut()).is_pending());
        device.attach(&Attachment::default());
        assert!(poll_once(connect.as_mut()).is_pending());
        device.offer(&Attachment::default());
        assert!(poll_once(connect.as_mut()).is_ready());
    }
    assert_eq!(device.frontend_state(), 4);
}

#[test]
fn detached_and_attached_again_with_another_address() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        passes(&clock, &front, &device).await;
        let granted = world.granted();
        // As `xl network-detach` has it.
        device.set_online(false);
        device.set_state(5);
        listen_for(&clock, &front, SHORT).await;
        assert_eq!(device.frontend_state(), 6, "closed");
        assert_eq!(front.write(TxMeta::NONE, 60, |_| panic!("filled")), Err(SendError::Down));
        device.set_state(6);
        listen_for(&clock, &front, SHORT).await;
        assert_eq!(device.frontend_state(), 6, "not woken up again");
        device.remove();
        listen_for(&clock, &front, Duration::from_secs(100)).await;

        let again = Attachment { mac: "00:16:3e:00:00:02".into(), mtu: Some(1400), ..Attachment::default() };
        device.attach(&again);
        listen_for(&clock, &front, SHORT).await;
        device.offer(&again);
        listen_for(&clock, &front, SHORT).await;
        assert_eq!(device.frontend_state(), 4);
        assert_eq!((front.mac(), front.mtu()), (MacAddr([0, 0x16, 0x3e, 0, 0, 2]), 1400));
        passes(&clock, &front, &device).await;
        assert_eq!(world.granted(), granted, "the same pages");
    });
}

#[test]
fn moved_to_another_domain() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        let granted = world.granted();
        // Dies without a word.
        device.remove();
        listen_for(&clock, &front, SHORT).await;
        assert!(!front.is_up());
        let other = Device::new(&world, STUB, GUEST, 0);
        other.attach(&Attachment::default());
        other.offer(&Attachment::default());
        listen_for(&clock, &front, SHORT).await;
        passes(&clock, &front, &other).await;
        assert_eq!(world.granted(), granted, "what the other domain had is revoked");
    });
}

#[test]
fn unloaded_and_loaded() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        for _ in 0..10 {
            passes(&clock, &front, &device).await;
            device.set_state(6);
            listen_for(&clock, &front, SHORT).await;
            assert_eq!(device.frontend_state(), 1, "initialising");
            listen_for(&clock, &front, Duration::from_secs(1)).await;
            device.set_state(2);
            listen_for(&clock, &front, SHORT).await;
            assert_eq!(device.frontend_state(), 4);
        }
        passes(&clock, &front, &device).await;
        assert_eq!(front.counters().connections, 11);
        assert_eq!(world.open_ports(), 2);
    });
}

#[test]
fn a_backend_that_begins_anew_without_a_word() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        passes(&clock, &front, &device).await;
        // Linux's, unbound and bound again, was connected and offers itself:
        // it takes the rings over as they are...
        device.set_state(2);
        listen_for(&clock, &front, SHORT).await;
        assert_eq!((device.frontend_state(), front.counters().connections), (4, 1));
        let requested = device.queues().unwrap()[0].rx.requested();
        assert!(requested > 0, "not made anew under its hands");
        passes(&clock, &front, &device).await;
        // ... or fails.
        device.set_state(2);
        device.set_state(5);
        listen_for(&clock, &front, SHORT).await;
        assert_eq!(device.frontend_state(), 6);
        device.set_state(6);
        listen_for(&clock, &front, SHORT).await;
        assert_eq!(device.frontend_state(), 1);
        device.set_state(2);
        listen_for(&clock, &front, SHORT).await;
        passes(&clock, &front, &device).await;
    });
}

#[test]
fn rings_are_made_anew_only_when_nobody_may_take_them() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        passes(&clock, &front, &device).await;
        // The backend is gone for a while, the frontend's nodes are not.
        world.store_remove(&device.directory());
        listen_for(&clock, &front, SHORT).await;
        assert_eq!((front.is_up(), device.frontend_state()), (false, 4));
        device.set_online(true);
        device.offer(&Attachment::default());
        listen_for(&clock, &front, SHORT).await;
        assert_eq!(device.frontend_state(), 5, "withdrawn first");
        for (backend, frontend) in [(5, 6), (6, 1), (2, 4)] {
            device.set_state(backend);
            listen_for(&clock, &front, SHORT).await;
            assert_eq!(device.frontend_state(), frontend);
        }
        passes(&clock, &front, &device).await;
    });
}

#[test]
fn features_that_change_meanwhile() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<2>(&world, &Attachment::default(), few()).await.unwrap();
        let granted = world.granted();
        assert_eq!((front.queues(), front.capabilities().gso_max_size), (2, 4 * 4096));
        device.set_state(6);
        listen_for(&clock, &front, SHORT).await;
        device.offer(&Attachment::default().with("multi-queue-max-queues", 1).with("feature-gso-tcpv4", 0));
        listen_for(&clock, &front, SHORT).await;
        assert_eq!((front.queues(), front.capabilities().gso_max_size), (1, 0));
        assert!(world.granted() < granted);
    });
}

#[test]
fn a_state_that_means_nothing_is_waited_for() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        for state in [0, 9, 7, 8, 77] {
            device.set_state(state);
            let before = world.store_requests();
            listen_for(&clock, &front, Duration::from_secs(100)).await;
            assert!(!front.is_up());
            assert!(world.store_requests() - before < 20, "asked again and again");
        }
        // It may be one that takes the rings over: not while they are made anew.
        for (backend, frontend) in [(2, 5), (5, 6), (6, 1), (2, 4)] {
            device.set_state(backend);
            listen_for(&clock, &front, SHORT).await;
            assert_eq!(device.frontend_state(), frontend);
        }
        passes(&clock, &front, &device).await;
    });
}

#[test]
fn whoever_waits_for_room_is_woken_when_the_backend_goes() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        while front.write(TxMeta::NONE, 1514, |buffer| buffer.len()).is_ok() {}
        let wait = async {
            std::future::poll_fn(|context| front.poll_room(context.waker())).await;
            front.write(TxMeta::NONE, 60, |_| panic!("filled"))
        };
        let go = async {
            device.set_state(6);
            listen_for(&clock, &front, SHORT).await;
        };
        let (result, ()) = embassy_futures::join::join(wait, go).await;
        assert_eq!(result, Err(SendError::Down));
    });
}

#[test]
fn disconnected_by_the_user() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        let listen = listen_for(&clock, &front, SHORT);
        let end = async { front.disconnect() };
        embassy_futures::join::join(listen, end).await;
        assert_eq!(device.frontend_state(), 6);
        assert_eq!(front.write(TxMeta::NONE, 60, |_| panic!("filled")), Err(SendError::Down));
        assert_eq!(world.open_ports(), 0);
        drop(front);
        assert_eq!(world.granted(), 0);
    });
}

#[test]
fn a_listener_dropped_at_any_moment_of_a_reconnection() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        world.set_latency(Duration::from_millis(1));
        for millis in 1..60 {
            device.set_state(6);
            listen_for(&clock, &front, Duration::from_millis(millis)).await;
            if device.frontend_state() == 1 {
                device.set_state(2);
            }
        }
        device.set_state(6);
        listen_for(&clock, &front, Duration::from_secs(5)).await;
        device.set_state(2);
        listen_for(&clock, &front, Duration::from_secs(5)).await;
        assert!(front.is_up());
        world.set_latency(Duration::ZERO);
        passes(&clock, &front, &device).await;
    });
}
