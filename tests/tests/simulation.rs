//! Two towers over a bad link in virtual time: every byte comes, and right,
//! and nothing is left when it is over.
//!
//! A seed that fails leaves a capture, which Wireshark opens, and is run by
//! itself with `SEED=n cargo test -p tests --test simulation`.

use std::cell::Cell;
use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use fata::os;
use fata::prelude::*;
use fata::tcpv4::Usage;
use fata::traits::{FlowError, Instant};
use netif_faults::{Faults, Impairments, Probability};
use netif_memory::{Link, Settings, Simulator, VirtualClock};
use netif_pcap::{Capture, Format, Recorder};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const SERVER: Cidr = Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 24);
const CLIENT: Cidr = Cidr::new(Ipv4Addr::new(10, 0, 0, 2), 24);

/// How bad the link is, and what is sent over it.
#[derive(Clone, Copy, Debug)]
struct Scene {
    seed: u64,
    /// Bytes each way.
    len: usize,
    delay: Duration,
    link: Impairments,
}

impl Scene {
    /// 10 % loss, with duplicates, reordering and damage, different for each
    /// seed in all else.
    fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut below = |bound: u32| random.next_u32() % bound;
        let link = Impairments::NONE
            .with_loss(Probability::percent(10))
            .with_duplication(Probability::percent(5))
            .with_reordering(Probability::percent(10), Duration::from_millis(1 + u64::from(below(30))))
            .with_bit_error(Probability::percent(1))
            .with_truncation(Probability::percent(1))
            .with_full(Probability::percent(1), Duration::from_millis(3));
        let len = if seed.is_multiple_of(20) { 300_000 } else { 1 + below(30_000) as usize };
        Self { seed, len, delay: Duration::from_micros(u64::from(below(50_000))), link }
    }

    /// The byte at a place in the stream.
    fn byte(&self, at: usize) -> u8 {
        (at.wrapping_mul(31) ^ (at >> 8) ^ self.seed as usize) as u8
    }
}

/// Echoes what comes on port 7 until its peer has closed.
async fn serve<N: Network>(
    net: &N,
    clock: &VirtualClock,
    seed: u64,
    usage: &Cell<Usage>,
) -> Result<Never, N::Error> {
    let e = Ethif::connect(net);
    let i = Ipv4::connect(&e);
    i.configure(&Config { addresses: &[SERVER], ..Config::default() });
    let tcp = Tcp::connect(&i, &mut ChaCha8Rng::seed_from_u64(seed ^ 1));
    let echo = Listener::new();
    let packets = net.listen(|frame| {
        e.input(
            frame,
            ethif::listeners().ipv4(|p| {
                i.input(p, ipv4::listeners().tcp(|s| tcp.input(s, |port| (port == 7).then_some(&echo as _))));
            }),
        );
        usage.set(tcp.usage());
    });
    let handlers = echo.serve(&tcp, async |mut flow| {
        let mut buffer = [0; 3000];
        while let Ok(len @ 1..) = flow.read(&mut buffer).await {
            if flow.write_all(&buffer[..len]).await.is_err() {
                return;
            }
        }
        let _ = flow.close().await;
    });
    let watch = async {
        loop {
            clock.sleep(Duration::from_secs(1)).await;
            usage.set(tcp.usage());
        }
    };
    os::race!(async { os::try_join!(packets, handlers, tcp.run(clock)) }, watch)
}

/// Sends the stream, and returns once all of it has come back and both sides
/// have closed and forgotten each other.
async fn ask<N: Network>(
    net: &N,
    clock: &VirtualClock,
    scene: Scene,
    server: &Cell<Usage>,
) -> Result<(), String> {
    let e = Ethif::connect(net);
    let i = Ipv4::connect(&e);
    i.configure(&Config { addresses: &[CLIENT], ..Config::default() });
    let tcp = Tcp::connect(&i, &mut ChaCha8Rng::seed_from_u64(scene.seed ^ 2));
    let packets = net.listen(|frame| {
        e.input(
            frame,
            ethif::listeners().ipv4(|p| {
                i.input(p, ipv4::listeners().tcp(|s| tcp.input(s, |_| None)));
            }),
        );
    });
    let client = async {
        exchange(&tcp, scene).await?;
        while (tcp.usage(), server.get()) != (Usage::default(), Usage::default()) {
            clock.sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    };
    let tower = async {
        match os::try_join!(packets, tcp.run(clock)) {
            Ok(never) => match never {},
            Err::<Never, N::Error>(error) => Err(error.to_string()),
        }
    };
    os::race!(tower, client)
}

async fn exchange<I: fata::traits::Ip>(tcp: &Tcp<I>, scene: Scene) -> Result<(), String> {
    // A handshake may well fail on such a link; a user tries again.
    let mut tries = 0;
    let flow = loop {
        match tcp.create_connection(SocketAddrV4::new(SERVER.address(), 7)).await {
            Ok(flow) => break flow,
            Err(error) if tries == 5 => return Err(format!("connect: {error}")),
            Err(_) => tries += 1,
        }
    };
    let (mut reader, mut writer) = flow.split();
    let send = async {
        let mut random = ChaCha8Rng::seed_from_u64(scene.seed ^ 3);
        let mut sent = 0;
        while sent < scene.len {
            let most = (1 + random.next_u32() as usize % 5000).min(scene.len - sent);
            let piece: Vec<_> = (sent..sent + most).map(|at| scene.byte(at)).collect();
            writer.write_all(&piece).await.map_err(|error| format!("write at {sent}: {error}"))?;
            sent += most;
        }
        writer.close().await.map_err(|error| format!("close: {error}"))
    };
    let receive = async {
        let (mut got, mut buffer) = (0, [0; 2000]);
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) if got == scene.len => return Ok(()),
                Ok(0) => return Err(format!("the end after {got} of {} bytes", scene.len)),
                Ok(len) => {
                    if let Some(at) = (0..len).find(|&at| buffer[at] != scene.byte(got + at)) {
                        return Err(format!("a wrong byte at {}", got + at));
                    }
                    got += len;
                }
                Err(error) => return Err(read_error(got, error)),
            }
        }
    };
    os::try_join!(send, receive)
}

