//! The stack that plays a host, with the applications that the host had.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use fata::prelude::*;
use fata::tcpv4::{Flow, Storage};
use fata::traits::{Datagrams, Endpoint, Header, Instant, Ip, Protocol, WakerSet};
use futures_util::future::join_all;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::Options;
use super::report::State;
use super::script::{Connection, Moment, Script};

/// The generators of a tower, one for each layer, so that what one layer
/// draws does not change what the others do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Generators(
    /// The seed.
    pub u64,
);

impl Generators {
    fn generator(self, layer: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0.wrapping_mul(8).wrapping_add(layer))
    }

    /// Ethernet's.
    pub fn ethernet(self) -> ChaCha8Rng {
        self.generator(1)
    }

    /// IPv4's.
    pub fn ip(self) -> ChaCha8Rng {
        self.generator(2)
    }

    /// TCP's.
    pub fn tcp(self) -> ChaCha8Rng {
        self.generator(3)
    }

    /// The DHCP client's.
    pub fn dhcp(self) -> ChaCha8Rng {
        self.generator(4)
    }
}

/// How the tower is set up.
#[derive(Debug)]
pub(super) struct Setup<'a> {
    pub(super) address: Option<Cidr>,
    pub(super) options: &'a Options,
    pub(super) script: Script,
    /// How many frames have arrived.
    pub(super) arrived: Rc<Progress>,
}

impl Setup<'_> {
    async fn until(&self, time: &impl Time, moment: Moment) {
        time.sleep_until(moment.at).await;
        self.arrived.reach(moment.frames as u32).await;
    }

    fn takes_connections(&self, port: u16) -> bool {
        self.options.tcp.contains(&port) || self.script.listens(port)
    }

    fn takes_datagrams(&self, port: u16) -> bool {
        let sends = || self.script.datagrams.iter().any(|(_, from, ..)| *from == port);
        if self.options.udp.is_empty() {
            !self.script.closed.contains(&port)
        } else {
            self.options.udp.contains(&port) || sends()
        }
    }
}

/// A console that shows nothing.
struct Nowhere;

impl Console for Nowhere {
    fn write(&self, _: &[u8]) {}
}

/// Runs the tower over `net` until `end`, and says what is left.
pub(super) async fn run<N: Network, T: Time>(
    time: &T,
    net: &N,
    setup: &Setup<'_>,
    end: Instant,
) -> Result<State, N::Error> {
    let Options { gateways, generators, limits, settings, .. } = setup.options;
    let e = Ethif::connect(net).seeded(&mut generators.ethernet());
    let i = Ipv4::connect_with(&e, &mut generators.ip());
    if let Some(address) = setup.address.filter(|_| !setup.script.leased) {
        i.configure(&Config { addresses: &[address], gateways, ..Config::default() });
    }
    let udp = Udp::connect(&i);
    let tcp = Tcp::connect_with_limits(&i, &mut generators.tcp(), *limits);
    tcp.set_settings(*settings);
    let dhcp = Dhcp::create(&Nowhere, time, generators.dhcp(), &e, &i, &udp);
    let (listener, sink) = (Listener::new(), udpv4::callback(|_| ()));

    let packets = net.listen(|frame| {
        let tcp_port = |port| setup.takes_connections(port).then_some(&listener as _);
        let udp_port = |port| match dhcp.listen(port).filter(|_| setup.script.dhcp) {
            None => setup.takes_datagrams(port).then_some(&sink as _),
            dhcp => dhcp,
        };
        let labels =
            || ipv4::listeners().tcp(|s| tcp.input(s, tcp_port)).udp(|d| udp.input(d, udp_port)).icmp(|_| ());
        e.input(frame, ethif::listeners().ipv4(|p| i.input(p, labels())));
    });
    let used = RefCell::new(vec![false; setup.script.connections.len()]);
    let passive = listener.serve(&tcp, async |flow| {
        let script = take(&setup.script, &used, &flow);
        follow(time, setup, flow, script).await;
    });
    let lease = async { if setup.script.dhcp { dhcp.run().await } else { pending().await } };
    let applications =
        async { join!(open(time, setup, &tcp), send(time, setup, &udp), ping(time, setup, &i)).0 };
    let tower = async {
        match try_join!(packets, passive, applications, lease, tcp.run(time)) {
            Ok(never) => match never {},
            Err(error) => Err(error),
        }
    };
    let finished = async {
        time.sleep_until(end).await;
        let dhcp = setup.script.dhcp.then(|| (dhcp.state(), dhcp.statistics()));
        Ok(State::of(time.now(), &e, &i, &udp, &tcp, dhcp))
    };
    race!(tower, finished)
}

