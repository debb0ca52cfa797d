//! Towers on a switch.

use std::cell::Cell;
use std::io::Write;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use fata::os;
use fata::prelude::*;
use fata::tcpv4::congestion::Algorithm;
use fata::tcpv4::connection::Settings;
use fata::tcpv4::{Storage, Usage};
use fata::traits::Instant;
use futures_util::future::try_join_all;
use netif_faults::{Faults, Impairments};
use netif_memory::{Simulator, Switch, VirtualClock};
use netif_pcap::{Capture, Recorder};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::scenario::{HOSTS, Scenario};

/// A clock with a place for each sleep of all hosts.
pub(crate) type Clock = VirtualClock<64>;

const ECHO: u16 = 7;

/// What became of a scenario that came to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) ended: Instant,
    /// Segments sent again, by all together.
    pub(crate) retransmitted: u64,
    /// Packets marked on their way.
    pub(crate) marked: u64,
}

/// The layers of a host, as they are on a small machine.
type SmallEthif<N> = Ethif<N, 8, 4>;
type SmallIpv4<E> = Ipv4<E, 1, 2048>;

/// What a host says of itself.
#[derive(Default)]
struct Known {
    /// What it remembers, once it has done what it has to.
    usage: Cell<Option<Usage>>,
    retransmitted: Cell<u64>,
    marked: Cell<u64>,
    /// A frame came that is for a hardware address that nobody has: a bit error in an
    /// answer of ARP, which has no checksum, leads all astray that go by it.
    has_seen_astray: Cell<bool>,
}

/// What may become of an exchange.
enum Trouble {
    /// The connection failed.
    Failed(String),
    /// What came is not what was sent.
    Wrong(String),
}

const fn address(host: usize) -> Cidr {
    Cidr::new(Ipv4Addr::new(10, 0, 0, host as u8 + 1), 24)
}

fn generator(scenario: &Scenario, host: usize, salt: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(scenario.seed.wrapping_mul(64).wrapping_add(host as u64 * 8 + salt))
}

fn settings(scenario: &Scenario) -> Settings {
    let mut settings = Settings::default();
    settings.receive_limit = scenario.receive_limit;
    settings.send_limit = scenario.send_limit;
    (settings.ecn, settings.nodelay) = scenario.options;
    settings.congestion = if scenario.seed.is_multiple_of(4) { Algorithm::NewReno } else { Algorithm::Cubic };
    settings
}

/// Runs one host: the first echoes what comes until its peer has closed, the
/// others do their exchange with it. All end once nobody remembers anything.
async fn host<N: Network>(
    net: &N,
    clock: &Clock,
    scenario: &Scenario,
    number: usize,
    known: &[Known],
) -> Result<(), String> {
    let e = SmallEthif::with_capacity(net).seeded(&mut generator(scenario, number, 1));
    let i = SmallIpv4::with_capacity(&e);
    i.seed(&mut generator(scenario, number, 2));
    i.configure(&Config { addresses: &[address(number)], ..Config::default() });
    let tcp = Tcp::connect(&i, &mut generator(scenario, number, 3));
    tcp.set_settings(settings(scenario));
    let echo = Listener::new();
    let own = known.get(number).ok_or("no such host")?;
    let packets = net.listen(|frame| {
        if !is_for_some(frame.bytes, scenario.hosts) {
            own.has_seen_astray.set(true);
        }
        let accepts = |port| (number == 0 && port == ECHO).then_some(&echo as _);
        e.input(
            frame,
            ethif::listeners().ipv4(|p| i.input(p, ipv4::listeners().tcp(|s| tcp.input(s, accepts)))),
        );
    });
    let serve = echo.serve(&tcp, async |mut flow| {
        let mut buffer = [0; 3000];
        while let Ok(len @ 1..) = flow.read(&mut buffer).await {
            if flow.write_all(&buffer[..len]).await.is_err() {
                return;
            }
        }
        let _ = flow.close().await;
    });
    let work = async {
        if number > 0 {
            match exchange(&tcp, scenario, number).await {
                Ok(()) => {}
                Err(Trouble::Failed(_)) if known.iter().any(|known| known.has_seen_astray.get()) => {}
                Err(Trouble::Failed(error) | Trouble::Wrong(error)) => {
                    return Err(format!("host {number}: {error}"));
                }
            }
        }
        loop {
            own.usage.set(Some(tcp.usage()));
            own.retransmitted.set(tcp.statistics().retransmitted);
            clock.sleep(Duration::from_secs(1)).await;
            if known.iter().all(|known| known.usage.get() == Some(Usage::default())) {
                return Ok(());
            }
        }
    };
    let tower = async {
        match os::try_join!(packets, serve, tcp.run(clock)) {
            Ok(never) => match never {},
            Err::<Never, N::Error>(error) => Err(error.to_string()),
        }
    };
    os::race!(tower, work)
}

