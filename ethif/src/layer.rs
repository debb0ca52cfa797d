//! The layer as its user holds it, and what comes in.

use core::cell::{Cell, RefCell};

#[cfg(doc)]
use traits::{Ethernet, Layer, SendError, TxMeta};
use traits::{Frame, Instant, Network, Rng, WakerSet};
use wire::EtherType;

use crate::arp::Arp;
use crate::arp::entry::Neighbour;
use crate::frame::{FIRST_ETHERTYPE, HEADER_LEN, Header, VLAN};
use crate::listeners::{Listeners, Payload};
use crate::parked::Parked;
use crate::random::Random;
use crate::stats::{Counters, Statistics};

/// Places in the neighbour cache of [`Ethif::connect`].
pub const DEFAULT_NEIGHBOURS: usize = 64;
/// Packets that [`Ethif::connect`] can keep for unresolved hosts.
pub const DEFAULT_PARKED: usize = 16;

/// Ethernet II and ARP over a [`Network`].
///
/// # Bounds
///
/// | what | how many | beyond it |
/// |---|---|---|
/// | neighbours | `NEIGHBOURS`, half of them without an answer | the one least in use makes room; noise never does away with one in use |
/// | packets kept for a host | half of `PARKED` | [`SendError::Unresolved`] |
/// | packets kept | `PARKED`, of 1500 bytes each | the host that has most loses its oldest to one that has none, else [`SendError::Unresolved`] |
/// | own addresses | 8 | [`Ethernet::add_ipv4`] says `false` |
/// | probes at once | 4 | [`Ethernet::probe_ipv4`] waits |
/// | conflicts not yet told | 8 | the oldest is forgotten |
///
/// What happens there is counted in [`Statistics`]. All memory is within the
/// struct: 1.6 kB for each place in `PARKED`, 48 bytes for each in
/// `NEIGHBOURS`, 30 kB altogether in the form of [`Ethif::connect`].
///
/// # Waiting for a host
///
/// The first packets for a host are kept and go out when it answers; a packet
/// that is too large to keep, or one too many, is refused with
/// [`SendError::Unresolved`] while the host is being asked. Whoever called
/// [`Layer::poll_room`] meanwhile is woken when the host has answered, or
/// failed to, whatever `poll_room` returned.
pub struct Ethif<N, const NEIGHBOURS: usize = DEFAULT_NEIGHBOURS, const PARKED: usize = DEFAULT_PARKED> {
    pub(crate) network: N,
    pub(crate) arp: RefCell<Arp<NEIGHBOURS>>,
    pub(crate) parked: Parked<PARKED>,
    pub(crate) counters: Counters,
    /// Something due could not go out: the device is full.
    pub(crate) blocked: Cell<bool>,
    /// The deadline that the tasks know of.
    pub(crate) armed: Cell<Instant>,
    /// Tasks that poll the layer.
    pub(crate) pollers: WakerSet<8>,
    /// Tasks that wait for room, or for a host.
    pub(crate) room: WakerSet<8>,
    /// Futures that wait for a host, a probe or a conflict.
    pub(crate) events: WakerSet<8>,
}

impl<N: Network> Ethif<N> {
    /// An Ethernet layer over `network`, with a cache of 64 neighbours and
    /// room for 16 packets that wait for theirs.
    pub fn connect(network: N) -> Self {
        Self::with_capacity(network)
    }
}

impl<N: Network, const NEIGHBOURS: usize, const PARKED: usize> Ethif<N, NEIGHBOURS, PARKED> {
    /// An Ethernet layer with other bounds:
    /// `Ethif::<_, 8, 2>::with_capacity(&net)`.
    pub fn with_capacity(network: N) -> Self {
        const { assert!(NEIGHBOURS > 0, "a cache without places") };
        let [_, _, a, b, c, d] = network.mac().0;
        let seed = network.now().as_nanos() ^ u64::from(u32::from_be_bytes([a, b, c, d])) << 32;
        Self {
            network,
            arp: RefCell::new(Arp::new(seed)),
            parked: Parked::new(),
            counters: Counters::default(),
            blocked: Cell::new(false),
            armed: Cell::new(Instant::MAX),
            pollers: WakerSet::new(),
            room: WakerSet::new(),
            events: WakerSet::new(),
        }
    }

    /// Takes the random delays of address probes (RFC 5227 §2.1.1) from
    /// `random`, rather than from the hardware address and the time.
    #[must_use]
    pub fn seeded(self, random: &mut impl Rng) -> Self {
        self.arp.borrow_mut().random = Random::new(random.next_u64());
        self
    }

    /// The device below.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// What was dropped and refused since the start or the last reset.
    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }

    /// Sets all counters to zero.
    pub fn reset_statistics(&self) {
        self.counters.reset();
    }

    /// Calls `each` for every neighbour in the cache, in no order.
    pub fn neighbours(&self, mut each: impl FnMut(Neighbour)) {
        let now = self.network.now();
        for index in 0..NEIGHBOURS {
            let neighbour = self.arp.borrow().cache.neighbour(index, now);
            if let Some(neighbour) = neighbour {
                each(neighbour);
            }
        }
    }

    /// Takes in a frame, and hands its payload to the label that it is for.
    ///
    /// ARP is dealt with here; an answer goes out at once, with
    /// [`TxMeta::more`].
    #[inline]
    pub fn input<V4, V6, O>(&self, frame: Frame<'_>, mut listeners: Listeners<V4, V6, O>)
    where
        V4: FnMut(Frame<'_>),
        V6: FnMut(Frame<'_>),
        O: FnMut(EtherType, Payload<'_>),
    {
        let Some((header, payload)) = Header::split(frame.bytes) else { return self.counters.runt.add() };
        let Some(cast) = header.cast(self.network.mac()) else { return self.counters.other_host.add() };
        if !header.source.is_unicast() {
            return self.counters.bad_source.add();
        }
        let meta = frame.meta.above(HEADER_LEN as u16).with_link(cast);
        match header.ethertype() {
            EtherType::IPV4 => (listeners.ipv4)(Frame::new(payload, meta)),
            EtherType::IPV6 => (listeners.ipv6)(Frame::new(payload, meta)),
            EtherType::ARP => self.input_arp(payload),
            other if self.accepts(other) => {
                let (source, destination) = (header.source, header.destination);
                (listeners.other)(other, Payload { source, destination, bytes: payload, meta });
            }
            _ => {}
        }
    }

    /// Whether a frame of another EtherType is for the label `other`. Apart
    /// from `input`, to keep the path of IPv4 small.
    #[inline(never)]
    fn accepts(&self, ethertype: EtherType) -> bool {
        let accepted = ethertype.0 >= FIRST_ETHERTYPE && !VLAN.contains(&ethertype);
        if accepted {
            self.counters.other.add();
        } else if ethertype.0 < FIRST_ETHERTYPE {
            self.counters.llc.add();
        } else {
            self.counters.vlan.add();
        }
        accepted
    }
}
