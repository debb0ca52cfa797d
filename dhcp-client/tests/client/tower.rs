//! The client over the real layers, with a server over the same, on one
//! switch in virtual time.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use dhcp_client::message::{Message, MessageType};
use dhcp_client::server::Server;
use dhcp_client::{Check, Dhcp, Options, StateName};
use ethif::Ethif;
use ipv4::Ipv4;
use netif_memory::{Heap, Port, Settings, Simulator, Switch, VirtualClock};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use traits::{Console, Datagrams, Endpoint, Instant, Ip, Layer, Network, Receive, Time};
use udpv4::{Socket, Udp};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 101);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

type Net<'a> = Port<'a, &'a VirtualClock, 3, Heap>;

struct Silent;

impl Console for Silent {
    fn write(&self, _: &[u8]) {}
}

/// All at once, for ever.
async fn all(mut futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    poll_fn(|context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        Poll::<()>::Pending
    })
    .await
}

struct World {
    clock: VirtualClock,
    server: RefCell<Server<4>>,
    /// What the server was sent.
    heard: RefCell<Vec<MessageType>>,
    deaf: Cell<bool>,
}

impl World {
    fn new() -> Self {
        Self {
            clock: VirtualClock::new(),
            server: RefCell::new(Server::new(SERVER, FIRST, MASK, Duration::from_secs(1000))),
            heard: RefCell::default(),
            deaf: Cell::new(false),
        }
    }

    fn count(&self, kind: MessageType) -> usize {
        self.heard.borrow().iter().filter(|each| **each == kind).count()
    }

    /// The host with the server.
    async fn serve(&self, net: Net<'_>) {
        let e = Ethif::connect(&net);
        let i = Ipv4::<_, 1, 1_500, 8, 8>::with_capacity(&e);
        i.set_ipv4(SERVER);
        i.set_ipv4_netmask(MASK);
        let udp = Udp::connect(&i);
        let socket = Socket::new();
        let packets = async {
            let _ = net
                .listen(|frame| {
                    e.input(
                        frame,
                        ethif::listeners().ipv4(|p| {
                            i.input(
                                p,
                                ipv4::listeners().udp(|d| {
                                    udp.input(d, |port| (port == 67).then_some(&socket as &dyn Receive));
                                }),
                            )
                        }),
                    )
                })
                .await;
        };
        let answers = async {
            loop {
                let (mut question, mut answer) = ([0; 1500], [0; 1000]);
                let got = socket.recv(&mut question).await;
                let question = &question[..got.len];
                if self.deaf.get() {
                    continue;
                }
                self.heard.borrow_mut().push(Message::parse(question).unwrap().kind());
                let reply = self.server.borrow_mut().handle(self.clock.now(), question, &mut answer).unwrap();
                if let Some(reply) = reply {
                    let endpoint = Endpoint::new(67, SocketAddrV4::new(reply.to, 68));
                    udp.write(endpoint, reply.len, |buffer| {
                        buffer.copy_from_slice(&answer[..reply.len]);
                        reply.len
                    })
                    .unwrap();
                }
            }
        };
        let tower = async {
            let _ = udp.run(&&self.clock).await;
        };
        all(vec![Box::pin(packets), Box::pin(answers), Box::pin(tower)]).await;
    }

    /// A host that takes an address for itself at a time.
    async fn neighbour(&self, net: Net<'_>, address: Ipv4Addr, from: Instant) {
        let e = Ethif::connect(&net);
        let i = Ipv4::<_, 1, 1_500, 8, 8>::with_capacity(&e);
        let packets = async {
            let _ = net
                .listen(|frame| e.input(frame, ethif::listeners().ipv4(|p| i.input(p, ipv4::listeners()))))
                .await;
        };
        let begin = async {
            self.clock.sleep_until(from).await;
            i.set_ipv4(address);
            i.set_ipv4_netmask(MASK);
        };
        let tower = async {
            let _ = i.run(&&self.clock).await;
        };
        all(vec![Box::pin(packets), Box::pin(begin), Box::pin(tower)]).await;
    }
}

/// Runs the client's tower beside the server's, and calls `script` with what
/// lets time pass.
fn run(
    world: &World,
    options: Options,
    neighbour: Option<(Ipv4Addr, Instant)>,
    script: impl FnOnce(&dyn ClientView, &mut dyn FnMut(u64)),
) {
    let switch = Switch::<&VirtualClock, 3, Heap>::by_address(
        &world.clock,
        Settings::new().with_delay(Duration::from_millis(1)),
    );
    let [a, b, c] = switch.ports();
    let e = Ethif::connect(&a);
    let i = Ipv4::<_, 1, 1_500, 8, 8>::with_capacity(&e);
    let udp = Udp::connect(&i);
    let dhcp =
        Dhcp::create(Silent, &world.clock, ChaCha8Rng::seed_from_u64(3), &e, &i, &udp).with_options(options);
    let packets = async {
        let _ = a
            .listen(|frame| {
                e.input(
                    frame,
                    ethif::listeners().ipv4(|p| {
                        i.input(p, ipv4::listeners().udp(|d| udp.input(d, |port| dhcp.listen(port))))
                    }),
                )
            })
            .await;
    };
    let tower = async {
        let _ = udp.run(&&world.clock).await;
    };
    let client = async {
        let _ = dhcp.run().await;
    };
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> =
        vec![Box::pin(packets), Box::pin(tower), Box::pin(client), Box::pin(world.serve(b))];
    if let Some((address, from)) = neighbour {
        tasks.push(Box::pin(world.neighbour(c, address, from)));
    }
    let release = Cell::new(false);
    let view = View { dhcp: &dhcp, ip: &i, release: &release };
    tasks.push(Box::pin(async {
        loop {
            world.clock.sleep(Duration::from_millis(500)).await;
            if release.take() {
                dhcp.release().await;
            }
        }
    }));
    let mut everything = pin!(all(tasks));
    let mut simulator = Simulator::new(&world.clock).with_polls_per_instant(1000);
    script(&view, &mut |secs| {
        assert!(simulator.run_until(everything.as_mut(), Instant::from_secs(secs)).unwrap().is_pending());
    });
}