/// Opens the connections that the host opened.
async fn open<I: Ip, S: Storage, E>(time: &impl Time, setup: &Setup<'_>, tcp: &Tcp<I, S>) -> Result<Never, E> {
    let opened = setup.script.connections.iter().filter_map(|script| Some((script.opened?, script)));
    join_all(opened.map(async |(moment, script)| {
        setup.until(time, moment).await;
        if let Ok(flow) = tcp.create_connection(script.peer).await {
            follow(time, setup, flow, Some(script)).await;
        }
    }))
    .await;
    pending().await
}

/// Sends the datagrams that the host sent. What can't be sent shows in the
/// comparison.
async fn send(time: &impl Time, setup: &Setup<'_>, udp: &impl Datagrams) {
    for (moment, port, dst, data) in &setup.script.datagrams {
        setup.until(time, *moment).await;
        let _ = udp.write(Endpoint::new(*port, *dst), data.len(), |buffer| fill(buffer, data));
    }
}

/// Sends the echo requests that the host sent.
async fn ping(time: &impl Time, setup: &Setup<'_>, ip: &impl Ip) {
    for (moment, dst, message) in &setup.script.pings {
        setup.until(time, *moment).await;
        let header = Header::new(*dst, Protocol::ICMP);
        let _ = ip.write(header, Default::default(), message.len(), |buffer| fill(buffer, message));
    }
}

fn fill(buffer: &mut [u8], bytes: &[u8]) -> usize {
    buffer.copy_from_slice(bytes);
    bytes.len()
}

/// The script of a connection that a peer opened: the first that fits.
fn take<'s, I: Ip, S: Storage>(
    script: &'s Script,
    used: &RefCell<Vec<bool>>,
    flow: &Flow<'_, I, S>,
) -> Option<&'s Connection> {
    let (peer, mut used) = (flow.dest(), used.borrow_mut());
    let mut passive = script.connections.iter().zip(used.iter_mut()).filter(|(c, _)| c.opened.is_none());
    let (connection, taken) = passive.find(|(c, taken)| c.peer == peer && !**taken)?;
    *taken = true;
    Some(connection)
}

/// Does with a connection what was done with it; without a script, reads it
/// to its end and closes it.
async fn follow<I: Ip, S: Storage>(
    time: &impl Time,
    setup: &Setup<'_>,
    flow: Flow<'_, I, S>,
    script: Option<&Connection>,
) {
    let (mut reader, mut writer) = flow.split();
    let progress = Progress::default();
    let read = async {
        let mut buffer = vec![0; 64 * 1024];
        let pause = setup.options.pause;
        loop {
            if !pause.is_zero() {
                time.sleep(pause).await;
            }
            let Ok(len @ 1..) = reader.read(&mut buffer).await else { break };
            progress.advance(len as u32);
        }
        progress.advance(u32::MAX);
    };
    let Some(script) = script else {
        read.await;
        let _ = writer.close().await;
        return;
    };
    let write = async {
        for (moment, bytes) in &script.writes {
            setup.until(time, *moment).await;
            progress.reach(moment.received).await;
            if writer.write_all(bytes).await.is_err() {
                return;
            }
        }
        match script.closed {
            Some(moment) => {
                setup.until(time, moment).await;
                progress.reach(moment.received).await;
            }
            // Held until the end: dropping it would close it.
            None => pending().await,
        }
        let _ = writer.close().await;
    };
    join!(read, write);
}

/// How much has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    reached: Cell<u32>,
    waiting: WakerSet<4>,
}

impl Progress {
    pub(super) fn advance(&self, by: u32) {
        self.reached.set(self.reached.get().saturating_add(by));
        self.waiting.wake();
    }

    async fn reach(&self, wanted: u32) {
        poll_fn(|context| {
            self.waiting.register(context.waker());
            if self.reached.get() >= wanted { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