/// Whether a frame's destination is a host's address, or one of many hosts.
fn is_for_some(frame: &[u8], hosts: usize) -> bool {
    match frame {
        [2, 0, 0, 0, 0, number, ..] => (1..=hosts).contains(&usize::from(*number)),
        [first, ..] => first & 1 == 1,
        [] => false,
    }
}

/// Sends the stream of a client and takes it back.
async fn exchange<I: fata::traits::Ip, S: Storage>(
    tcp: &Tcp<I, S>,
    scenario: &Scenario,
    client: usize,
) -> Result<(), Trouble> {
    // A handshake may well fail on such a link; a user tries again.
    let mut tries = 0;
    let flow = loop {
        match tcp.create_connection(SocketAddrV4::new(address(0).address(), ECHO)).await {
            Ok(flow) => break flow,
            Err(error) if tries == 5 => return Err(Trouble::Failed(format!("connect: {error}"))),
            Err(_) => tries += 1,
        }
    };
    let (mut reader, mut writer) = flow.split();
    let send = async {
        let mut random = generator(scenario, client, 4);
        let mut sent = 0;
        while sent < scenario.len {
            let most = (1 + random.next_u32() as usize % 5000).min(scenario.len - sent);
            let piece: Vec<_> = (sent..sent + most).map(|at| scenario.byte(client, at)).collect();
            writer
                .write_all(&piece)
                .await
                .map_err(|error| Trouble::Failed(format!("write at {sent}: {error}")))?;
            sent += most;
        }
        writer.close().await.map_err(|error| Trouble::Failed(format!("close: {error}")))
    };
    let receive = async {
        let (mut got, mut buffer) = (0, [0; 2000]);
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) if got == scenario.len => return Ok(()),
                Ok(0) => return Err(Trouble::Wrong(format!("the end after {got} of {} bytes", scenario.len))),
                Ok(len) => {
                    if let Some(at) = (0..len).find(|&at| buffer[at] != scenario.byte(client, got + at)) {
                        return Err(Trouble::Wrong(format!("a wrong byte at {}", got + at)));
                    }
                    got += len;
                }
                Err(error) => return Err(Trouble::Failed(format!("read at {got}: {error}"))),
            }
        }
    };
    os::try_join!(send, receive)
}

/// Runs a scenario to its end. `recorder` gets what passes at each host.
pub(crate) fn play<W: Write>(
    scenario: &Scenario,
    recorder: Option<&Rc<Recorder<W>>>,
) -> Result<Outcome, String> {
    let clock = Clock::with_capacity();
    let switch = Switch::<_, HOSTS, _>::by_address(&clock, scenario.settings());
    let known: Vec<_> = (0..scenario.hosts).map(|_| Known::default()).collect();
    let (clock_ref, known_ref) = (&clock, &known[..]);
    let hosts = (0..scenario.hosts).map(async |number| {
        let random = generator(scenario, number, 0);
        let port = Faults::new(switch.port(number), random, scenario.impairments(), Impairments::NONE);
        let done = match recorder {
            Some(recorder) => {
                let name = format!("host{number}");
                host(&Capture::shared(&port, recorder, &name), clock_ref, scenario, number, known_ref).await
            }
            None => host(&port, clock_ref, scenario, number, known_ref).await,
        };
        if let Some(known) = known_ref.get(number) {
            known.marked.set(port.faults().transmit.marked);
        }
        done
    });
    let world = pin!(try_join_all(hosts));
    let limit = Instant::from_secs(6 * 3600);
    Simulator::new(&clock).until(limit).run(world).map_err(|error| error.to_string())??;
    let retransmitted = known.iter().map(|known| known.retransmitted.get()).sum();
    let marked = known.iter().map(|known| known.marked.get()).sum();
    Ok(Outcome { ended: clock.now(), retransmitted, marked })
}
