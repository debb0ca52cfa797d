//! Clients and a server made of the same parts, on a link that loses, delays
//! and doubles.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;
use std::time::Duration;

use dhcp_client::machine::Machine;
use dhcp_client::server::Server;
use dhcp_client::{Check, Options, StateName};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use traits::{Instant, MacAddr};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// Arrival, a number that keeps the order total, to the server or not, bytes.
type Flying = (Instant, u64, bool, Vec<u8>);

struct World<const N: usize> {
    now: Instant,
    random: ChaCha8Rng,
    clients: Vec<Machine>,
    options: Options,
    server: Option<Server<N>>,
    link: BinaryHeap<Reverse<Flying>>,
    sent: u64,
    /// In percent.
    loss: u32,
}

impl<const N: usize> World<N> {
    fn new(seed: u64, clients: u8, loss: u32, length: Duration) -> Self {
        let options = Options::new().check(if seed.is_multiple_of(2) { Check::Quick } else { Check::None });
        let clients = (0..clients).map(|n| Machine::new(MacAddr([2, 0, 0, 0, 0, n]), &options));
        Self {
            now: Instant::from_secs(1),
            random: ChaCha8Rng::seed_from_u64(seed),
            clients: clients.collect(),
            options,
            server: Some(Server::new(SERVER, FIRST, MASK, length)),
            link: BinaryHeap::new(),
            sent: 0,
            loss,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.next_u32() % 100 < percent
    }

    fn send(&mut self, to_server: bool, bytes: &[u8]) {
        let copies = 1 + usize::from(self.chance(5));
        for _ in 0..copies {
            if self.chance(self.loss) {
                continue;
            }
            let delay = Duration::from_micros(u64::from(self.random.next_u32() % 20_000));
            let late = if self.chance(2) { Duration::from_secs(5) } else { Duration::ZERO };
            self.sent += 1;
            self.link.push(Reverse((self.now + delay + late, self.sent, to_server, bytes.to_vec())));
        }
    }

    /// One thing happens: a message arrives or a timeout comes.
    fn step(&mut self) -> bool {
        let arrival = self.link.peek().map(|Reverse((at, ..))| *at);
        let timeout = self.clients.iter().filter_map(Machine::next_timeout).min();
        let Some(next) = arrival.into_iter().chain(timeout).min() else { return false };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let Some(Reverse((_, _, to_server, bytes))) = self.link.pop() else { return false };
            self.deliver(to_server, &bytes);
        }
        for n in 0..self.clients.len() {
            self.clients[n].handle_timeout(self.now, &mut self.random);
            self.flush(n);
        }
        self.check();
        true
    }

    /// Sends what a client wants sent.
    fn flush(&mut self, n: usize) {
        while let Some(transmit) = self.clients[n].transmit() {
            self.clients[n].sent(true);
            let mut buffer = [0; 548];
            let mac = MacAddr([2, 0, 0, 0, 0, n as u8]);
            let len = transmit.write(mac, 1500, &self.options, &mut buffer).unwrap();
            self.send(true, &buffer[..len]);
        }
    }

    fn deliver(&mut self, to_server: bool, bytes: &[u8]) {
        if to_server {
            let mut buffer = [0; 1000];
            let Some(server) = &mut self.server else { return };
            if let Some(reply) = server.handle(self.now, bytes, &mut buffer).unwrap() {
                self.send(false, &buffer[..reply.len]);
            }
        } else {
            // A broadcast: everybody hears it.
            for client in &mut self.clients {
                client.handle_datagram(self.now, bytes, &mut self.random);
            }
        }
    }

    /// No two clients use an address at a time, and the server knows of each.
    fn check(&self) {
        let mut used: Vec<_> = self.clients.iter().filter_map(Machine::lease).map(|l| l.address).collect();
        let all = used.len();
        used.sort();
        used.dedup();
        assert_eq!(used.len(), all);
        for (n, client) in self.clients.iter().enumerate() {
            if let Some(lease) = client.lease() {
                assert!(lease.expires_at().is_none_or(|at| at > self.now));
                let mac = MacAddr([2, 0, 0, 0, 0, n as u8]);
                if let Some(server) = &self.server {
                    assert!(server.leases(self.now).any(|known| known == (mac, lease.address)));
                }
            }
        }
    }

