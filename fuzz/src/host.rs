//! A tower under test.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ethif::Ethif;
use ipv4::Ipv4;
use netif_memory::VirtualClock;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tcpv4::{Limits, Listener, Tcp};
use traits::{Cidr, Config, Frame, Inbound, Instant, Ip, Layer, Receive, RxMeta, SendError, Time};
use udpv4::{Socket, Udp, callback};
use wire::{EtherType, Protocol};

use crate::Bytes;
use crate::device::Device;
use crate::groups;
use crate::packet::{self, PEER, STACK};
use crate::wire_check::{check_datagram, check_taken, claimed, owed_datagram, owed_packet};

/// Ethernet with little room, so that its bounds are met.
pub type E<'a> = Ethif<&'a Device<'a>, 8, 4>;
/// IPv4 likewise.
pub type I<'a> = Ipv4<&'a E<'a>, 2, 4096, GROUPS, 4>;
/// Groups that it has room for, and other entries.
const GROUPS: usize = 4;
/// TCP over it.
pub type T<'a> = Tcp<&'a I<'a>>;

/// The port of a listener for connections.
pub const TCP_PORT: u16 = 80;
/// The port of a receiver that sends everything back.
pub const ECHO_PORT: u16 = 7;
/// The port of a socket with a queue.
pub const SOCKET_PORT: u16 = 53;

/// A tower with listeners, and a peer that the fuzzer plays.
#[allow(missing_debug_implementations, reason = "layers are not for printing")]
pub struct Host<'a> {
    /// The clock of all.
    pub clock: &'a VirtualClock,
    /// The bottom.
    pub device: &'a Device<'a>,
    /// Ethernet.
    pub ethernet: &'a E<'a>,
    /// IPv4.
    pub ip: &'a I<'a>,
    /// UDP.
    pub udp: &'a Udp<&'a I<'a>>,
    /// TCP.
    pub tcp: &'a T<'a>,
    /// Takes connections to [`TCP_PORT`].
    pub listener: &'a Listener<4>,
    /// Takes datagrams to [`SOCKET_PORT`].
    pub socket: &'a Socket<256, 4>,
    /// The addresses that frames have said to be somebody's.
    claims: RefCell<HashSet<([u8; 6], [u8; 4])>>,
}

