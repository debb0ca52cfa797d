//! UDP over the real layers, on a link in virtual time: offloads on either
//! side, fragments, errors.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use ethif::Ethif;
use ipv4::Ipv4;
use netif_memory::{Link, Settings, Simulator, VirtualClock};
use traits::*;
use udpv4::{Statistics, Udp};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// Payload, segment size, kind of destination.
type Kept = (Vec<u8>, Option<u16>, Cast);

/// Sends nothing by itself; keeps what comes.
#[derive(Default)]
struct Keep {
    datagrams: RefCell<Vec<Kept>>,
    errors: RefCell<Vec<DatagramError>>,
}

impl Keep {
    fn take(&self) -> Self {
        Self { datagrams: self.datagrams.take().into(), errors: self.errors.take().into() }
    }
}

impl Receive for Keep {
    fn receive(&self, d: Datagram<'_>) {
        let size = d.segment_size.map(|size| size.get());
        self.datagrams.borrow_mut().push((d.payload.to_vec(), size, d.cast));
    }
    fn error(&self, error: DatagramError) {
        self.errors.borrow_mut().push(error);
    }
}

/// What A's port 1000 and B's port 7 got, and B's counters, after A has sent.
fn exchange(sender: Offload, receiver: Offload, send: impl Fn(&dyn Sender) + Send) -> (Keep, Keep, Statistics) {
    // Unoptimised, the buffers of two IPv4 layers for reassembly pass over
    // the stack several times.
    let large = std::thread::Builder::new().stack_size(16 << 20);
    std::thread::scope(|scope| {
        large.spawn_scoped(scope, || on_a_large_stack(sender, receiver, send)).unwrap().join().unwrap()
    })
}

fn on_a_large_stack(
    sender: Offload,
    receiver: Offload,
    send: impl Fn(&dyn Sender),
) -> (Keep, Keep, Statistics) {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_delay(Duration::from_millis(1)));
    let settings = |offload: Offload| {
        let gso = if offload.contains(Offload::USO4) { 65_535 } else { 0 };
        Settings::new().with_delay(Duration::from_millis(1)).with_capabilities(Capabilities::new(offload, gso))
    };
    link.configure(0, settings(sender));
    link.configure(1, settings(receiver));
    let [a, b] = link.ports();
    let (at_a, at_b) = (Keep::default(), Keep::default());
    let (ea, eb) = (Ethif::connect(&a), Ethif::connect(&b));
    let (ia, ib) = (Ipv4::connect(&ea), Ipv4::connect(&eb));
    for (i, address) in [(&ia, A), (&ib, B)] {
        i.set_ipv4(address);
        i.set_ipv4_netmask(MASK);
    }
    let (ua, ub) = (Udp::connect(&ia), Udp::connect(&ib));
    let listen_a = async {
        let _ = a
            .listen(|f| {
                let udp = |d: Inbound<'_>| ua.input(d, |port| (port == 1000).then_some(&at_a as &dyn Receive));
                ea.input(f, ethif::listeners().ipv4(|p| ia.input(p, ipv4::listeners().udp(udp))));
            })
            .await;
    };
    let listen_b = async {
        let _ = b
            .listen(|f| {
                let udp = |d: Inbound<'_>| ub.input(d, |port| (port == 7).then_some(&at_b as &dyn Receive));
                eb.input(f, ethif::listeners().ipv4(|p| ib.input(p, ipv4::listeners().udp(udp))));
            })
            .await;
    };
    let sent = Cell::new(0);
    let application = async {
        // Resolves the neighbour first: what is large is not kept meanwhile.
        let _ = ea.query_arpv4(B).await;
        send(&ua);
        sent.set(1);
    };
    let run_a = async {
        let _ = ua.run(&&clock).await;
    };
    let run_b = async {
        let _ = ub.run(&&clock).await;
    };
    let tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> =
        vec![Box::pin(listen_a), Box::pin(listen_b), Box::pin(application), Box::pin(run_a), Box::pin(run_b)];
    let mut all = pin!(all(tasks));
    let mut simulator = Simulator::new(&clock).with_polls_per_instant(1000);
    assert!(simulator.run_until(all.as_mut(), Instant::from_secs(5)).unwrap().is_pending());
    assert_eq!(sent.get(), 1);
    let statistics = ub.statistics();
    (at_a.take(), at_b.take(), statistics)
}

