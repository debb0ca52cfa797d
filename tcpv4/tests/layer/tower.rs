//! TCP over the real layers, on a link in virtual time: offloads on either
//! side, faults on the way.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use ethif::Ethif;
use ipv4::Ipv4;
use netif_faults::{Faults, Impairments, Probability};
use netif_memory::{Link, Settings, Simulator, VirtualClock};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tcpv4::{Accept, Listener, Memory, Statistics, Storage, Tcp};
use traits::{Capabilities, Inbound, Instant, Ip as _, Layer as _, Network, Offload};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// What a test asks for.
#[derive(Clone, Copy)]
struct Case {
    offload: [Offload; 2],
    faults: Impairments,
    delay: Duration,
    seed: u64,
    bytes: usize,
}

const CLEAN: Case = Case {
    offload: [Offload::empty(); 2],
    faults: Impairments::NONE,
    delay: Duration::from_millis(1),
    seed: 1,
    bytes: 300_000,
};

/// Echoes a pattern from A over B with memory from the allocator and in fixed
/// memory, and returns for each the counters of both and the time that it took.
fn echo(case: Case) -> [([Statistics; 2], Duration); 2] {
    // Unoptimised, the buffers of two IPv4 layers for reassembly pass over
    // the stack several times.
    let large = std::thread::Builder::new().stack_size(16 << 20);
    let both = || [false, true].map(|is_fixed| on_a_large_stack(case, is_fixed));
    std::thread::scope(|scope| large.spawn_scoped(scope, both).unwrap().join().unwrap())
}

fn on_a_large_stack(case: Case, is_fixed: bool) -> ([Statistics; 2], Duration) {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_delay(case.delay));
    for (end, offload) in case.offload.into_iter().enumerate() {
        let gso = if offload.contains(Offload::TSO4) { 65_535 } else { 0 };
        let capabilities = Capabilities::new(offload, gso);
        link.configure(end, Settings::new().with_delay(case.delay).with_capabilities(capabilities));
    }
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    let [a, b] = link.ports();
    let a = Faults::new(a, ChaCha8Rng::seed_from_u64(case.seed + 1), case.faults, case.faults);
    let b = Faults::new(b, ChaCha8Rng::seed_from_u64(case.seed + 2), Impairments::NONE, Impairments::NONE);
    let (ea, eb) = (Ethif::connect(&a), Ethif::connect(&b));
    let (ia, ib) = (Ipv4::connect(&ea), Ipv4::connect(&eb));
    for (i, address) in [(&ia, A), (&ib, B)] {
        i.set_ipv4(address);
        i.set_ipv4_netmask(MASK);
    }
    if is_fixed {
        let mut memory = [const { Memory::<2, 131_072>::new() }; 2];
        let [ma, mb] = &mut memory;
        let (ta, tb) = (Tcp::connect_in(&ia, &mut random, ma), Tcp::connect_in(&ib, &mut random, mb));
        run(case, &clock, (&a, &ea, &ia, &ta), (&b, &eb, &ib, &tb))
    } else {
        let (ta, tb) = (Tcp::connect(&ia, &mut random), Tcp::connect(&ib, &mut random));
        run(case, &clock, (&a, &ea, &ia, &ta), (&b, &eb, &ib, &tb))
    }
}

/// A device and the layers over it.
type Tower<'t, N, S> = (&'t N, &'t Ethif<&'t N>, &'t Below<'t, N>, &'t Tcp<&'t Below<'t, N>, S>);
type Below<'t, N> = Ipv4<&'t Ethif<&'t N>>;

