//! IPV4.

use core::net::Ipv4Addr;

use wire::{Cidr, Protocol};

use crate::{Capabilities, Layer, Payload, Run, RxMeta, SendError, TxMeta};

/// IPv4 with ICMP.
///
/// What arrives is demultiplexed by the layer's own `input`, which hands each
/// protocol an [`Inbound`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no IPv4 layer",
    note = "`ipv4::Ipv4<E>` is one over an `Ethernet`; `&I` and `Rc<I>` are when `I` is"
)]
pub trait Ip: Layer {
    /// Whether [`Ip::write_gathered`] saves a copy of the payload, since the
    /// [device](crate::Network::GATHERS) gathers.
    const GATHERS: bool = false;

    /// Sends one packet with a payload of at most `len` bytes, which `fill`
    /// writes: cut into fragments where it must and may be. Where there are bytes
    /// to be written and `fill` uses none, nothing is sent.
    ///
    /// # Errors
    ///
    /// Those of [`Ethernet::write`](crate::Ethernet::write), and
    /// [`NoRoute`](SendError::NoRoute), [`NoAddress`](SendError::NoAddress)
    /// (a source that is not an own address),
    /// [`TooLong`](SendError::TooLong) (over 65,535 bytes, or over the path's
    /// MTU where it may not be cut). `fill` was not called.
    fn write(
        &self,
        header: Header,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError>;

    /// Sends one packet, of whose payload `fill` writes the first `len` bytes and
    /// `payload` is the rest: see
    /// [`Network::write_gathered`](crate::Network::write_gathered).
    ///
    /// # Errors
    ///
    /// As [`Ip::write`].
    fn write_gathered(
        &self,
        header: Header,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let whole = len.saturating_add(payload.payload_len());
        self.write(header, meta, whole, |buffer| payload.copy_behind(len, buffer, fill))
    }

    /// Sends packets that have all but their content in common, as [`Ip::write`]
    /// sends each by itself, where the way that they go is plain; `None`, with
    /// nothing sent, where it takes thought, and for a layer that has no such way.
    ///
    /// `fill` writes the packet with the index that it is given, and is called in
    /// their order, at most once for each. One of which it uses less than all
    /// bytes is not sent, but counts. What it changes about routes and neighbours
    /// holds from the next run on.
    ///
    /// Returns how many were sent: less than all with the reason why the next was
    /// not, for which `fill` was not called.
    fn write_run(
        &self,
        header: Header,
        meta: TxMeta,
        run: Run,
        fill: impl FnMut(usize, &mut [u8]) -> usize,
    ) -> Option<(usize, Result<(), SendError>)> {
        let _ = (header, meta, run, fill);
        None
    }

    /// How packets to `dst` go: the source address for the pseudo-header, the
    /// MTU and what the device does for them. `src` asks for a certain own
    /// address.
    ///
    /// # Errors
    ///
    /// [`NoRoute`](SendError::NoRoute), [`NoAddress`](SendError::NoAddress).
    fn route(&self, dst: Ipv4Addr, src: Option<Ipv4Addr>) -> Result<Path, SendError>;

    /// Answers `packet` with an ICMP error (RFC 1122 §3.2.2): rate-limited,
    /// and never to a broadcast, a group or an error.
    fn unreachable(&self, packet: &Packet<'_>, code: UnreachableCode);

    /// Replaces addresses, gateways, routes and MTU in one step.
    ///
    /// Lists beyond the layer's bounds are cut; the number of entries left
    /// out is returned.
    fn configure(&self, config: &Config<'_>) -> usize;

    /// Sets the one address of the layer, with its netmask as it was.
    fn set_ipv4(&self, address: Ipv4Addr);

    /// The first own address.
    fn get_ipv4(&self) -> Option<Ipv4Addr>;

    /// Sets the netmask of the first address. One whose ones are not
    /// contiguous counts as long as its leading ones.
    fn set_ipv4_netmask(&self, netmask: Ipv4Addr);

    /// The netmask of the first address.
    fn get_ipv4_netmask(&self) -> Option<Ipv4Addr>;

    /// Sets the gateways, in order of preference. Those beyond the layer's
    /// bound are left out.
    fn set_ipv4_gateways(&self, gateways: &[Ipv4Addr]);

    /// Calls `each` for every gateway, in order of preference.
    fn get_ipv4_gateways(&self, each: impl FnMut(Ipv4Addr));

    /// Whether `address` is an own unicast address.
    fn is_local(&self, address: Ipv4Addr) -> bool;

    /// Grows with every change of the own addresses, so that what is bound to
    /// one knows when to look whether it is still there.
    fn generation(&self) -> u32;

    /// Takes part in a multicast group (RFC 1112, IGMPv2), as often as called.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) when the bound of groups is reached,
    /// [`Unsupported`](SendError::Unsupported) when `group` is none.
    fn join_group(&self, group: Ipv4Addr) -> Result<(), SendError>;

    /// Undoes one [`Ip::join_group`].
    fn leave_group(&self, group: Ipv4Addr);

    /// Says that packets reach `dst`: the next hop needs no refreshing.
    fn confirm(&self, dst: Ipv4Addr);

    /// Believes a report that packets to `dst` may have `mtu` bytes at most.
    ///
    /// For a protocol whose packets carry a number that only the path knows:
    /// the layer hands such a report up without believing it, and learns from
    /// it when it was found to be about a packet under way (RFC 8201 §4 asks
    /// for as much, RFC 5927 §7.2 tells why).
    fn learn_path_mtu(&self, dst: Ipv4Addr, mtu: u16);

    /// Forgets the path MTU learnt for `dst`, so that it is looked for anew.
    fn forget_path_mtu(&self, dst: Ipv4Addr);
}

/// What a layer says of a packet that it sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Header {
    /// Where to: unicast, broadcast or a group.
    pub dst: Ipv4Addr,
    /// From which own address; `None` takes the route's. `0.0.0.0` is
    /// accepted for a layer without an address, towards a broadcast (DHCP).
    pub src: Option<Ipv4Addr>,
    /// The protocol above.
    pub protocol: Protocol,
    /// Time to live in hops, 64 unless set; 1 for a group.
    pub ttl: u8,
    /// DSCP in the upper six bits, ECN in the lower two (RFC 2474, 3168).
    pub tos: u8,
    /// May not be cut on the way (path MTU discovery).
    pub dont_fragment: bool,
}

impl Header {
    /// A packet to `dst` with all defaults.
    pub const fn new(dst: Ipv4Addr, protocol: Protocol) -> Self {
        let ttl = if dst.is_multicast() { 1 } else { 64 };
        Self { dst, src: None, protocol, ttl, tos: 0, dont_fragment: false }
    }

    /// From a certain own address.
    #[must_use]
    pub const fn from(mut self, src: Ipv4Addr) -> Self {
        self.src = Some(src);
        self
    }

    /// With a time to live.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// With DSCP and ECN.
    #[must_use]
    pub const fn with_tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// Not to be cut.
    #[must_use]
    pub const fn with_dont_fragment(mut self) -> Self {
        self.dont_fragment = true;
        self
    }
}

/// How packets to a destination go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Path {
    /// The source address they get.
    pub src: Ipv4Addr,
    /// The largest packet in bytes, IPv4 header included: the route's MTU, or
    /// what path MTU discovery found.
    pub mtu: usize,
    /// What the device does, with `gso_max_size` in bytes of IPv4 payload.
    pub capabilities: Capabilities,
}

impl Path {
    /// A path.
    pub const fn new(src: Ipv4Addr, mtu: usize, capabilities: Capabilities) -> Self {
        Self { src, mtu, capabilities }
    }
}

/// What IPv4 hands to a protocol above it.
#[derive(Clone, Copy, Debug)]
pub enum Inbound<'a> {
    /// A packet for this host.
    Packet(Packet<'a>),
    /// An ICMP error about a packet that this host sent.
    Error(IcmpError<'a>),
}

/// A packet for this host, whole and verified.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Packet<'a> {
    /// Who sent it: never a broadcast, a group or an own address.
    pub src: Ipv4Addr,
    /// Whom it is for.
    pub dst: Ipv4Addr,
    /// What kind of address that is.
    pub cast: Cast,
    /// The protocol of the payload.
    pub protocol: Protocol,
    /// Hops left.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// The header, options included: 20 to 60 bytes.
    pub header: &'a [u8],
    /// What it carries, padding of the frame cut off.
    pub payload: &'a [u8],
    /// What the device says of it.
    pub meta: RxMeta,
}

impl<'a> Packet<'a> {
    /// A unicast packet with all else at its default.
    pub const fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol, payload: &'a [u8]) -> Self {
        Self {
            src,
            dst,
            cast: Cast::Unicast,
            protocol,
            ttl: 64,
            tos: 0,
            header: &[],
            payload,
            meta: RxMeta::NONE,
        }
    }
}

