//! Two towers that exchange TCP: one on the driver and a backend that does
//! what Linux's does, the other at the far end of the link behind it.

mod common;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use common::*;
use embedded_io_async::{Read, Write};
use ethif::Ethif;
use ipv4::Ipv4;
use netif_memory::{Link, Settings, VirtualClock};
use netif_xen_netfront::simulation::{Attachment, Behaviour, Device, Netback, NetbackStatistics, World};
use netif_xen_netfront::{Counters, Netfront, Options};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tcpv4::{Listener, Tcp};
use traits::{Capabilities, Cidr, Config, Ip, Layer, Network, NetworkStatistics, Never, Offload, Time};

const GUEST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const FAR_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

fn never<T>(ended: Result<Never, Never>) -> T {
    match ended {
        Ok(never) | Err(never) => match never {},
    }
}

/// The byte at a place of the stream.
fn byte(at: usize) -> u8 {
    (at.wrapping_mul(0x9e37_79b1) >> 13) as u8
}

/// How a transfer is set up.
struct Case {
    attachment: Attachment,
    options: Options,
    behaviour: Behaviour,
    far: Offload,
    bytes: usize,
    /// What happens to the backend after a while.
    mishap: Mishap,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mishap {
    None,
    /// The backend's driver is unloaded and loaded.
    Restart,
    /// The backend's driver is unbound and bound, without a word.
    Rebind,
    /// The backend dies, and the device is attached again a minute later.
    Death,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            attachment: Attachment::default(),
            options: Options::new(),
            behaviour: Behaviour::default(),
            far: Options::OFFLOAD,
            bytes: 1_000_000,
            mishap: Mishap::None,
        }
    }
}

/// What a transfer left behind.
#[derive(Debug)]
struct Outcome {
    netback: NetbackStatistics,
    statistics: NetworkStatistics,
    counters: Counters,
    events: u64,
}

/// Sends `count` bytes of the pattern.
async fn send(flow: &mut impl Write, count: usize) {
    let mut at = 0;
    let mut buffer = [0; 4000];
    while at < count {
        let len = buffer.len().min(count - at);
        for (index, place) in buffer[..len].iter_mut().enumerate() {
            *place = byte(at + index);
        }
        flow.write_all(&buffer[..len]).await.expect("the connection holds");
        at += len;
    }
    flow.flush().await.expect("the connection holds");
}

/// Reads `count` bytes and compares them with the pattern.
async fn receive(flow: &mut impl Read, count: usize) {
    let mut at = 0;
    let mut buffer = [0; 4000];
    while at < count {
        let len = flow.read(&mut buffer).await.expect("the connection holds");
        assert!(len > 0, "ended after {at} of {count}");
        for (index, &got) in buffer[..len].iter().enumerate() {
            assert_eq!(got, byte(at + index), "at {}", at + index);
        }
        at += len;
    }
}

/// A tower with `address` over `net`: the far one answers connections until
/// the race is over, the other makes one.
async fn tower(net: &impl Network<Error = Never>, clock: &VirtualClock, address: Ipv4Addr, bytes: usize) {
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(address.to_bits()));
    let e = Ethif::connect(net);
    let i = Ipv4::<_>::connect(&e);
    i.configure(&Config { addresses: &[Cidr::new(address, 24)], ..Config::default() });
    let tcp = Tcp::connect(&i, &mut random);
    let listener = Listener::new();
    let packets = net.listen(|frame| {
        e.input(
            frame,
            ethif::listeners().ipv4(|p| {
                i.input(
                    p,
                    ipv4::listeners().tcp(|s| tcp.input(s, |port| (port == 80).then_some(&listener as _))),
                );
            }),
        );
    });
    let server = listener.serve(&tcp, async |mut flow| {
        receive(&mut flow, bytes).await;
        send(&mut flow, bytes).await;
        let _ = traits::Flow::close(&mut flow).await;
    });
    let client = async {
        if address == FAR_ADDRESS {
            return std::future::pending().await;
        }
        let mut flow = tcp.create_connection(SocketAddrV4::new(FAR_ADDRESS, 80)).await.expect("connected");
        send(&mut flow, bytes).await;
        receive(&mut flow, bytes).await;
        let _ = traits::Flow::close(&mut flow).await;
    };
    os::race!(async { never(packets.await) }, async { never(server.await) }, client, async {
        never(tcp.run(clock).await)
    },);
}

/// A connection from the guest to the far tower, with `bytes` there and then
/// back.
fn transfer<const QUEUES: usize>(case: &Case) -> Outcome {
    let clock = VirtualClock::new();
    let settings = Settings::new()
        .with_capabilities(Capabilities::new(case.far, 65_549))
        .with_delay(Duration::from_micros(50))
        .with_rate(10_000_000_000);
    let link = Link::new(&clock, settings);
    let [near, far] = link.ports();
    let world = World::new(&clock);
    let netback = Netback::new(Device::new(&world, DOM0, GUEST, 0), near, case.attachment.clone());
    netback.set_behaviour(case.behaviour);
    let backend = async {
        netback.run().await;
        clock.sleep(Duration::from_secs(60)).await;
        netback.run().await;
        panic!("died twice");
    };
    let mishap = async {
        clock.sleep(Duration::from_millis(2)).await;
        match case.mishap {
            Mishap::None => {}
            Mishap::Restart => netback.restart(),
            Mishap::Rebind => netback.rebind(),
            Mishap::Death => netback.die(),
        }
        std::future::pending().await
    };
    let guest = async {
        let front: Front<'_, '_, QUEUES> =
            Netfront::connect_with(world.guest(GUEST), 0, case.options).await.expect("connected");
        tower(&front, &clock, GUEST_ADDRESS, case.bytes).await;
        (front.statistics(), front.counters())
    };
    let server = async {
        tower(&far, &clock, FAR_ADDRESS, case.bytes).await;
        panic!("the server ends");
    };
    let (statistics, counters) = run(&clock, async { os::race!(backend, mishap, server, guest) });
    assert_eq!(netback.fault(), None, "Linux's backend would have none of it");
    assert_eq!(counters.tx_failed + counters.tx_refused + statistics.rx_dropped, 0);
    Outcome { netback: netback.statistics(), statistics, counters, events: world.events_from_guests() }
}

