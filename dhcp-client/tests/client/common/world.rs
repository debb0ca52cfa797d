//! Layers, time and a console that keep what they are given, in fixed places.

use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::net::{Ipv4Addr, SocketAddrV4};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use dhcp_client::server::Server;
use dhcp_client::{Dhcp, Options};
use heapless::{String, Vec};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use traits::*;

use super::{MAC, NONE, SERVER};

pub type Client<'a> = Dhcp<&'a World, &'a World, ChaCha8Rng, &'a World, &'a World, &'a World>;

/// What the IPv4 layer was configured with.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Configured {
    pub addresses: Vec<Cidr, 2>,
    pub gateways: Vec<Ipv4Addr, 4>,
    pub mtu: Option<u16>,
}

pub struct World {
    pub now: Cell<Instant>,
    /// The earliest deadline that somebody sleeps for.
    pub next: Cell<Option<Instant>>,
    pub sent: RefCell<Vec<(Endpoint, Vec<u8, 548>), 8>>,
    /// Errors of the next writes.
    pub refuse: Cell<Option<SendError>>,
    pub room: WakerSet,
    pub configured: RefCell<Configured>,
    pub configurations: Cell<usize>,
    /// Who answers ARP.
    pub neighbour: Cell<Option<(Ipv4Addr, MacAddr)>>,
    /// Whether those who do not answer are given up at once.
    pub unresolved: Cell<bool>,
    pub conflict: Cell<Option<Conflict>>,
    /// The address that the Ethernet layer was given last.
    pub added: Cell<Option<Ipv4Addr>>,
    pub probes: Cell<usize>,
    pub log: RefCell<String<4096>>,
    pub server: RefCell<Option<Server<4>>>,
}

impl World {
    pub fn new() -> Self {
        let first = Ipv4Addr::new(10, 0, 0, 50);
        let mask = Ipv4Addr::new(255, 255, 255, 0);
        Self {
            now: Cell::new(Instant::from_secs(1)),
            next: Cell::default(),
            sent: RefCell::default(),
            refuse: Cell::default(),
            room: WakerSet::new(),
            configured: RefCell::default(),
            configurations: Cell::default(),
            neighbour: Cell::default(),
            unresolved: Cell::default(),
            conflict: Cell::default(),
            added: Cell::default(),
            probes: Cell::default(),
            log: RefCell::default(),
            server: RefCell::new(Some(Server::new(SERVER, first, mask, Duration::from_secs(1000)))),
        }
    }

    pub fn client(&self, options: Options) -> Client<'_> {
        let random = ChaCha8Rng::seed_from_u64(5);
        Dhcp::create(self, self, random, self, self, self).with_options(options)
    }

    pub fn address(&self) -> Option<Ipv4Addr> {
        self.configured.borrow().addresses.first().map(|cidr| cidr.address())
    }

    /// Takes what was sent last.
    pub fn take_sent(&self) -> Option<(Endpoint, Vec<u8, 548>)> {
        self.sent.borrow_mut().pop()
    }

    /// Polls until nothing happens any more at this time; the server answers.
    pub fn settle<F: Future>(&self, client: &Client<'_>, mut task: Pin<&mut F>) -> Option<F::Output> {
        for _ in 0..10 {
            self.next.set(None);
            if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(output);
            }
            if !self.serve(client) && self.next.get().is_none_or(|at| at > self.now.get()) {
                return None;
            }
        }
        panic!("never settles");
    }

    /// The same until `end`, letting the time pass.
    pub fn run<F: Future>(
        &self,
        client: &Client<'_>,
        mut task: Pin<&mut F>,
        end: Instant,
    ) -> Option<F::Output> {
        loop {
            if let Some(output) = self.settle(client, task.as_mut()) {
                return Some(output);
            }
            match self.next.get() {
                Some(at) if at <= end => self.now.set(at),
                _ => {
                    self.now.set(end);
                    return self.settle(client, task);
                }
            }
        }
    }

    fn serve(&self, client: &Client<'_>) -> bool {
        let mut served = false;
        loop {
            let Some((endpoint, bytes)) = self.take_sent() else { return served };
            let mut buffer = [0; 600];
            let reply = match &mut *self.server.borrow_mut() {
                Some(server) => server.handle(self.now.get(), &bytes, &mut buffer).unwrap(),
                None => None,
            };
            if let Some(reply) = reply {
                served = true;
                let src = SocketAddrV4::new(SERVER, 67);
                let dst = SocketAddrV4::new(reply.to, endpoint.source_port);
                let receiver = client.listen(endpoint.source_port).unwrap();
                receiver.receive(Datagram::new(src, dst, &buffer[..reply.len]));
            }
        }
    }
}