/// What kind of address a packet was sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cast {
    /// An own address.
    Unicast,
    /// The limited or a directed broadcast address.
    Broadcast,
    /// A group.
    Multicast,
}

/// An ICMP error about a packet that this host sent (RFC 792, RFC 1122
/// §3.2.2). Anybody can forge one: the layer checks the quote against what it
/// really sent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct IcmpError<'a> {
    /// What happened.
    pub kind: IcmpErrorKind,
    /// Who says so.
    pub reporter: Ipv4Addr,
    /// The source of the packet: an own address.
    pub src: Ipv4Addr,
    /// Where it was sent.
    pub dst: Ipv4Addr,
    /// Its protocol.
    pub protocol: Protocol,
    /// The first bytes of its payload, 8 at least.
    pub quote: &'a [u8],
}

impl<'a> IcmpError<'a> {
    /// An error about a packet from `src` to `dst`.
    pub const fn new(
        kind: IcmpErrorKind,
        reporter: Ipv4Addr,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        protocol: Protocol,
        quote: &'a [u8],
    ) -> Self {
        Self { kind, reporter, src, dst, protocol, quote }
    }
}

/// What happened to a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum IcmpErrorKind {
    /// It can't be delivered (type 3).
    Unreachable(UnreachableCode),
    /// It was longer than a hop's `mtu` in bytes and marked not to be cut
    /// (RFC 1191), with the floor of the layer applied.
    FragmentationNeeded {
        /// The hop's MTU, in bytes of IPv4 packet.
        mtu: u16,
    },
    /// It ran out of hops, or of time for reassembly (type 11).
    TimeExceeded,
    /// A header field made no sense (type 12).
    ParameterProblem,
}

