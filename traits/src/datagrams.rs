//! UDPV4.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::num::NonZeroU16;

use crate::{Cast, IcmpErrorKind, Layer, SendError};

/// Datagrams, as UDP sends them.
///
/// What arrives is demultiplexed by the layer's own `input`, which hands each
/// datagram to the [`Receive`] that its port has.
#[diagnostic::on_unimplemented(
    message = "`{Self}` sends no datagrams",
    note = "`udpv4::Udp<I>` does, over an `Ip`; `&U` and `Rc<U>` do when `U` does"
)]
pub trait Datagrams: Layer {
    /// Sends one datagram of at most `len` bytes, which `fill` writes.
    ///
    /// # Errors
    ///
    /// Those of [`Ip::write`](crate::Ip::write). `fill` was not called.
    fn write(
        &self,
        endpoint: Endpoint,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError>;

    /// Sends `payload` from `source_port` to `dst`.
    ///
    /// # Errors
    ///
    /// Those of [`Datagrams::write`].
    fn send(&self, source_port: u16, dst: SocketAddrV4, payload: &[u8]) -> Result<(), SendError> {
        self.write(Endpoint::new(source_port, dst), payload.len(), |buffer| {
            buffer.copy_from_slice(payload);
            payload.len()
        })
    }
}

/// Where a datagram goes, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// Where to; the address may be a broadcast or a group.
    pub dst: SocketAddrV4,
    /// From which port.
    pub source_port: u16,
    /// From which own address; `None` takes the route's.
    pub source: Option<Ipv4Addr>,
    /// Time to live in hops; `None` takes the layer's default.
    pub ttl: Option<u8>,
    /// DSCP and ECN.
    pub tos: u8,
    /// Send several datagrams of this many bytes each in one go, the last may
    /// be shorter: by the device ([`Offload::USO4`](crate::Offload::USO4)) or
    /// one by one.
    pub segment_size: Option<NonZeroU16>,
    /// Another datagram follows at once
    /// ([`TxMeta::more`](crate::TxMeta::more)), for which this one may wait:
    /// whoever sets it flushes behind the last, since that may fail, or wait for
    /// an address.
    pub more: bool,
}

impl Endpoint {
    /// To `dst` from `source_port`, all else at its default.
    pub const fn new(source_port: u16, dst: SocketAddrV4) -> Self {
        Self { dst, source_port, source: None, ttl: None, tos: 0, segment_size: None, more: false }
    }

    /// From a certain own address.
    #[must_use]
    pub const fn from(mut self, source: Ipv4Addr) -> Self {
        self.source = Some(source);
        self
    }

    /// With a time to live.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: u8) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// With DSCP and ECN.
    #[must_use]
    pub const fn with_tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// As several datagrams of `size` bytes each.
    #[must_use]
    pub const fn with_segment_size(mut self, size: NonZeroU16) -> Self {
        self.segment_size = Some(size);
        self
    }

    /// Says whether another follows at once.
    #[must_use]
    pub const fn with_more(mut self, more: bool) -> Self {
        self.more = more;
        self
    }
}

/// Whoever takes the datagrams of a port.
///
/// Called from within `input`: it may write through any layer, and may not
/// block.
pub trait Receive {
    /// Takes one datagram.
    fn receive(&self, datagram: Datagram<'_>);

    /// Learns that a datagram sent from the port was reported undeliverable.
    /// Ignored unless overridden.
    fn error(&self, error: DatagramError) {
        let _ = error;
    }
}

/// A datagram in the driver's own buffer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Datagram<'a> {
    /// Who sent it.
    pub src: SocketAddrV4,
    /// Whom it is for.
    pub dst: SocketAddrV4,
    /// What kind of address that is.
    pub cast: Cast,
    /// Hops left.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// What it carries.
    pub payload: &'a [u8],
    /// The payload is several datagrams of this many bytes each, of which the
    /// last may be shorter.
    pub segment_size: Option<NonZeroU16>,
}

impl<'a> Datagram<'a> {
    /// A unicast datagram with all else at its default.
    pub const fn new(src: SocketAddrV4, dst: SocketAddrV4, payload: &'a [u8]) -> Self {
        Self { src, dst, cast: Cast::Unicast, ttl: 64, tos: 0, payload, segment_size: None }
    }
}

/// A datagram that was sent and reported undeliverable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DatagramError {
    /// What happened.
    pub kind: IcmpErrorKind,
    /// Where it was sent.
    pub dst: SocketAddrV4,
    /// The port it was sent from.
    pub source_port: u16,
}

impl DatagramError {
    /// A report about a datagram from `source_port` to `dst`.
    pub const fn new(kind: IcmpErrorKind, source_port: u16, dst: SocketAddrV4) -> Self {
        Self { kind, dst, source_port }
    }
}