fn read_error(got: usize, error: FlowError) -> String {
    format!("read at {got}: {error}")
}

/// Runs a scene to its end. `captured` gets what passes at the client.
fn play<W: Write>(scene: Scene, captured: Option<&Rc<Recorder<W>>>) -> Result<Instant, String> {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_delay(scene.delay));
    let [near, far] = link.ports();
    let faulty = |port, salt| {
        let random = ChaCha8Rng::seed_from_u64(scene.seed.wrapping_mul(4).wrapping_add(salt));
        Faults::new(port, random, scene.link, Impairments::NONE)
    };
    let (near, far) = (faulty(near, 0), faulty(far, 1));
    let usage = Cell::new(Usage::default());
    let server = async {
        match serve(&near, &clock, scene.seed, &usage).await {
            Ok(never) => match never {},
            Err(error) => Err(error.to_string()),
        }
    };
    let client = async {
        match captured {
            Some(recorder) => ask(&Capture::shared(far, recorder, "client"), &clock, scene, &usage).await,
            None => ask(&far, &clock, scene, &usage).await,
        }
    };
    let world = pin!(async { os::race!(server, client) });
    let limit = Instant::from_secs(3 * 3600);
    Simulator::new(&clock).until(limit).run(world).map_err(|error| error.to_string())??;
    Ok(clock.now())
}

/// Plays it again, and says where its capture is.
fn explain(scene: Scene, problem: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("simulation-{}.pcapng", scene.seed));
    let recorder = Rc::new(Recorder::new(Vec::new(), Format::PcapNg));
    let again = play(scene, Some(&recorder));
    let file = Rc::try_unwrap(recorder).map(Recorder::into_writer).unwrap_or_default();
    let written = std::fs::write(&path, file);
    format!("{scene:?}: {problem}\nagain: {again:?}\ncapture: {} ({written:?})", path.display())
}

#[test]
fn a_thousand_seeds_byte_exact() {
    if let Ok(seed) = env::var("SEED") {
        let scene = Scene::new(seed.parse().expect("SEED is a number"));
        let ended = play::<Vec<u8>>(scene, None);
        assert!(ended.is_ok(), "{}", explain(scene, &format!("{ended:?}")));
        return;
    }
    let threads = [0, 1].map(|half| {
        std::thread::spawn(move || {
            for seed in (half..1000).step_by(2) {
                let scene = Scene::new(seed);
                match play::<Vec<u8>>(scene, None) {
                    // TIME-WAIT alone lasts a minute.
                    Ok(ended) => assert!(ended > Instant::from_secs(60), "{scene:?} ended at {ended:?}"),
                    Err(problem) => return Err(explain(scene, &problem)),
                }
            }
            Ok(())
        })
    });
    for thread in threads {
        if let Err(problem) = thread.join().expect("the simulation does not panic") {
            panic!("{problem}");
        }
    }
}

/// The same seed gives the same capture, to the last byte.
#[test]
fn a_seed_decides_everything() {
    let capture = |seed| {
        let recorder = Rc::new(Recorder::new(Vec::new(), Format::PcapNg));
        play(Scene::new(seed), Some(&recorder)).expect("the scene plays");
        Rc::try_unwrap(recorder).map(Recorder::into_writer).expect("nobody else has it")
    };
    let first = capture(11);
    assert!(first.len() > 10_000);
    assert!(first == capture(11));
    assert!(first != capture(12));
}
