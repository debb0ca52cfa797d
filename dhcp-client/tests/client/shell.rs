//! The client with layers, time and a console around it.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use crate::common::world::World;
use crate::common::*;
use dhcp_client::message::{Message, MessageType};
use dhcp_client::{Check, Options, StateName};
use traits::{Cidr, Instant};

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn kind(bytes: &[u8]) -> MessageType {
    Message::parse(bytes).unwrap().kind()
}

#[test]
fn listens_on_port_68_only() {
    let world = World::new();
    let client = world.client(Options::new());
    assert!(client.listen(68).is_some());
    assert!(client.listen(67).is_none());
}

#[test]
fn discover_to_bound() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(2));
    assert_eq!(client.state(), StateName::Bound);
    assert_eq!(world.configured.borrow().addresses, [Cidr::new(ADDRESS, 24)]);
    assert_eq!(world.configured.borrow().gateways, [SERVER]);
    assert_eq!(world.configurations.get(), 1);
    assert_eq!(client.lease().unwrap().address, ADDRESS);
    let log = world.log.borrow();
    let expected = "DHCP: discover\n\
                    DHCP: offer 10.0.0.50 from 10.0.0.1\n\
                    DHCP: bound 10.0.0.50/24 for 1000 s\n";
    assert_eq!(log.as_str(), expected);
}

#[test]
fn renews_without_touching_the_layer() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(5000));
    assert!(client.statistics().renewed >= 8);
    assert_eq!(world.configurations.get(), 1);
}

#[test]
fn a_change_on_renewal_is_set() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(10));
    world.server.borrow_mut().as_mut().unwrap().template().mtu = Some(1400);
    world.run(&client, run.as_mut(), at(600));
    assert_eq!(world.configured.borrow().mtu, Some(1400));
    assert_eq!(world.address(), Some(ADDRESS));
    assert_eq!(world.configurations.get(), 2);
}

#[test]
fn the_address_goes_with_the_lease() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(10));
    *world.server.borrow_mut() = None;
    world.run(&client, run.as_mut(), at(1000));
    assert_eq!(world.address(), Some(ADDRESS));
    world.run(&client, run.as_mut(), at(1002));
    assert_eq!(world.address(), None);
    assert_eq!(client.state(), StateName::Selecting);
    assert!(world.log.borrow().contains("DHCP: lease of 10.0.0.50 expired\n"));
}

#[test]
fn leases_are_a_watch() {
    let world = World::new();
    let client = world.client(Options::new());
    let seen = Cell::new(0);
    let watch = async {
        let mut leases = client.leases();
        loop {
            let lease = leases.next().await;
            assert_eq!(lease.address, ADDRESS);
            seen.set(seen.get() + 1);
        }
    };
    let mut both = pin!(join(client.run(), watch));
    world.run(&client, both.as_mut(), at(10));
    assert_eq!(seen.get(), 1);
    world.run(&client, both.as_mut(), at(2100));
    assert_eq!(seen.get(), 1 + client.statistics().renewed);
}

#[test]
fn a_late_watcher_sees_the_lease_in_force_and_then_its_end() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(10));
    let mut leases = client.leases();
    {
        let mut changed = pin!(leases.changed());
        assert!(world.settle(&client, changed.as_mut()).unwrap().is_some());
    }
    *world.server.borrow_mut() = None;
    world.run(&client, run.as_mut(), at(1100));
    let mut changed = pin!(leases.changed());
    assert_eq!(world.settle(&client, changed.as_mut()), Some(None));
}

#[test]
fn states_are_watched() {
    let world = World::new();
    let client = world.client(Options::new());
    let mut leases = client.leases();
    let seen = std::cell::RefCell::new(Vec::new());
    let watch = async {
        loop {
            let state = leases.state().await;
            seen.borrow_mut().push(state);
        }
    };
    let mut both = pin!(join(client.run(), watch));
    world.run(&client, both.as_mut(), at(510));
    assert_eq!(seen.borrow().last(), Some(&StateName::Bound));
    assert!(seen.borrow().contains(&StateName::Checking));
}

#[test]
fn inform_keeps_the_address_and_adds_the_rest() {
    let world = World::new();
    *world.server.borrow_mut() = None;
    let own = Cidr::new([10, 0, 0, 200].into(), 24);
    let client = world.client(Options::new().inform(own));
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(1));
    assert_eq!(world.configured.borrow().addresses, [own]);
    assert!(world.configured.borrow().gateways.is_empty());
    *world.server.borrow_mut() = World::new().server.take();
    world.run(&client, run.as_mut(), at(10));
    assert_eq!(client.state(), StateName::Informed);
    assert_eq!(world.configured.borrow().addresses, [own]);
    assert_eq!(world.configured.borrow().gateways, [SERVER]);
}

