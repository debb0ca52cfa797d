//! What TCP, IPv4 and Ethernet make of a burst is byte for byte what they make of
//! its segments one by one.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use fata::prelude::*;
use fata::traits::{
    Capabilities, Conflict, EtherType, Ethernet, Frame, Instant, Layer, MacAddr, Offload, SendError, To,
    TxMeta, Unresolved,
};
use netif_memory::{Link, Settings, Simulator, VirtualClock, WhenFull};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];

/// An Ethernet layer, whose users send each frame by itself if it is `singly`.
struct Switchable<E> {
    below: E,
    singly: bool,
    runs: Cell<u64>,
}

impl<E: Ethernet> Layer for Switchable<E> {
    fata::traits::forward_layer!(below);
}

impl<E: Ethernet> Ethernet for Switchable<E> {
    fn mac(&self) -> MacAddr {
        self.below.mac()
    }
    fn mtu(&self) -> usize {
        self.below.mtu()
    }
    fn write(
        &self,
        to: To,
        ethertype: EtherType,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        self.below.write(to, ethertype, meta, len, fill)
    }
    fn write_run(
        &self,
        host: Ipv4Addr,
        ethertype: EtherType,
        meta: TxMeta,
        run: fata::traits::Run,
        fill: impl FnMut(usize, &mut [u8]) -> usize,
    ) -> Option<(usize, Result<(), SendError>)> {
        if self.singly {
            return None;
        }
        let sent = self.below.write_run(host, ethertype, meta, run, fill);
        self.runs.set(self.runs.get() + u64::from(sent.is_some()));
        sent
    }
    fn add_ipv4(&self, address: Ipv4Addr) -> bool {
        self.below.add_ipv4(address)
    }
    fn remove_ipv4(&self, address: Ipv4Addr) {
        self.below.remove_ipv4(address);
    }
    fn query_arpv4(&self, address: Ipv4Addr) -> impl Future<Output = Result<MacAddr, Unresolved>> {
        self.below.query_arpv4(address)
    }
    fn probe_ipv4(&self, address: Ipv4Addr) -> impl Future<Output = Result<(), Conflict>> {
        self.below.probe_ipv4(address)
    }
    fn conflict(&self) -> impl Future<Output = Conflict> {
        self.below.conflict()
    }
    fn confirm(&self, address: Ipv4Addr) {
        self.below.confirm(address);
    }
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    /// The device completes checksums.
    partial: bool,
    mtu: usize,
    /// Frames that fit on the line before it is full.
    queue: usize,
    /// What the line carries, in bits a second.
    rate: u64,
    writes: [usize; 4],
    /// When the device goes down for a while, in milliseconds.
    down: Option<u64>,
}

/// The frames that the sender's device carried with their times, what the layers
/// counted, and how many runs there were.
type Outcome = (Vec<(Instant, Vec<u8>)>, [String; 3], u64);

