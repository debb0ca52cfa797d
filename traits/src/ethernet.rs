//! ETHIF.

use core::fmt;
use core::future::Future;
use core::net::Ipv4Addr;

use wire::{EtherType, MacAddr};

use crate::{Layer, Payload, Run, SendError, TxMeta};

/// Ethernet II with address resolution (ARP lives inside).
///
/// What arrives is demultiplexed by the layer's own `input`, whose labels are
/// its own too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no Ethernet layer",
    note = "`ethif::Ethif<N>` is one over a `Network`; `&E` and `Rc<E>` are when `E` is"
)]
pub trait Ethernet: Layer {
    /// Whether [`Ethernet::write_gathered`] saves a copy of the payload, since
    /// the [device](crate::Network::GATHERS) gathers.
    const GATHERS: bool = false;

    /// The interface's own address.
    fn mac(&self) -> MacAddr;

    /// The largest payload of a frame, in bytes.
    fn mtu(&self) -> usize;

    /// Sends one frame with a payload of at most `len` bytes, which `fill`
    /// writes.
    ///
    /// A packet to a [`To::Host`] that is not resolved yet is filled at once,
    /// kept until the host answers, and dropped (counted) if it does not.
    ///
    /// # Errors
    ///
    /// Those of [`Network::write`](crate::Network::write), and
    /// [`Unresolved`](SendError::Unresolved) for a host that does not answer,
    /// for a packet beyond the host's bound of packets kept, or too large to
    /// be kept. `fill` was not called.
    fn write(
        &self,
        to: To,
        ethertype: EtherType,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError>;

    /// Sends one frame, of whose payload `fill` writes the first `len` bytes and
    /// `payload` is the rest: see
    /// [`Network::write_gathered`](crate::Network::write_gathered).
    ///
    /// # Errors
    ///
    /// As [`Ethernet::write`].
    fn write_gathered(
        &self,
        to: To,
        ethertype: EtherType,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let whole = len.saturating_add(payload.payload_len());
        self.write(to, ethertype, meta, whole, |buffer| payload.copy_behind(len, buffer, fill))
    }

    /// Sends frames that have all but their content in common to a neighbour, as
    /// [`Ethernet::write`] sends each by itself, where its hardware address is at
    /// hand; `None`, with nothing sent, where it is not, and for a layer that has
    /// no such way. The rest is as [`Ip::write_run`](crate::Ip::write_run) has it.
    fn write_run(
        &self,
        host: Ipv4Addr,
        ethertype: EtherType,
        meta: TxMeta,
        run: Run,
        fill: impl FnMut(usize, &mut [u8]) -> usize,
    ) -> Option<(usize, Result<(), SendError>)> {
        let _ = (host, ethertype, meta, run, fill);
        None
    }

    /// Takes `address` as an own address: announces it (RFC 5227 §2.3),
    /// answers requests for it and defends it. An address beyond the layer's
    /// bound is not taken, and `false` returned.
    fn add_ipv4(&self, address: Ipv4Addr) -> bool;

    /// Gives an own address up.
    fn remove_ipv4(&self, address: Ipv4Addr);

    /// The hardware address of a neighbour: known, or asked for.
    ///
    /// # Errors
    ///
    /// [`Unresolved`] when it does not answer.
    fn query_arpv4(&self, address: Ipv4Addr) -> impl Future<Output = Result<MacAddr, Unresolved>>;

    /// Looks whether another host has `address` (RFC 5227 §2.1.1), which
    /// takes 4 to 7 seconds by the RFC's timing. Dropping the future ends the
    /// probe.
    ///
    /// # Errors
    ///
    /// The [`Conflict`] found.
    fn probe_ipv4(&self, address: Ipv4Addr) -> impl Future<Output = Result<(), Conflict>>;

    /// Completes when an own address has to be given up: another host uses it
    /// too and would not let go (RFC 5227 §2.4). The layer has stopped using
    /// it by then. While nobody waits for this, no address is given up.
    fn conflict(&self) -> impl Future<Output = Conflict>;

    /// Says that `address` is alive: a layer above had an answer from it, so
    /// its entry needs no refreshing.
    fn confirm(&self, address: Ipv4Addr);
}

/// Whom a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    /// The hardware address given, a group's included.
    Mac(MacAddr),
    /// The neighbour with this IPv4 address, resolved by ARP.
    Host(Ipv4Addr),
    /// Everybody.
    Broadcast,
}

/// The neighbour did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unresolved;

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the neighbour does not answer ARP")
    }
}

impl core::error::Error for Unresolved {}

/// Another host has the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// The address that both want.
    pub address: Ipv4Addr,
    /// Who the other is.
    pub other: MacAddr,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is in use by {}", self.address, self.other)
    }
}

impl core::error::Error for Conflict {}