#[test]
fn a_dropped_task_goes_on_where_it_was() {
    let world = World::new();
    let client = world.client(Options::new());
    {
        let mut run = pin!(client.run());
        world.run(&client, run.as_mut(), at(10));
    }
    let mut run = pin!(client.run());
    world.run(&client, run.as_mut(), at(3000));
    assert_eq!(client.statistics().bound, 1);
    assert!(client.statistics().renewed >= 4);
}

#[derive(Default)]
struct Count(std::sync::atomic::AtomicUsize);

impl std::task::Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn who_waits_is_woken_once() {
    let world = World::new();
    let client = world.client(Options::new().check(Check::None));
    let counts: [std::sync::Arc<Count>; 2] = Default::default();
    let woken = || counts.each_ref().map(|count| count.0.swap(0, std::sync::atomic::Ordering::Relaxed));
    let wakers = counts.each_ref().map(|count| std::task::Waker::from(count.clone()));
    let mut leases = client.leases();
    let mut watch = pin!(leases.next());
    let mut run = pin!(client.run());
    let mut poll_run = || {
        let _ = run.as_mut().poll(&mut std::task::Context::from_waker(&wakers[0]));
    };
    let answer = || {
        let (_, bytes) = world.take_sent().unwrap();
        let mut buffer = [0; 600];
        let mut server = world.server.borrow_mut();
        let reply = server.as_mut().unwrap().handle(world.now.get(), &bytes, &mut buffer).unwrap().unwrap();
        let to = std::net::SocketAddrV4::new(reply.to, 68);
        let receiver = client.listen(68).unwrap();
        receiver.receive(traits::Datagram::new("10.0.0.1:67".parse().unwrap(), to, &buffer[..reply.len]));
    };
    assert!(watch.as_mut().poll(&mut std::task::Context::from_waker(&wakers[1])).is_pending());
    poll_run();
    // DISCOVER is sent in the first pass; the state is news to watchers.
    assert_eq!(woken(), [0, 1]);
    assert!(watch.as_mut().poll(&mut std::task::Context::from_waker(&wakers[1])).is_pending());
    // What concerns others wakes nobody.
    let stray = message(&header(0, ADDRESS), MessageType::Offer, &said(SERVER, 100));
    let to = "255.255.255.255:68".parse().unwrap();
    let datagram = traits::Datagram::new("10.0.0.1:67".parse().unwrap(), to, &stray);
    client.listen(68).unwrap().receive(datagram);
    assert_eq!((woken(), client.statistics().rx_other_exchange), ([0, 0], 1));
    answer();
    assert_eq!(woken(), [1, 0]);
    poll_run();
    assert_eq!(woken(), [0, 1]);
    assert!(watch.as_mut().poll(&mut std::task::Context::from_waker(&wakers[1])).is_pending());
    answer();
    assert_eq!(woken(), [1, 0]);
    poll_run();
    assert_eq!(woken(), [0, 1]);
    assert!(watch.as_mut().poll(&mut std::task::Context::from_waker(&wakers[1])).is_ready());
    assert_eq!(client.state(), StateName::Bound);
}

#[test]
fn layers_may_be_shared_by_rc() {
    use rand_core::SeedableRng;
    use std::rc::Rc;
    let world = Rc::new(World::new());
    let random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let client =
        dhcp_client::Dhcp::create(&*world, &*world, random, world.clone(), world.clone(), world.clone());
    let mut run = pin!(client.run());
    let _ = run.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert_eq!(kind(&world.take_sent().unwrap().1), MessageType::Discover);
}

#[test]
fn deadlines_are_slept_for() {
    let world = World::new();
    *world.server.borrow_mut() = None;
    let client = world.client(Options::new());
    let mut run = pin!(client.run());
    world.settle(&client, run.as_mut());
    let next = world.next.get().unwrap().duration_since(world.now.get());
    assert!(next >= Duration::from_secs(3) && next <= Duration::from_secs(5));
}

use std::future::Future;

/// Both at once, for ever.
async fn join(a: impl Future, b: impl Future) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    std::future::poll_fn(|context| {
        let _ = a.as_mut().poll(context);
        let _ = b.as_mut().poll(context);
        std::task::Poll::<()>::Pending
    })
    .await
}