/// The towers need more stack than a test has.
fn on_a_large_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(test).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn large_frames_both_ways() {
    on_a_large_stack(|| {
        let outcome = transfer::<1>(&Case::default());
        assert!(outcome.netback.tx_large >= 15 && outcome.netback.rx_large >= 15, "{outcome:?}");
        assert!(outcome.netback.tx_blank >= 15 && outcome.netback.rx_blank >= 15, "{outcome:?}");
        assert!((2..=17).contains(&outcome.netback.tx_slots), "{outcome:?}");
        assert_eq!(outcome.counters.connections, 1);
    });
}

#[test]
fn small_frames_and_software_checksums() {
    on_a_large_stack(|| {
        let outcome = transfer::<1>(&Case {
            attachment: Attachment::default().without("feature-sg").with("feature-no-csum-offload", 1),
            options: Options::new().with_offload(Offload::empty()),
            ..Case::default()
        });
        assert_eq!((outcome.netback.tx_large, outcome.netback.rx_large), (0, 0), "{outcome:?}");
        assert_eq!((outcome.netback.tx_blank, outcome.netback.rx_blank), (0, 0), "{outcome:?}");
        assert!(outcome.statistics.tx_packets > 690, "{outcome:?}");
    });
}

#[test]
fn checksums_without_large_frames() {
    on_a_large_stack(|| {
        let outcome = transfer::<1>(&Case {
            attachment: Attachment::default().without("feature-gso-tcpv4"),
            options: Options::new().with_offload(Offload::TX_CHECKSUM | Offload::RX_CHECKSUM),
            ..Case::default()
        });
        assert_eq!((outcome.netback.tx_large, outcome.netback.rx_large), (0, 0), "{outcome:?}");
        assert!(outcome.netback.tx_blank > 690, "{outcome:?}");
    });
}

#[test]
fn a_guest_of_little_memory() {
    on_a_large_stack(|| {
        transfer::<1>(&Case { options: Options::small(), bytes: 300_000, ..Case::default() });
        let one = Options::small().with_tx_pages(1).with_rx_pages(4);
        transfer::<1>(&Case { options: one, bytes: 100_000, ..Case::default() });
    });
}

#[test]
fn a_backend_that_goes_about_it_in_its_own_way() {
    on_a_large_stack(|| {
        for (rx_offset, rx_piece) in [(0, 4096), (96, 4000), (2, 3900), (4000, 4096)] {
            let behaviour =
                Behaviour { answers_backwards: true, rx_offset, rx_piece, backlog: 64, ..Behaviour::default() };
            // With pieces of 96 bytes a large frame would be too many.
            let offload = if rx_offset == 4000 { Offload::empty() } else { Options::OFFLOAD };
            let options = Options::new().with_rx_pages(256).with_offload(offload);
            let far = offload;
            transfer::<1>(&Case { behaviour, options, far, bytes: 300_000, ..Case::default() });
        }
    });
}

#[test]
fn four_queues() {
    on_a_large_stack(|| {
        let outcome = transfer::<4>(&Case::default());
        // ARP takes one queue, the connection one.
        let used = outcome.netback.tx_by_queue.iter().filter(|&&frames| frames > 0).count();
        assert!(used <= 2, "{outcome:?}");
    });
}

#[test]
fn a_backend_that_comes_back() {
    on_a_large_stack(|| {
        for mishap in [Mishap::Restart, Mishap::Death] {
            let outcome = transfer::<1>(&Case { mishap, bytes: 4_000_000, ..Case::default() });
            assert_eq!(outcome.counters.connections, 2, "{outcome:?}");
            assert_eq!(outcome.netback.connections, 2, "{outcome:?}");
        }
    });
}

#[test]
fn a_backend_that_takes_the_rings_over() {
    on_a_large_stack(|| {
        let outcome = transfer::<1>(&Case { mishap: Mishap::Rebind, bytes: 4_000_000, ..Case::default() });
        assert_eq!((outcome.counters.connections, outcome.netback.connections), (1, 2), "{outcome:?}");
    });
}

#[test]
fn few_events() {
    on_a_large_stack(|| {
        let outcome = transfer::<1>(&Case { bytes: 10_000_000, ..Case::default() });
        let frames = outcome.statistics.tx_packets + outcome.statistics.rx_packets;
        println!("{frames} frames, {} events from the guest: {outcome:?}", outcome.events);
        assert!(outcome.events <= frames, "{outcome:?}");
    });
}
