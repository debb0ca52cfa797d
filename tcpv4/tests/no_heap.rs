//! The whole layer in memory that the caller hands over: a handshake, data
//! both ways, closing, a listener that serves several at once, and a flood,
//! with an allocator that panics.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tcpv4::{Accept, Fixed, Flow, Listener, Memory, Tcp};
use traits::{
    Capabilities, Config, Header, Inbound, Instant, Ip, Layer, Packet, Path, SendError, TxMeta, UnreachableCode,
};
use wire::Protocol;

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];

/// A cable with a few packets in it.
struct Cable {
    now: Cell<Instant>,
    packets: RefCell<heapless::Deque<(usize, heapless::Vec<u8, 1500>), 16>>,
}

/// One end of it.
struct End<'c> {
    cable: &'c Cable,
    host: usize,
}

impl Layer for End<'_> {
    fn now(&self) -> Instant {
        self.cable.now.get()
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }
    fn poll(&self, _: Instant, _: &Waker) -> Option<Instant> {
        None
    }
    fn poll_room(&self, _: &Waker) -> Poll<()> {
        if self.cable.packets.borrow().is_full() { Poll::Pending } else { Poll::Ready(()) }
    }
    fn has_backlog(&self) -> bool {
        false
    }

    fn flush(&self) {}
}

impl Ip for End<'_> {
    fn write(
        &self,
        _: Header,
        _: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let mut packets = self.cable.packets.borrow_mut();
        if packets.is_full() {
            return Err(SendError::Full);
        }
        let mut packet: heapless::Vec<u8, 1500> = heapless::Vec::new();
        packet.resize(len, 0).map_err(|_| SendError::TooLong)?;
        let used = fill(&mut packet);
        packet.truncate(used);
        let _ = packets.push_back((1 - self.host, packet));
        Ok(())
    }
    fn route(&self, _: Ipv4Addr, _: Option<Ipv4Addr>) -> Result<Path, SendError> {
        Ok(Path::new(HOSTS[self.host], 1500, Capabilities::NONE))
    }
    fn unreachable(&self, _: &Packet<'_>, _: UnreachableCode) {}
    fn configure(&self, _: &Config<'_>) -> usize {
        0
    }
    fn set_ipv4(&self, _: Ipv4Addr) {}
    fn get_ipv4(&self) -> Option<Ipv4Addr> {
        Some(HOSTS[self.host])
    }
    fn set_ipv4_netmask(&self, _: Ipv4Addr) {}
    fn get_ipv4_netmask(&self) -> Option<Ipv4Addr> {
        None
    }
    fn set_ipv4_gateways(&self, _: &[Ipv4Addr]) {}
    fn get_ipv4_gateways(&self, _: impl FnMut(Ipv4Addr)) {}
    fn is_local(&self, address: Ipv4Addr) -> bool {
        address == HOSTS[self.host]
    }
    fn generation(&self) -> u32 {
        0
    }
    fn join_group(&self, _: Ipv4Addr) -> Result<(), SendError> {
        Err(SendError::Unsupported)
    }
    fn leave_group(&self, _: Ipv4Addr) {}
    fn confirm(&self, _: Ipv4Addr) {}
    fn learn_path_mtu(&self, _: Ipv4Addr, _: u16) {}
    fn forget_path_mtu(&self, _: Ipv4Addr) {}
}

type FixedTcp<'m, 'c> = Tcp<&'m End<'c>, Fixed<'m, 4>>;

/// Runs both hosts and the tasks until `done`, a millisecond a round.
fn run(
    cable: &Cable,
    tcps: [&FixedTcp<'_, '_>; 2],
    listener: &Listener<4>,
    tasks: &mut [Pin<&mut dyn Future<Output = ()>>],
    done: &Cell<u32>,
) {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        cable.now.set(cable.now.get() + Duration::from_millis(1));
        loop {
            let next = cable.packets.borrow_mut().pop_front();
            let Some((to, bytes)) = next else { break };
            let packet = Packet::new(HOSTS[1 - to], HOSTS[to], Protocol::TCP, &bytes);
            tcps[to].input(Inbound::Packet(packet), |port| {
                (port == 80 && to == 1).then_some(listener as &dyn Accept)
            });
        }
        for task in &mut *tasks {
            if done.get() > 0 {
                let _ = task.as_mut().poll(&mut context);
            }
        }
        for tcp in tcps {
            tcp.poll(cable.now.get(), Waker::noop());
        }
        if done.get() == 0 {
            return;
        }
    }
    test_allocator::allow();
    panic!("not done: {}, {:?} {:?}", done.get(), tcps[0].statistics(), tcps[1].statistics());
}