fn transfer(plan: Plan, singly: bool) -> Outcome {
    let clock = VirtualClock::new();
    let offload = if plan.partial { Offload::TX_CHECKSUM } else { Offload::empty() };
    let settings = Settings::new()
        .with_mtu(plan.mtu)
        .with_rate(plan.rate)
        .with_delay(Duration::from_millis(2))
        .with_queue(plan.queue, WhenFull::Refuse)
        .with_capabilities(Capabilities::new(offload, 0));
    let link = Link::new(&clock, settings);
    let [near, far] = link.ports();
    let ethif = [near, far].map(Ethif::connect);
    let ethernet = ethif.each_ref().map(|below| Switchable { below, singly, runs: Cell::new(0) });
    let ip: [_; 2] = std::array::from_fn(|host| {
        let ip = Ipv4::connect(&ethernet[host]);
        ip.configure(&Config { addresses: &[Cidr::new(HOSTS[host], 24)], ..Config::default() });
        Rc::new(ip)
    });
    let tcp: [_; 2] = std::array::from_fn(|host| {
        Tcp::connect(Rc::clone(&ip[host]), &mut ChaCha8Rng::seed_from_u64(host as u64))
    });
    let listener = Listener::<2>::with_capacity();
    let carried = RefCell::new(Vec::new());
    let listen = |host: usize| {
        let (tcp, ip, ethif, carried, listener, clock) =
            (&tcp[host], &ip[host], &ethif[host], &carried, &listener, &clock);
        move |frame: Frame<'_>| {
            if host == 1 {
                carried.borrow_mut().push((clock.now(), frame.bytes.to_vec()));
            }
            let tcp = |s: fata::traits::Inbound<'_>| tcp.input(s, |port| (port == 80).then_some(listener as _));
            ethif.input(frame, ethif::listeners().ipv4(|p| ip.input(p, ipv4::listeners().tcp(tcp))));
        }
    };
    let write = async {
        let mut flow = tcp[0].create_connection(SocketAddrV4::new(HOSTS[1], 80)).await.expect("connects");
        for len in plan.writes {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            flow.write_all(&bytes).await.expect("writes");
        }
        let _ = flow.close().await;
    };
    let read = async {
        let mut flow = listener.accept(&tcp[1]).await;
        let mut sum = 0;
        let mut buffer = [0; 4000];
        while let Ok(len @ 1..) = flow.read(&mut buffer).await {
            sum += len;
        }
        let _ = flow.close().await;
        sum
    };
    let disturb = async {
        if let Some(at) = plan.down {
            clock.sleep(Duration::from_millis(at)).await;
            near.disconnect();
            clock.sleep(Duration::from_millis(50)).await;
            near.reconnect();
        }
    };
    let total: usize = plan.writes.iter().sum();
    let all = async {
        let ((), sum, ()) = fata::os::join!(write, read, disturb);
        assert_eq!(sum, total);
    };
    let session = async {
        fata::os::race!(
            async { never(near.listen(listen(0)).await) },
            async { never(far.listen(listen(1)).await) },
            all,
            async { never(tcp[0].run(&clock).await) },
            async { never(tcp[1].run(&clock).await) }
        );
    };
    let ended = Simulator::new(&clock).run_until(pin!(session), Instant::from_secs(600));
    assert_eq!(ended.map(|poll| poll.is_ready()), Ok(true), "{plan:?}");
    let counted = [
        format!("{:?}", tcp[0].statistics()),
        format!("{:?}", ip[0].statistics()),
        format!("{:?} {:?}", ethif[0].statistics(), near.statistics()),
    ];
    (carried.into_inner(), counted, ethernet[0].runs.get())
}

fn plan() -> impl Strategy<Value = Plan> {
    let mtu = prop_oneof![2 => Just(1500), 1 => 576..4000usize];
    let rate = prop_oneof![Just(10_000_000), Just(1_000_000_000)];
    let down = proptest::option::weighted(0.3, 5..100u64);
    (any::<bool>(), mtu, 1..40usize, rate, [1..60_000usize, 1..60_000, 1..3000, 1..60_000], down)
        .prop_map(|(partial, mtu, queue, rate, writes, down)| Plan { partial, mtu, queue, rate, writes, down })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_frames_are_those_of_single_writes(plan in plan()) {
        let (frames, counted, _) = on_a_large_stack(move || transfer(plan, false));
        let (frames_singly, counted_singly, runs) = on_a_large_stack(move || transfer(plan, true));
        prop_assert_eq!(runs, 0);
        prop_assert_eq!(frames.len(), frames_singly.len());
        prop_assert!(frames == frames_singly);
        prop_assert_eq!(counted, counted_singly);
    }
}

#[test]
fn there_are_runs() {
    let plan =
        Plan { partial: true, mtu: 1500, queue: 40, rate: 1_000_000_000, writes: [60_000; 4], down: None };
    let (_, _, runs) = on_a_large_stack(move || transfer(plan, false));
    assert!(runs > 5, "{runs}");
}

/// A task of a tower does not end.
fn never(ended: Result<Never, Never>) {
    match ended {
        Ok(never) | Err(never) => match never {},
    }
}

/// Two towers with the default buffers for fragments are more than a test has.
fn on_a_large_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(run).expect("a thread");
    thread.join().expect("no panic")
}