    fn all_bound(&self) -> bool {
        self.clients.iter().all(|client| client.lease().is_some())
    }

    fn run_until(&mut self, end: Instant, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            assert!(self.now < end, "not done by {end:?}: {:?}", self.states());
            assert!(self.step());
        }
    }

    fn states(&self) -> Vec<StateName> {
        self.clients.iter().map(Machine::state).collect()
    }
}

#[test]
fn two_clients_get_two_addresses_in_a_thousand_worlds() {
    for seed in 0..1000 {
        let mut world = World::<2>::new(seed, 2, 30, Duration::from_secs(3600));
        println!("seed {seed}");
        world.run_until(Instant::from_secs(3000), World::all_bound);
    }
}

#[test]
fn leases_are_kept_for_days() {
    for seed in 0..20 {
        let mut world = World::<8>::new(seed, 5, 10, Duration::from_secs(1800));
        println!("seed {seed}");
        world.run_until(Instant::from_secs(600), World::all_bound);
        let before: Vec<_> = world.clients.iter().map(|c| c.lease().unwrap().address).collect();
        let end = world.now + Duration::from_secs(2 * 86_400);
        while world.now < end {
            world.step();
        }
        world.run_until(end + Duration::from_secs(600), World::all_bound);
        let after: Vec<_> = world.clients.iter().map(|c| c.lease().unwrap().address).collect();
        assert_eq!(before, after);
        assert!(world.clients.iter().all(|c| c.statistics().renewed > 90));
    }
}

#[test]
fn a_server_that_forgets_and_one_that_is_gone() {
    for seed in 0..50 {
        let mut world = World::<4>::new(seed, 3, 10, Duration::from_secs(1800));
        println!("seed {seed}");
        world.run_until(Instant::from_secs(600), World::all_bound);
        // Gone: the leases end.
        let server = world.server.take();
        world.run_until(world.now + Duration::from_secs(2000), |world| {
            world.clients.iter().all(|client| client.lease().is_none())
        });
        // Back, and refusing everything.
        world.server = server;
        world.server.as_mut().unwrap().refuses = true;
        let end = world.now + Duration::from_secs(500);
        while world.now < end {
            world.step();
            assert!(world.clients.iter().all(|client| client.lease().is_none()));
        }
        assert!(world.clients.iter().all(|client| client.statistics().naks > 2));
        // In its right mind again.
        world.server.as_mut().unwrap().refuses = false;
        world.run_until(world.now + Duration::from_secs(600), World::all_bound);
    }
}

#[test]
fn a_pool_that_is_empty_gives_what_comes_free() {
    let mut world = World::<2>::new(4, 3, 0, Duration::from_secs(600));
    let end = world.now + Duration::from_secs(300);
    while world.now < end {
        world.step();
    }
    let bound = |world: &World<2>| world.clients.iter().filter(|c| c.lease().is_some()).count();
    assert_eq!(bound(&world), 2);
    let first = world.clients.iter().position(|c| c.lease().is_some()).unwrap();
    let now = world.now;
    world.clients[first].release(now, &mut world.random);
    world.flush(first);
    world.run_until(now + Duration::from_secs(300), |world| {
        (0..3).filter(|n| *n != first).all(|n| world.clients[n].lease().is_some())
    });
}

#[test]
fn a_declined_address_is_not_given_again() {
    let mut world = World::<4>::new(6, 1, 0, Duration::from_secs(600));
    world.run_until(Instant::from_secs(60), World::all_bound);
    let taken = world.clients[0].lease().unwrap().address;
    let now = world.now;
    world.clients[0].handle_conflict(now, taken, &mut world.random);
    world.flush(0);
    world.run_until(now + Duration::from_secs(60), World::all_bound);
    assert_ne!(world.clients[0].lease().unwrap().address, taken);
}
