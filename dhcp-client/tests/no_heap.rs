//! The whole client without a heap: an allocator that panics.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::pin;

use common::world::World;
use common::{ADDRESS, MAC, NONE, SERVER};
use dhcp_client::{Options, StateName};
use traits::{Instant, MacAddr};

thread_local! {
    /// The test harness allocates in other threads.
    static FORBIDDEN: Cell<bool> = const { Cell::new(false) };
}

struct Guarded;

// SAFETY: everything is the system's allocator's.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if FORBIDDEN.get() {
            FORBIDDEN.set(false);
            panic!("allocated {} bytes", layout.size());
        }
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Guarded = Guarded;

#[test]
fn a_lease_from_begin_to_end() {
    let world = World::new();
    FORBIDDEN.set(true);
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
    FORBIDDEN.set(false);
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
