//! Whether somebody else has the address: checks before it is used, and claims
//! after.

use std::pin::pin;

use crate::common::world::World;
use crate::common::*;
use dhcp_client::{Check, Options, StateName};
use traits::{Cidr, Conflict, Instant, MacAddr};

const NEIGHBOUR: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

#[test]
fn a_quick_check_finds_the_neighbour() {
    let world = World::new();
    world.neighbour.set(Some((ADDRESS, NEIGHBOUR)));
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(2));
    assert_eq!(world.address(), None);
    assert_eq!(client.statistics().declined, 1);
    assert!(world.log.borrow().contains("DHCP: 10.0.0.50 is in use by another host\n"));
    // Ten seconds later, the server gives another.
    world.run(&client, run.as_mut(), at(12));
    assert_eq!(world.address(), Some([10, 0, 0, 51].into()));
}

#[test]
fn a_quick_check_that_nobody_answers_takes_300_ms() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), Instant::from_millis(1299));
    assert_eq!(world.address(), None);
    world.run(&client, run.as_mut(), Instant::from_millis(1300));
    assert_eq!(world.address(), Some(ADDRESS));
}

#[test]
fn a_neighbour_given_up_is_none() {
    let world = World::new();
    world.unresolved.set(true);
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(1));
    assert_eq!(world.address(), Some(ADDRESS));
}

#[test]
fn the_full_check_probes() {
    let world = World::new();
    let client = world.client(Options::new().check(Check::Full));
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(5));
    assert_eq!(world.address(), None);
    world.run(&client, run.as_mut(), at(6));
    assert_eq!(world.address(), Some(ADDRESS));
    assert_eq!(world.probes.get(), 1);
}

#[test]
fn a_full_check_that_finds_somebody() {
    let world = World::new();
    world.neighbour.set(Some((ADDRESS, NEIGHBOUR)));
    let client = world.client(Options::new().check(Check::Full));
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(30));
    assert_eq!(world.address(), Some([10, 0, 0, 51].into()));
    assert_eq!(world.probes.get(), 2);
}

#[test]
fn a_conflict_takes_the_address_away() {
    let world = World::new();
    let client = world.client(Options::new().check(Check::None));
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(10));
    world.conflict.set(Some(Conflict { address: ADDRESS, other: NEIGHBOUR }));
    world.run(&client, run.as_mut(), at(11));
    assert_eq!(world.address(), None);
    world.run(&client, run.as_mut(), at(30));
    assert_eq!(world.address(), Some([10, 0, 0, 51].into()));
}

/// A fixed address is the user's: whoever claims it gets it not.
#[test]
fn a_conflict_over_a_fixed_address_leaves_it() {
    let world = World::new();
    let own = Cidr::new([10, 0, 0, 200].into(), 24);
    let client = world.client(Options::new().inform(own));
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(10));
    let claim = |address| world.conflict.set(Some(Conflict { address, other: NEIGHBOUR }));
    claim(own.address());
    world.run(&client, run.as_mut(), at(11));
    assert_eq!((client.state(), world.address()), (StateName::Informed, Some(own.address())));
    assert_eq!(world.added.take(), Some(own.address()));
    // One that the IPv4 layer does not have is nobody's.
    claim(ADDRESS);
    world.run(&client, run.as_mut(), at(12));
    assert_eq!(world.added.take(), None);
}
