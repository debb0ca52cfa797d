//! How fast a transfer is, by loss, delay and buffer: a table that is kept,
//! so that a change in congestion control or recovery shows itself. Virtual
//! time: the figures are the same on every machine.

use std::fmt::Write as _;
use std::pin::pin;
use std::time::Duration;

use fata::os;
use fata::prelude::*;
use fata::tcpv4::congestion::Algorithm;
use netif_faults::{Faults, Impairments, Probability};
use netif_memory::{Link, Settings, Simulator, VirtualClock, WhenFull};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// In parts of a million.
const LOSSES: [u32; 4] = [0, 1_000, 10_000, 30_000];
/// Round trips in milliseconds.
const ROUND_TRIPS: [u64; 4] = [1, 10, 50, 200];
/// Limits of the buffers at both ends, in bytes.
const BUFFERS: [u32; 4] = [16 << 10, 64 << 10, 256 << 10, 4 << 20];

/// Bits per second of the link, and the frames that its queue holds.
const RATE: u64 = 100_000_000;
const QUEUE: usize = 100;
/// Bytes sent, or as many as go in this time.
const BYTES: usize = 4_000_000;
const TIME: Duration = Duration::from_secs(60);

/// Megabits of data a second, over three seeds.
fn goodput(algorithm: Algorithm, loss: u32, round_trip: u64, buffer: u32) -> f64 {
    let rates = (1..=3).map(|seed| transfer(seed, algorithm, loss, round_trip, buffer));
    rates.sum::<f64>() / 3.0
}

fn transfer(seed: u64, algorithm: Algorithm, loss: u32, round_trip: u64, buffer: u32) -> f64 {
    let clock = VirtualClock::new();
    let settings = Settings::new()
        .with_rate(RATE)
        .with_delay(Duration::from_micros(round_trip * 500))
        .with_queue(QUEUE, WhenFull::Drop);
    let link = Link::new(&clock, settings);
    let [near, far] = link.ports();
    let generator = |salt| ChaCha8Rng::seed_from_u64(seed * 16 + salt);
    let lossy = Impairments::NONE.with_loss(Probability::per_million(loss));
    let (near, far) = (
        Faults::new(near, generator(0), lossy, Impairments::NONE),
        Faults::new(far, generator(1), lossy, Impairments::NONE),
    );
    let towers = async {
        os::race!(
            receive(&far, &clock, generator(2), buffer, algorithm),
            send(&near, &clock, generator(3), buffer, algorithm)
        )
    };
    let run = Simulator::new(&clock).run(pin!(towers)).expect("the simulation goes on");
    let (bytes, took) = run;
    bytes as f64 * 8.0 / took.as_secs_f64() / 1e6
}

/// A tower that does `work` over its TCP.
macro_rules! tower {
    ($net:expr, $clock:expr, $random:expr, $host:expr, $buffer:expr, $algorithm:expr, |$tcp:ident, $listener:ident| $work:expr) => {{
        let e = Ethif::<_, 8, 4>::with_capacity($net);
        let i = Ipv4::<_, 1, 2048>::with_capacity(&e);
        i.configure(&Config {
            addresses: &[Cidr::new(Ipv4Addr::new(10, 0, 0, $host), 24)],
            ..Config::default()
        });
        let tcp = Tcp::connect(&i, &mut $random);
        let mut settings = tcp.settings();
        (settings.receive_limit, settings.send_limit, settings.congestion) = ($buffer, $buffer, $algorithm);
        tcp.set_settings(settings);
        let listener = Listener::new();
        let packets = $net.listen(|frame| {
            let accept = |port| (port == 5001).then_some(&listener as _);
            e.input(
                frame,
                ethif::listeners().ipv4(|p| i.input(p, ipv4::listeners().tcp(|s| tcp.input(s, accept)))),
            );
        });
        let tower = async {
            match os::try_join!(packets, tcp.run($clock)) {
                Ok(never) => match never {},
                Err::<Never, Never>(never) => match never {},
            }
        };
        let ($tcp, $listener) = (&tcp, &listener);
        os::race!(tower, $work)
    }};
}

/// Takes what comes; how much, and how long it took from the first connection
/// on.
async fn receive<N: Network<Error = Never>>(
    net: &N,
    clock: &VirtualClock,
    mut random: ChaCha8Rng,
    buffer: u32,
    algorithm: Algorithm,
) -> (usize, Duration) {
    tower!(net, clock, random, 1, buffer, algorithm, |tcp, listener| async {
        let mut flow = listener.accept(tcp).await;
        let start = clock.now();
        let (mut got, mut room) = (0, vec![0; 65_536]);
        let until = start + TIME;
        loop {
            let len = os::race!(async { flow.read(&mut room).await.expect("the connection lives") }, async {
                clock.sleep_until(until).await;
                0
            });
            got += len;
            if len == 0 || got >= BYTES {
                return (got, clock.now().duration_since(start));
            }
        }
    })
}

async fn send<N: Network<Error = Never>>(
    net: &N,
    clock: &VirtualClock,
    mut random: ChaCha8Rng,
    buffer: u32,
    algorithm: Algorithm,
) -> (usize, Duration) {
    tower!(net, clock, random, 2, buffer, algorithm, |tcp, _listener| async {
        let mut flow = loop {
            let server = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 5001);
            if let Ok(flow) = tcp.create_connection(server).await {
                break flow;
            }
        };
        let piece = vec![7; 65_536];
        while flow.write_all(&piece).await.is_ok() {}
        // The receiver has what it wanted.
        std::future::pending().await
    })
}

/// The table of one algorithm.
fn table(algorithm: Algorithm) -> String {
    let mut text = format!(
        "{algorithm:?}: Mbit/s of data over a link of {} Mbit/s with a queue of {QUEUE} frames\n\n",
        RATE / 1_000_000
    );
    for loss in LOSSES {
        let _ = write!(text, "loss {:>4.1} %  |", f64::from(loss) / 10_000.0);
        for buffer in BUFFERS {
            let _ = write!(text, "{:>7} KiB", buffer >> 10);
        }
        text.push('\n');
        for round_trip in ROUND_TRIPS {
            let _ = write!(text, "{round_trip:>9} ms |");
            for buffer in BUFFERS {
                let _ = write!(text, "{:>11.2}", goodput(algorithm, loss, round_trip, buffer));
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

fn snapshot(name: &str, algorithm: Algorithm) {
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(move || table(algorithm));
    let table = thread.expect("a thread starts").join().expect("the simulation does not panic");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, table);
    });
}

#[test]
fn the_throughput_of_cubic_is_as_it_was() {
    snapshot("throughput_cubic", Algorithm::Cubic);
}

#[test]
fn the_throughput_of_new_reno_is_as_it_was() {
    snapshot("throughput_new_reno", Algorithm::NewReno);
}