async fn client(tcp: &FixedTcp<'_, '_>, salt: u8, left: &Cell<u32>) {
    let to = SocketAddrV4::new(HOSTS[1], 80);
    let Ok(flow) = tcp.create_connection(to).await else { panic!() };
    let (mut reader, mut writer) = flow.split();
    let byte = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ salt;
    let mut sent = 0u32;
    let mut received = 0u32;
    let mut buffer = [0; 1000];
    while received < 50_000 {
        if sent < 50_000 {
            let mut chunk = [0; 500];
            for (i, place) in chunk.iter_mut().enumerate() {
                *place = byte(sent + i as u32);
            }
            let Ok(()) = writer.write_all(&chunk).await else { panic!() };
            sent += 500;
        }
        let Ok(count) = reader.read(&mut buffer).await else { panic!() };
        for got in &buffer[..count] {
            assert!(*got == byte(received));
            received += 1;
        }
    }
    let Ok(()) = writer.close().await else { panic!() };
    let Ok(0) = reader.read(&mut buffer).await else { panic!() };
    left.set(left.get() - 1);
}

async fn echo(mut flow: Flow<'_, &End<'_>, Fixed<'_, 4>>) {
    let mut buffer = [0; 700];
    loop {
        match flow.read(&mut buffer).await {
            Ok(0) => break,
            Ok(n) => {
                let Ok(()) = flow.write_all(&buffer[..n]).await else { panic!() };
            }
            Err(_) => panic!(),
        }
    }
    let Ok(()) = flow.close().await else { panic!() };
}

#[test]
fn everything_without_an_allocator() {
    let cable =
        Cable { now: Cell::new(Instant::from_secs(1000)), packets: RefCell::new(heapless::Deque::new()) };
    let ends = [0, 1].map(|host| End { cable: &cable, host });
    let mut memory = [const { Memory::<4, 8192>::new() }; 2];
    let mut random = ChaCha8Rng::seed_from_u64(1);
    test_allocator::forbid();
    let [m, n] = &mut memory;
    let [a, b] = &ends;
    let tcps: [FixedTcp<'_, '_>; 2] = [Tcp::connect_in(a, &mut random, m), Tcp::connect_in(b, &mut random, n)];
    let listener = Listener::<4>::with_capacity();
    let left = Cell::new(3);
    {
        let server = pin!(async {
            let Err(_) = listener.serve(&tcps[1], async |flow| echo(flow).await).await;
        });
        let one = pin!(client(&tcps[0], 1, &left));
        let two = pin!(client(&tcps[0], 2, &left));
        let three = pin!(client(&tcps[0], 3, &left));
        run(&cable, [&tcps[0], &tcps[1]], &listener, &mut [server, one, two, three], &left);
    }
    assert_eq!(tcps[1].statistics().accepted, 3);
    flood(&tcps[1], &listener, &cable);
    test_allocator::allow();
}

/// More SYNs than there is room for.
fn flood(tcp: &FixedTcp<'_, '_>, listener: &Listener<4>, cable: &Cable) {
    for n in 0..10_000u32 {
        let mut syn = [0; 20];
        syn[..2].copy_from_slice(&(1 + n as u16).to_be_bytes());
        (syn[3], syn[12], syn[13]) = (80, 5 << 4, 2);
        let sum = wire::Checksum::pseudo(HOSTS[0], HOSTS[1], Protocol::TCP, 20).bytes(&syn).finish();
        syn[16..18].copy_from_slice(&sum.to_be_bytes());
        let packet = Packet::new(HOSTS[0], HOSTS[1], Protocol::TCP, &syn);
        tcp.input(Inbound::Packet(packet), |_| Some(listener));
        tcp.poll(cable.now.get(), Waker::noop());
        cable.packets.borrow_mut().clear();
    }
    assert_eq!(tcp.usage().half_open, 4);
    assert!(tcp.statistics().cookies_sent > 9000);
}
