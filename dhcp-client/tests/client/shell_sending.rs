//! What the client sends through layers, and what becomes of it where they
//! refuse.

use std::net::Ipv4Addr;
use std::pin::pin;

use crate::common::world::World;
use crate::common::*;
use dhcp_client::message::{Message, MessageType};
use dhcp_client::{Options, StateName};
use traits::{Instant, MacAddr, SendError};

const NEIGHBOUR: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn kind(bytes: &[u8]) -> MessageType {
    Message::parse(bytes).unwrap().kind()
}

#[test]
fn renewals_are_sent_to_the_server_from_the_address() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(10));
    *world.server.borrow_mut() = None;
    // T1, then T2.
    for (end, to) in [(510, SERVER), (880, Ipv4Addr::BROADCAST)] {
        world.now.set(at(end));
        let _ = run.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        let (endpoint, bytes) = world.take_sent().unwrap();
        assert_eq!((*endpoint.dst.ip(), endpoint.source), (to, Some(ADDRESS)));
        assert_eq!((endpoint.source_port, endpoint.dst.port()), (68, 67));
        assert_eq!(kind(&bytes), MessageType::Request);
    }
}

#[test]
fn a_full_device_is_waited_for() {
    let world = World::new();
    world.refuse.set(Some(SendError::Full));
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(2));
    assert_eq!(client.statistics().tx_messages, 0);
    assert!(!world.room.is_empty());
    world.refuse.set(None);
    world.room.wake();
    world.run(&client, run.as_mut(), at(3));
    // Without waiting for the retransmission.
    assert_eq!(client.state(), StateName::Bound);
}

#[test]
fn other_errors_wait_for_the_retransmission() {
    let world = World::new();
    world.refuse.set(Some(SendError::Down));
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(2));
    assert_eq!(client.statistics().tx_failed, 1);
    world.refuse.set(None);
    world.run(&client, run.as_mut(), at(3));
    assert_eq!(client.state(), StateName::Selecting);
    world.run(&client, run.as_mut(), at(8));
    assert_eq!(client.state(), StateName::Bound);
}

#[test]
fn release_says_so_from_the_address_and_takes_it_away() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(10));
    world.neighbour.set(Some((SERVER, NEIGHBOUR)));
    let server = world.server.take();
    let mut release = pin!(client.release());
    // `settle` would give it to the server.
    let done = release.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(done.is_ready());
    let (endpoint, bytes) = world.take_sent().unwrap();
    assert_eq!(kind(&bytes), MessageType::Release);
    assert_eq!((*endpoint.dst.ip(), endpoint.source), (SERVER, Some(ADDRESS)));
    assert_eq!((world.address(), client.lease()), (None, None));
    *world.server.borrow_mut() = server;
    world.run(&client, run.as_mut(), at(5000));
    assert_eq!(client.state(), StateName::Stopped);
    client.restart();
    world.run(&client, run.as_mut(), at(5010));
    assert_eq!(client.state(), StateName::Bound);
}

#[test]
fn release_does_not_wait_for_ever() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(10));
    let mut release = pin!(client.release());
    assert!(world.settle(&client, release.as_mut()).is_none());
    assert!(world.run(&client, release.as_mut(), at(11)).is_some());
    assert_eq!(world.address(), None);
}

#[test]
fn a_release_on_a_full_device_keeps_the_address_until_it_is_sent() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(10));
    world.neighbour.set(Some((SERVER, NEIGHBOUR)));
    world.refuse.set(Some(SendError::Full));
    let mut release = pin!(client.release());
    assert!(world.settle(&client, release.as_mut()).is_none());
    assert_eq!(world.address(), Some(ADDRESS));
    world.refuse.set(None);
    assert!(world.settle(&client, release.as_mut()).is_some());
    assert_eq!(world.address(), None);
    assert_eq!(kind(&world.take_sent().unwrap().1), MessageType::Release);
}
