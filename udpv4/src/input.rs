//! Receiving: bytes to datagrams, datagrams to ports.

use core::net::SocketAddrV4;
use core::num::NonZeroU16;

use traits::{
    Cast, Datagram, DatagramError, IcmpError, Inbound, Ip, LinkCast, Packet, Receive, UnreachableCode,
};
use wire::{Checksum, Protocol};
use zerocopy::FromBytes;

use crate::Udp;
use crate::header::{HEADER_LEN, Header};

/// Why a packet is no datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bad {
    Malformed,
    Checksum,
}

impl<I: Ip> Udp<I> {
    /// Takes what IPv4 hands up and gives it to the receiver that `listeners`
    /// names for the destination port, or for an ICMP error the port that the
    /// datagram in question was sent from.
    ///
    /// A datagram to a port without a receiver is answered with port
    /// unreachable, unless it went to a broadcast or a group (RFC 1122
    /// §3.2.2). What is dropped is counted in
    /// [`Statistics`](crate::Statistics).
    #[inline]
    pub fn input<'l>(&self, inbound: Inbound<'_>, mut listeners: impl FnMut(u16) -> Option<&'l dyn Receive>) {
        match inbound {
            Inbound::Packet(packet) => match parse(&packet) {
                Ok(datagram) => match listeners(datagram.dst.port()) {
                    Some(receiver) => {
                        self.counters.rx_datagrams.bump();
                        receiver.receive(datagram);
                    }
                    None => self.no_port(&packet),
                },
                Err(Bad::Malformed) => self.counters.rx_malformed.bump(),
                Err(Bad::Checksum) => self.counters.rx_checksum.bump(),
            },
            Inbound::Error(error) => {
                let report = quoted(&error).and_then(|report| Some((listeners(report.source_port)?, report)));
                match report {
                    Some((receiver, report)) => {
                        self.counters.rx_errors.bump();
                        receiver.error(report);
                    }
                    None => self.counters.rx_errors_dropped.bump(),
                }
            }
        }
    }

    #[cold]
    fn no_port(&self, packet: &Packet<'_>) {
        self.counters.rx_no_port.bump();
        match (packet.cast, packet.meta.link) {
            (Cast::Unicast, LinkCast::Host) => self.ip.unreachable(packet, UnreachableCode::Port),
            (Cast::Broadcast | Cast::Multicast, _) | (_, LinkCast::Broadcast | LinkCast::Multicast) => {}
        }
    }
}

/// The datagram in a packet.
#[inline]
fn parse<'a>(packet: &Packet<'a>) -> Result<Datagram<'a>, Bad> {
    let (header, _) = Header::read_from_prefix(packet.payload).map_err(|_| Bad::Malformed)?;
    // What follows the length given is no part of the datagram (RFC 768).
    let whole = packet.payload.get(..usize::from(header.length.get())).ok_or(Bad::Malformed)?;
    let payload = whole.get(HEADER_LEN..).ok_or(Bad::Malformed)?;
    // RFC 768: a checksum of zero means that the sender made none.
    let checked = header.checksum.get() == 0 || packet.meta.checksum.is_trusted();
    if !checked {
        let sum = Checksum::pseudo(packet.src, packet.dst, Protocol::UDP, whole.len()).bytes(whole);
        if sum.finish() != 0 {
            return Err(Bad::Checksum);
        }
    }
    let src = SocketAddrV4::new(packet.src, header.source.get());
    let dst = SocketAddrV4::new(packet.dst, header.destination.get());
    let mut datagram = Datagram::new(src, dst, payload);
    datagram.cast = packet.cast;
    datagram.ttl = packet.ttl;
    datagram.tos = packet.tos;
    datagram.segment_size =
        packet.meta.segment_size.filter(|&size: &NonZeroU16| usize::from(size.get()) < payload.len());
    Ok(datagram)
}

/// The datagram that an ICMP error is about, by its header in the quote.
fn quoted(error: &IcmpError<'_>) -> Option<DatagramError> {
    let (header, _) = Header::read_from_prefix(error.quote).ok()?;
    let dst = SocketAddrV4::new(error.dst, header.destination.get());
    Some(DatagramError::new(error.kind, header.source.get(), dst))
}