/// Why a packet can't be delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnreachableCode {
    /// Code 0 and 6, 8, 11: no way to the network.
    Network,
    /// Code 1 and 7, 12: no way to the host.
    Host,
    /// Code 2: the host knows no such protocol.
    Protocol,
    /// Code 3: nobody listens on the port.
    Port,
    /// Code 5: the source route failed.
    SourceRoute,
    /// Code 9, 10, 13 to 15: forbidden.
    Prohibited(Prohibited),
}

/// What is forbidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prohibited {
    /// Code 9: the network.
    Network,
    /// Code 10: the host.
    Host,
    /// Code 13 to 15: by a filter.
    Communication,
}

/// Addresses, gateways, routes and MTU of an IPv4 layer, replaced together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Config<'a> {
    /// Own addresses, each with the prefix of its network. The first is the
    /// one that [`Ip::get_ipv4`] tells.
    pub addresses: &'a [Cidr],
    /// Default gateways, in order of preference.
    pub gateways: &'a [Ipv4Addr],
    /// Further routes; the longest prefix wins.
    pub routes: &'a [RouteEntry],
    /// The largest packet in bytes, where it is to be smaller than the
    /// device's; at least 576.
    pub mtu: Option<u16>,
}

/// A route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteEntry {
    /// What it leads to.
    pub destination: Cidr,
    /// The next hop; `None` where the destination is a neighbour itself.
    pub gateway: Option<Ipv4Addr>,
}