impl Layer for World {
    fn now(&self) -> Instant {
        self.now.get()
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }
    fn poll(&self, _: Instant, _: &Waker) -> Option<Instant> {
        None
    }
    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if self.refuse.get() == Some(SendError::Full) {
            self.room.register(waker);
            return Poll::Pending;
        }
        Poll::Ready(())
    }
    fn has_backlog(&self) -> bool {
        false
    }
    fn flush(&self) {}
}

impl Time for World {
    fn now(&self) -> Instant {
        self.now.get()
    }
    async fn sleep_until(&self, deadline: Instant) {
        poll_fn(|_| {
            if deadline <= self.now.get() {
                return Poll::Ready(());
            }
            self.next.set(Some(self.next.get().map_or(deadline, |next| next.min(deadline))));
            Poll::Pending
        })
        .await
    }
}

impl Console for World {
    fn write(&self, bytes: &[u8]) {
        let _ = self.log.borrow_mut().push_str(core::str::from_utf8(bytes).unwrap());
    }
}

impl Ethernet for World {
    fn mac(&self) -> MacAddr {
        MAC
    }
    fn mtu(&self) -> usize {
        1500
    }
    fn write(
        &self,
        _: To,
        _: EtherType,
        _: TxMeta,
        _: usize,
        _: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        Err(SendError::Unsupported)
    }
    fn add_ipv4(&self, address: Ipv4Addr) -> bool {
        self.added.set(Some(address));
        true
    }
    fn remove_ipv4(&self, _: Ipv4Addr) {}
    async fn query_arpv4(&self, address: Ipv4Addr) -> Result<MacAddr, Unresolved> {
        poll_fn(|_| match self.neighbour.get() {
            Some((known, mac)) if known == address => Poll::Ready(Ok(mac)),
            _ if self.unresolved.get() => Poll::Ready(Err(Unresolved)),
            _ => Poll::Pending,
        })
        .await
    }
    async fn probe_ipv4(&self, address: Ipv4Addr) -> Result<(), Conflict> {
        self.probes.set(self.probes.get() + 1);
        Time::sleep(self, Duration::from_secs(5)).await;
        match self.neighbour.get() {
            Some((known, other)) if known == address => Err(Conflict { address, other }),
            _ => Ok(()),
        }
    }
    async fn conflict(&self) -> Conflict {
        poll_fn(|_| self.conflict.take().map_or(Poll::Pending, Poll::Ready)).await
    }
    fn confirm(&self, _: Ipv4Addr) {}
}

impl Ip for World {
    fn write(
        &self,
        _: Header,
        _: TxMeta,
        _: usize,
        _: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        Err(SendError::Unsupported)
    }
    fn route(&self, _: Ipv4Addr, _: Option<Ipv4Addr>) -> Result<Path, SendError> {
        Err(SendError::Unsupported)
    }
    fn unreachable(&self, _: &Packet<'_>, _: UnreachableCode) {}
    fn configure(&self, config: &Config<'_>) -> usize {
        self.configurations.set(self.configurations.get() + 1);
        self.configured.replace(Configured {
            addresses: Vec::from_slice(config.addresses).unwrap(),
            gateways: Vec::from_slice(config.gateways).unwrap(),
            mtu: config.mtu,
        });
        0
    }
    fn set_ipv4(&self, _: Ipv4Addr) {}
    fn get_ipv4(&self) -> Option<Ipv4Addr> {
        self.address()
    }
    fn set_ipv4_netmask(&self, _: Ipv4Addr) {}
    fn get_ipv4_netmask(&self) -> Option<Ipv4Addr> {
        None
    }
    fn set_ipv4_gateways(&self, _: &[Ipv4Addr]) {}
    fn get_ipv4_gateways(&self, _: impl FnMut(Ipv4Addr)) {}
    fn is_local(&self, address: Ipv4Addr) -> bool {
        self.address() == Some(address)
    }
    fn generation(&self) -> u32 {
        0
    }
    fn join_group(&self, _: Ipv4Addr) -> Result<(), SendError> {
        Ok(())
    }
    fn leave_group(&self, _: Ipv4Addr) {}
    fn confirm(&self, _: Ipv4Addr) {}
    fn learn_path_mtu(&self, _: Ipv4Addr, _: u16) {}
    fn forget_path_mtu(&self, _: Ipv4Addr) {}
}

impl Datagrams for World {
    fn write(
        &self,
        endpoint: Endpoint,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        if let Some(error) = self.refuse.get() {
            return Err(error);
        }
        // An address that the layer has, or none.
        let source = endpoint.source.unwrap();
        if source != NONE && self.address() != Some(source) {
            return Err(SendError::NoAddress);
        }
        let mut buffer = [0; 548];
        let used = fill(&mut buffer[..len]);
        let bytes = Vec::from_slice(&buffer[..used]).unwrap();
        let _ = self.sent.borrow_mut().push((endpoint, bytes));
        Ok(())
    }
}