/// Generators that are the same each time.
pub fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Builds a tower, with an address and a gateway if `configured`, and hands
/// it to `run`.
pub fn with_host<R>(configured: bool, run: impl FnOnce(&Host<'_>) -> R) -> R {
    let clock = VirtualClock::new();
    clock.advance(Instant::from_secs(1));
    let device = Device::new(&clock);
    let ethernet = E::with_capacity(&device).seeded(&mut random(1));
    let ip = I::with_capacity(&ethernet);
    ip.seed(&mut random(2));
    let udp = Udp::connect(&ip);
    let mut limits = Limits::default();
    (limits.connections, limits.half_open, limits.time_wait, limits.bytes) = (4, 4, 4, 1 << 17);
    let tcp = Tcp::connect_with_limits(&ip, &mut random(3), limits);
    if configured {
        let addresses = [Cidr::new(STACK.1, 24)];
        ip.configure(&Config { addresses: &addresses, gateways: &[PEER.1], ..Config::default() });
    }
    let (listener, socket) = (Listener::with_capacity(), Socket::with_capacity());
    let host = Host {
        clock: &clock,
        device: &device,
        ethernet: &ethernet,
        ip: &ip,
        udp: &udp,
        tcp: &tcp,
        listener: &listener,
        socket: &socket,
        claims: RefCell::default(),
    };
    host.poll();
    run(&host)
}

impl Host<'_> {
    /// Has connections from now on offer ECN; a peer's offer is taken up anyhow.
    pub fn offer_ecn(&self) {
        let mut settings = self.tcp.settings();
        settings.ecn = true;
        self.tcp.set_settings(settings);
    }

    /// Hands a frame up the tower. What it takes, an independent parser takes
    /// as well; what that finds nothing wrong with is not refused.
    pub fn input(&self, frame: &[u8], meta: RxMeta, dhcp: Option<&dyn Receive>) {
        self.claims.borrow_mut().extend(claimed(frame));
        self.device.groups.hear(frame);
        let trusted = meta.checksum.is_trusted();
        let (taken, echoed) = (Cell::new(false), Cell::new(false));
        let echo = callback(|datagram: traits::Datagram<'_>| {
            check_datagram(frame, &datagram, trusted);
            echoed.set(true);
            let _ = traits::Datagrams::send(self.udp, ECHO_PORT, datagram.src, datagram.payload);
        });
        let ports = |port| match port {
            ECHO_PORT => Some(&echo as &dyn Receive),
            SOCKET_PORT => Some(self.socket as &dyn Receive),
            68 => dhcp,
            _ => None,
        };
        let look = |inbound: &Inbound<'_>| {
            if let Inbound::Packet(packet) = inbound {
                check_taken(packet);
                taken.set(true);
            }
        };
        let listener = |port| (port == TCP_PORT).then_some(self.listener as _);
        let labels = ethif::listeners().ipv4(|packet| {
            let labels = ipv4::listeners()
                .tcp(|inbound| {
                    look(&inbound);
                    self.tcp.input(inbound, listener);
                })
                .udp(|inbound| {
                    look(&inbound);
                    self.udp.input(inbound, ports);
                })
                .icmp(|inbound| look(&inbound));
            self.ip.input(packet, labels);
        });
        self.ethernet.input(Frame::new(frame, meta), labels);
        // A client of DHCP may have other addresses by now, and a device that
        // has a word in it has reasons of its own.
        let alone = dhcp.is_none() && meta == RxMeta::NONE && self.ip.get_ipv4() == Some(STACK.1);
        let Some((header, payload)) = owed_packet(frame).filter(|_| alone) else { return };
        let wanted = [Protocol::TCP.0, Protocol::UDP.0].contains(&header.protocol.0);
        assert!(taken.get() || !wanted, "refuses a good packet: {frame:02x?}");
        let to_echo = owed_datagram(&header, payload) == Some(ECHO_PORT);
        assert!(echoed.get() || !to_echo, "refuses a good datagram: {frame:02x?}");
    }

    /// Panics where a neighbour is known that nobody said to be one.
    pub fn check_neighbours(&self) {
        let claims = self.claims.borrow();
        self.ethernet.neighbours(|neighbour| {
            let Some(mac) = neighbour.mac else { return };
            assert!(claims.contains(&(mac.0, neighbour.address.octets())), "{neighbour:?}");
        });
    }

    /// Hands a frame up as it is.
    pub fn frame(&self, frame: &[u8]) {
        self.input(frame, RxMeta::NONE, None);
    }

    /// What the tower's task does, once; when it is due next.
    pub fn poll(&self) -> Option<Instant> {
        let now = self.clock.now();
        let next = self.tcp.poll(now, Waker::noop());
        self.tcp.flush();
        assert!(next.is_none_or(|next| next > now), "due at {next:?}, which is not after {now:?}");
        next
    }

    /// Lets time pass, deadline by deadline; the last may be missed.
    pub fn pass(&self, duration: Duration) {
        let end = self.clock.now() + duration;
        for _ in 0..64 {
            match self.poll() {
                Some(next) if next < end => self.clock.advance(next),
                Some(_) | None => break,
            }
        }
        self.clock.advance(end);
        self.poll();
    }

    /// Lets time pass until nothing is due, for so many deadlines at most.
    pub fn settle(&self, deadlines: usize) {
        for _ in 0..deadlines {
            match self.poll() {
                Some(next) => self.clock.advance(next),
                None => return,
            }
        }
    }

    /// Joins a group, leaves one, or hears somebody speak of groups.
    pub fn group(&self, bytes: &mut Bytes<'_>) {
        match bytes.u8() % 4 {
            0 | 1 => self.join(groups::group(bytes)),
            2 => {
                let group = groups::group(bytes);
                self.device.groups.leave(group);
                self.ip.leave_group(group);
            }
            _ => self.frame(&groups::message(bytes)),
        }
    }

    /// Joins a group. It is reported at once.
    fn join(&self, group: std::net::Ipv4Addr) {
        let groups = &self.device.groups;
        let before = groups.len();
        groups.join(group);
        match self.ip.join_group(group) {
            Ok(()) => assert!(group.is_multicast() && groups.len() <= GROUPS, "joined {group}"),
            Err(SendError::Full) => {
                groups.leave(group);
                assert!(before == GROUPS && groups.len() == before, "no room for {group}");
            }
            Err(error) => {
                groups.leave(group);
                assert!(error == SendError::Unsupported && !group.is_multicast(), "{error}: {group}");
            }
        }
        self.poll();
        // What the device had no room for comes later.
        let mut reports = groups.reports().into_iter().filter(|(other, _)| *other == group);
        let is_new = groups.len() > before && !self.device.is_full();
        assert!(!is_new || reports.any(|(_, reports)| reports > 0), "{group} is joined and not reported");
    }

    /// A router asks for all groups: each is reported in time.
    pub fn query(&self, tenths: u8) {
        let tenths = tenths.max(1);
        let before = self.device.groups.reports();
        self.frame(&groups::general_query(tenths));
        self.pass(Duration::from_millis(u64::from(tenths) * 100));
        let after = self.device.groups.reports();
        let all = before.iter().zip(&after).all(|(before, after)| after.1 > before.1);
        assert!(all && before.len() == after.len(), "asked within {tenths}, of {before:?} these: {after:?}");
    }

    /// Has the peer known to the stack.
    pub fn greet(&self) {
        self.frame(&packet::ethernet(STACK.0, PEER.0, EtherType::ARP, &packet::arp(1, PEER, STACK)));
        self.poll();
    }

    /// Answers what the stack asks by ARP for any address but its own.
    pub fn answer_arp(&self) {
        for frame in self.device.last_sent() {
            let Some(&[1]) = frame.get(21..22) else { continue };
            if frame.get(12..14) != Some(&[0x08, 0x06]) {
                continue;
            }
            let Some(target) = frame.get(38..).and_then(<[u8]>::first_chunk::<4>) else { continue };
            let owner = (PEER.0, (*target).into());
            if owner.1 != STACK.1 {
                self.frame(&packet::ethernet(STACK.0, PEER.0, EtherType::ARP, &packet::arp(2, owner, STACK)));
            }
        }
    }
}

/// Polls a future once.
pub fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Addresses with a meaning to the stack.
pub fn address(bytes: &mut Bytes<'_>) -> std::net::Ipv4Addr {
    let choice = [
        PEER.1,
        STACK.1,
        std::net::Ipv4Addr::BROADCAST,
        std::net::Ipv4Addr::UNSPECIFIED,
        std::net::Ipv4Addr::LOCALHOST,
        [10, 0, 0, 255].into(),
        [224, 0, 0, 1].into(),
        [10, 0, 0, 77].into(),
    ];
    match bytes.u8() {
        255 => bytes.u32().into(),
        254 => groups::GROUP,
        n => choice.get(usize::from(n) % choice.len()).copied().unwrap_or(PEER.1),
    }
}

/// Protocols with a meaning to the stack, mostly.
pub fn protocol(bytes: &mut Bytes<'_>) -> Protocol {
    match bytes.u8() % 6 {
        0 => Protocol::ICMP,
        1 => Protocol::TCP,
        2 => Protocol::UDP,
        3 => Protocol::IGMP,
        _ => Protocol(bytes.u8()),
    }
}