/// `Datagrams` without its generics.
trait Sender {
    fn send(&self, endpoint: Endpoint, payload: &[u8]) -> Result<(), SendError>;
}

impl<U: Datagrams> Sender for U {
    fn send(&self, endpoint: Endpoint, payload: &[u8]) -> Result<(), SendError> {
        self.write(endpoint, payload.len(), |buffer| {
            buffer.copy_from_slice(payload);
            payload.len()
        })
    }
}

async fn all(mut futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    poll_fn(|context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        Poll::<()>::Pending
    })
    .await
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 % 251) as u8).collect()
}

fn to(port: u16) -> Endpoint {
    Endpoint::new(1000, SocketAddrV4::new(B, port))
}

const SENDERS: [Offload; 3] =
    [Offload::empty(), Offload::TX_CHECKSUM, Offload::TX_CHECKSUM.union(Offload::USO4)];
const RECEIVERS: [Offload; 3] =
    [Offload::empty(), Offload::RX_CHECKSUM, Offload::RX_CHECKSUM.union(Offload::LARGE_RECEIVE)];

#[test]
fn any_offloads_on_either_side() {
    for sender in SENDERS {
        for receiver in RECEIVERS {
            let (_, b, statistics) = exchange(sender, receiver, |udp| {
                for len in [0, 1, 100, 1472] {
                    udp.send(to(7), &pattern(len)).unwrap();
                }
            });
            let got: Vec<_> = b.datagrams.borrow().iter().map(|d| d.0.clone()).collect();
            assert_eq!(got, [0, 1, 100, 1472].map(pattern), "{sender:?} to {receiver:?}");
            assert_eq!((statistics.rx_checksum, statistics.rx_malformed), (0, 0));
        }
    }
}

#[test]
fn segments_arrive_whoever_cuts() {
    for sender in SENDERS {
        for receiver in RECEIVERS {
            let data = pattern(4500);
            let size = NonZeroU16::new(1000).unwrap();
            let (_, b, statistics) =
                exchange(sender, receiver, |udp| udp.send(to(7).with_segment_size(size), &data).unwrap());
            let got = b.datagrams.borrow();
            assert_eq!(got.iter().flat_map(|d| d.0.clone()).collect::<Vec<_>>(), data);
            let whole = sender.contains(Offload::USO4) && receiver.contains(Offload::LARGE_RECEIVE);
            if whole {
                assert_eq!((got.len(), got[0].1), (1, Some(1000)));
            } else {
                let lens: Vec<_> = got.iter().map(|d| d.0.len()).collect();
                assert_eq!(lens, [1000, 1000, 1000, 1000, 500], "{sender:?} to {receiver:?}");
            }
            assert_eq!((statistics.rx_checksum, statistics.rx_malformed), (0, 0));
        }
    }
}

#[test]
fn fragments_up_to_the_largest() {
    for sender in SENDERS {
        for len in [1473, 8000, 65_507] {
            let (_, b, statistics) =
                exchange(sender, Offload::empty(), |udp| udp.send(to(7), &pattern(len)).unwrap());
            assert_eq!(b.datagrams.borrow().len(), 1, "{len}");
            assert_eq!(b.datagrams.borrow()[0].0, pattern(len));
            assert_eq!(statistics.rx_checksum, 0);
        }
    }
}

#[test]
fn a_closed_port_comes_back_as_an_error() {
    let (a, _, statistics) =
        exchange(Offload::empty(), Offload::empty(), |udp| udp.send(to(9), b"anybody?").unwrap());
    let kind = IcmpErrorKind::Unreachable(UnreachableCode::Port);
    assert_eq!(*a.errors.borrow(), [DatagramError::new(kind, 1000, SocketAddrV4::new(B, 9))]);
    assert_eq!(statistics.rx_no_port, 1);
}

#[test]
fn broadcasts_arrive_and_are_never_answered() {
    for address in [Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 0, 0, 255)] {
        let (a, b, statistics) = exchange(Offload::empty(), Offload::empty(), |udp| {
            udp.send(Endpoint::new(1000, SocketAddrV4::new(address, 7)), b"all").unwrap();
            udp.send(Endpoint::new(1000, SocketAddrV4::new(address, 9)), b"all").unwrap();
        });
        assert_eq!(*b.datagrams.borrow(), [(b"all".to_vec(), None, Cast::Broadcast)]);
        assert_eq!(statistics.rx_no_port, 1);
        assert!(a.errors.borrow().is_empty());
    }
}