/// What a script may ask the client.
trait ClientView {
    fn state(&self) -> StateName;
    fn leased(&self) -> Option<Ipv4Addr>;
    fn address(&self) -> Option<Ipv4Addr>;
    fn statistics(&self) -> dhcp_client::Statistics;
    fn release(&self);
}

struct View<'a, D, I> {
    dhcp: &'a D,
    ip: &'a I,
    release: &'a Cell<bool>,
}

impl<C, T, R, E, I, U, J> ClientView for View<'_, Dhcp<C, T, R, E, I, U>, J>
where
    C: Console,
    T: Time,
    R: rand_core::Rng,
    E: traits::Ethernet,
    I: Ip,
    U: Datagrams,
    J: Ip,
{
    fn state(&self) -> StateName {
        self.dhcp.state()
    }
    fn leased(&self) -> Option<Ipv4Addr> {
        self.dhcp.lease().map(|lease| lease.address)
    }
    fn address(&self) -> Option<Ipv4Addr> {
        self.ip.get_ipv4()
    }
    fn statistics(&self) -> dhcp_client::Statistics {
        self.dhcp.statistics()
    }
    fn release(&self) {
        self.release.set(true);
    }
}

#[test]
fn bound_renewed_and_released() {
    let world = World::new();
    run(&world, Options::new(), None, |client, until| {
        until(2);
        assert_eq!(client.state(), StateName::Bound);
        assert_eq!((client.leased(), client.address()), (Some(FIRST), Some(FIRST)));
        until(10_000);
        assert!(client.statistics().renewed >= 18);
        assert_eq!(client.statistics().bound, 1);
        assert_eq!(client.address(), Some(FIRST));
        client.release();
        until(10_010);
        assert_eq!((client.state(), client.address()), (StateName::Stopped, None));
        assert_eq!(world.count(MessageType::Release), 1);
        assert_eq!(world.server.borrow().leases(world.clock.now()).count(), 0);
    });
}

#[test]
fn the_lease_ends_with_its_server_and_begins_with_it() {
    let world = World::new();
    run(&world, Options::new(), None, |client, until| {
        until(10);
        world.deaf.set(true);
        until(999);
        assert_eq!((client.state(), client.address()), (StateName::Rebinding, Some(FIRST)));
        until(1005);
        assert_eq!((client.state(), client.address()), (StateName::Selecting, None));
        until(2000);
        world.deaf.set(false);
        until(2100);
        assert_eq!((client.state(), client.address()), (StateName::Bound, Some(FIRST)));
    });
}

#[test]
fn rebound_by_broadcast() {
    let world = World::new();
    run(&world, Options::new(), None, |client, until| {
        until(10);
        world.deaf.set(true);
        until(876);
        assert_eq!(client.state(), StateName::Rebinding);
        world.deaf.set(false);
        until(999);
        assert_eq!(client.state(), StateName::Bound);
        assert_eq!(client.statistics().bound, 1);
    });
}

#[test]
fn a_refusal_on_renewal_takes_the_address() {
    let world = World::new();
    run(&world, Options::new(), None, |client, until| {
        until(10);
        world.server.borrow_mut().refuses = true;
        until(502);
        assert_eq!((client.leased(), client.address()), (None, None));
        assert!(client.statistics().naks >= 1);
        world.server.borrow_mut().refuses = false;
        until(600);
        assert_eq!(client.address(), Some(FIRST));
    });
}

#[test]
fn a_neighbour_with_the_address_is_found_by_both_checks() {
    for check in [Check::Quick, Check::Full] {
        let world = World::new();
        let neighbour = Some((FIRST, Instant::ZERO));
        run(&world, Options::new().check(check), neighbour, |client, until| {
            until(40);
            assert_eq!(world.count(MessageType::Decline), 1);
            assert_eq!((client.state(), client.address()), (StateName::Bound, Some(SECOND)));
        });
    }
}

#[test]
fn nobody_has_the_address_by_both_checks() {
    for (check, before, after) in [(Check::Quick, 0, 1), (Check::Full, 3, 8)] {
        let world = World::new();
        run(&world, Options::new().check(check), None, |client, until| {
            until(before);
            assert_eq!(client.address(), None);
            until(after);
            assert_eq!(client.address(), Some(FIRST));
            assert_eq!(client.statistics().declined, 0);
        });
    }
}

#[test]
fn two_hosts_that_take_the_address_later_do_not_share_it() {
    let world = World::new();
    let neighbour = Some((FIRST, Instant::from_secs(100)));
    run(&world, Options::new(), neighbour, |client, until| {
        until(90);
        assert_eq!(client.address(), Some(FIRST));
        until(300);
        // Either the client defended its address, or it declined and has
        // another by now.
        let declined = client.statistics().declined;
        assert_eq!(world.count(MessageType::Decline) as u64, declined);
        let expected = if declined == 0 { FIRST } else { SECOND };
        assert_eq!(client.address(), Some(expected));
    });
}

#[test]
fn a_remembered_address_is_confirmed_in_one_exchange() {
    let world = World::new();
    run(&world, Options::new().remembered(SECOND), None, |client, until| {
        until(2);
        assert_eq!(client.address(), Some(SECOND));
        assert_eq!(world.count(MessageType::Discover), 0);
    });
}
