//! The whole client without a heap: an allocator that panics.

#[path = "client/common/mod.rs"]
mod common;

use std::pin::pin;

use common::world::World;
use common::{ADDRESS, MAC, NONE, SERVER};
use dhcp_client::{Options, StateName};
use traits::{Instant, MacAddr};

#[test]
fn a_lease_from_begin_to_end() {
    let world = World::new();
    test_allocator::forbid();
    let options = Options::new().hostname("fata").unwrap();
    let client = world.client(options);
    let mut run = pin!(client.run());
    world.neighbour.set(Some((ADDRESS, MacAddr([2, 0, 0, 0, 0, 7]))));
    world.run(&client, run.as_mut(), Instant::from_secs(5));
    world.neighbour.set(Some((SERVER, MAC)));
    world.run(&client, run.as_mut(), Instant::from_secs(5000));
    let mut leases = client.leases();
    let lease = {
        let mut next = pin!(leases.next());
        world.settle(&client, next.as_mut()).unwrap()
    };
    assert_ne!(lease.address, NONE);
    *world.server.borrow_mut() = None;
    world.run(&client, run.as_mut(), Instant::from_secs(9000));
    let ended = client.lease().is_none();
    {
        let mut release = pin!(client.release());
        world.settle(&client, release.as_mut());
    }
    let state = client.state();
    test_allocator::allow();
    assert!(ended && state == StateName::Stopped);
    assert!(client.statistics().renewed > 5);
    assert_eq!(client.statistics().declined, 1);
}

#[test]
fn it_stays_small() {
    // The machine holds one lease, the shell what it set.
    assert!(size_of::<dhcp_client::Lease>() <= 3000, "{}", size_of::<dhcp_client::Lease>());
    assert!(size_of::<common::world::Client<'_>>() <= 6000, "{}", size_of::<common::world::Client<'_>>());
}