fn run<N: Network, S: Storage>(
    case: Case,
    clock: &VirtualClock,
    (a, ea, ia, ta): Tower<'_, N, S>,
    (b, eb, ib, tb): Tower<'_, N, S>,
) -> ([Statistics; 2], Duration) {
    let server = Listener::new();
    let listen_a = async {
        let tcp = |s: Inbound<'_>| ta.input(s, |_| None);
        let _ = a
            .listen(|f| {
                ea.input(f, ethif::listeners().ipv4(|p| ia.input(p, ipv4::listeners().tcp(tcp))));
            })
            .await;
    };
    let listen_b = async {
        let tcp = |s: Inbound<'_>| tb.input(s, |port| (port == 7).then_some(&server as &dyn Accept));
        let _ = b
            .listen(|f| {
                eb.input(f, ethif::listeners().ipv4(|p| ib.input(p, ipv4::listeners().tcp(tcp))));
            })
            .await;
    };
    let serve = server.serve(tb, async |mut flow| {
        let mut buffer = [0; 4000];
        loop {
            match flow.read(&mut buffer).await.unwrap() {
                0 => break,
                n => flow.write_all(&buffer[..n]).await.unwrap(),
            }
        }
        flow.close().await.unwrap();
    });
    let done = Cell::new(None);
    let client = async {
        let data: Vec<u8> =
            (0..case.bytes as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let flow = ta.create_connection(SocketAddrV4::new(B, 7)).await.unwrap();
        let (mut reader, mut writer) = flow.split();
        let write = async {
            writer.write_all(&data).await.unwrap();
            writer.close().await.unwrap();
        };
        let read = async {
            let mut back: Vec<u8> = Vec::new();
            let mut buffer = [0; 4000];
            loop {
                match reader.read(&mut buffer).await.unwrap() {
                    0 => break,
                    n => back.extend(&buffer[..n]),
                }
            }
            assert!(back == data, "{} of {} bytes came back", back.len(), data.len());
        };
        embassy_futures::join::join(read, write).await;
        done.set(Some(ta.now().duration_since(Instant::ZERO)));
    };
    let run_a = async {
        let _ = ta.run(&clock).await;
    };
    let run_b = async {
        let _ = tb.run(&clock).await;
    };
    let serve = async {
        let _ = serve.await;
    };
    let tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = vec![
        Box::pin(listen_a),
        Box::pin(listen_b),
        Box::pin(serve),
        Box::pin(client),
        Box::pin(run_a),
        Box::pin(run_b),
    ];
    let mut all = pin!(all(tasks));
    let mut simulator = Simulator::new(clock).with_polls_per_instant(1000);
    assert!(simulator.run_until(all.as_mut(), Instant::from_secs(600)).unwrap().is_pending());
    let took = done.get().unwrap_or_else(|| panic!("{:?}\n{:?}", ta.statistics(), tb.statistics()));
    for tcp in [ta, tb] {
        assert_eq!(tcp.usage(), tcpv4::Usage::default());
    }
    ([ta.statistics(), tb.statistics()], took)
}

async fn all(mut futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    poll_fn(|context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        Poll::<()>::Pending
    })
    .await
}

/// The first SYN waits for ARP, and is not lost.
#[test]
fn the_first_connection_needs_one_round_trip_more() {
    for ([a, b], took) in echo(Case { bytes: 1, ..CLEAN }) {
        assert_eq!((a.retransmitted, b.retransmitted, a.lost_unresolved, a.lost_too_long), (0, 0, 0, 0));
        assert!(took < Duration::from_millis(15), "{took:?}");
    }
}

#[test]
fn every_pair_of_offloads() {
    let some = [
        Offload::empty(),
        Offload::TX_CHECKSUM,
        Offload::RX_CHECKSUM,
        Offload::TX_CHECKSUM | Offload::TSO4 | Offload::TSO_ECN,
        Offload::all(),
    ];
    for one in some {
        for other in some {
            for ([a, b], _) in echo(Case { offload: [one, other], ..CLEAN }) {
                assert_eq!((a.retransmitted, b.retransmitted), (0, 0), "{one:?} {other:?}");
                assert_eq!((a.bad_checksum, b.bad_checksum), (0, 0), "{one:?} {other:?}");
                if one.contains(Offload::TSO4) {
                    assert!(a.sent < 300_000 / 1448 + 100, "{one:?}: {} sent", a.sent);
                }
            }
        }
    }
}

#[test]
fn over_faults_of_many_seeds() {
    for seed in 0..30 {
        let faults = Impairments::NONE
            .with_loss(Probability::percent(10))
            .with_duplication(Probability::percent(3))
            .with_reordering(Probability::percent(10), Duration::from_millis(20))
            .with_bit_error(Probability::percent(2))
            .with_full(Probability::percent(1), Duration::from_millis(3));
        let offload = if seed % 2 == 0 { Offload::empty() } else { Offload::all() };
        std::println!("seed {seed}");
        echo(Case { seed, faults, offload: [offload, Offload::empty()], bytes: 60_000, ..CLEAN });
    }
}
