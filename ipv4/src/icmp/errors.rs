//! What is done with messages received, and errors sent.

use traits::{Cast, Ethernet, Header, IcmpError, IcmpErrorKind, Ip as _, LinkCast, Packet, TxMeta};
use wire::{Protocol, checksum};

use super::message::{ErrorToSend, ICMP_HEADER_LEN, Kind, classify, is_error, make_echo_reply};
use crate::addressing::is_host;
use crate::header::{HEADER_LEN, HeaderFields, MAX_HEADER_LEN, parse_quote};
use crate::input::Control;
use crate::path_mtu::{MIN_PATH_MTU, PathMtus};
use crate::stats::Count;
use crate::{Ipv4, MAX_ERROR_LEN};

/// The traffic class of errors: internetwork control (RFC 1812 §4.3.2.5).
const ERROR_TOS: u8 = 0xc0;

impl<E, const BUFFERS: usize, const BUFFER: usize, const ENTRIES: usize, const PATHS: usize>
    Ipv4<E, BUFFERS, BUFFER, ENTRIES, PATHS>
where
    E: Ethernet,
{
    /// Deals with an ICMP message, and says what a label is to be told of it.
    pub(crate) fn icmp<'p>(&self, packet: &Packet<'p>) -> Result<Control<'p>, Count> {
        self.counters.add(Count::IcmpRx);
        let (head, data) = packet.payload.split_first_chunk::<ICMP_HEADER_LEN>().ok_or(Count::IcmpTruncated)?;
        if checksum(packet.payload) != 0 {
            return Err(Count::IcmpChecksum);
        }
        let [kind, code, _, _, _, _, high, low] = *head;
        match classify(kind, code, u16::from_be_bytes([high, low])) {
            Kind::EchoRequest => Err(self.echo(packet)),
            Kind::Error(error) => self.icmp_error(packet, data, |_, _| Ok(error)),
            Kind::FragmentationNeeded { mtu } => self.icmp_error(packet, data, |layer, quoted| {
                layer.path_too_long(quoted.fields, quoted.total_length, mtu)
            }),
            Kind::Ignored => Err(Count::IcmpIgnored),
            Kind::Other => Ok(Control::Message),
        }
    }

    /// Answers an echo request (RFC 1122 §3.2.2.6) from the address that it
    /// was sent to.
    fn echo(&self, packet: &Packet<'_>) -> Count {
        // May be ignored, and has to be against amplification.
        if is_shared(packet) {
            return Count::IcmpEchoIgnored;
        }
        let header = Header::new(packet.src, Protocol::ICMP).from(packet.dst).with_tos(packet.tos);
        let len = packet.payload.len();
        let sent = self.send(&header, &[], TxMeta::NONE.with_more(true), len, &mut |reply| {
            let len = reply.len().min(packet.payload.len());
            if let (Some(to), Some(from)) = (reply.get_mut(..len), packet.payload.get(..len)) {
                to.copy_from_slice(from);
            }
            make_echo_reply(reply);
            len
        });
        sent.map_or(Count::IcmpTxFailed, |()| Count::IcmpEchoAnswered)
    }

    /// Checks the quote of an error: `kind` tells what it means once it is
    /// known to be about a packet that this host can have sent.
    fn icmp_error<'p>(
        &self,
        packet: &Packet<'p>,
        quote: &'p [u8],
        kind: impl FnOnce(&Self, &crate::header::Quoted<'p>) -> Result<IcmpErrorKind, Count>,
    ) -> Result<Control<'p>, Count> {
        if is_shared(packet) {
            return Err(Count::IcmpIgnored);
        }
        let quoted = parse_quote(quote).ok_or(Count::IcmpTruncated)?;
        if quoted.payload.len() < 8 {
            return Err(Count::IcmpTruncated);
        }
        let fields = quoted.fields;
        let own = {
            let addressing = self.addressing.borrow();
            addressing.is_local(fields.src) && !addressing.is_local(fields.dst)
        };
        // Only the first fragment tells of ports and connections.
        if !own || !is_host(fields.dst) || fields.fragmentation.offset() != 0 {
            return Err(Count::IcmpBadQuote);
        }
        let kind = kind(self, &quoted)?;
        self.counters.add(Count::IcmpErrorsRx);
        let HeaderFields { src, dst, protocol, .. } = fields;
        Ok(Control::Error(IcmpError::new(kind, packet.src, src, dst, protocol, quoted.payload)))
    }

    /// RFC 1191 §3, §6.3: believes a router that says how long a packet may
    /// be, within reason. Who forges a report without having seen the packet
    /// gets no further than [`MIN_PATH_MTU`], for
    /// [`PATH_MTU_AGE`](crate::PATH_MTU_AGE); and nowhere where the packet was
    /// TCP's, which looks whether it is under way first.
    fn path_too_long(
        &self,
        quoted: HeaderFields,
        quoted_len: u16,
        reported: u16,
    ) -> Result<IcmpErrorKind, Count> {
        // Packets that may be cut are cut, not reported; nor was any longer
        // than the device takes.
        let device = self.addressing.borrow().mtu(self.ethernet.mtu());
        let possible = quoted.fragmentation.dont_fragment() && usize::from(quoted_len) <= device;
        let mtu =
            PathMtus::<PATHS>::judge(quoted_len, reported).filter(|_| possible).ok_or(Count::IcmpBadQuote)?;
        if quoted.protocol != Protocol::TCP {
            self.learn_path_mtu(quoted.dst, mtu);
        }
        Ok(IcmpErrorKind::FragmentationNeeded { mtu: mtu.max(MIN_PATH_MTU) })
    }

    /// Sends an error about `packet`, unless RFC 1122 §3.2.2 or the rate
    /// forbids it.
    pub(crate) fn send_error(&self, packet: &Packet<'_>, error: ErrorToSend, more: bool) {
        let about_error =
            packet.protocol == Protocol::ICMP && packet.payload.first().is_none_or(|kind| is_error(*kind));
        if is_shared(packet) || about_error || !is_host(packet.src) {
            return self.counters.add(Count::IcmpSuppressed);
        }
        if !self.limit.take(self.ethernet.now(), self.secret.below(3)) {
            return self.counters.add(Count::IcmpLimited);
        }
        let mut made = [0; MAX_HEADER_LEN];
        let quoted_header = quoted_header(packet, &mut made);
        // RFC 1812 §4.3.2.3: as much as fits into 576 bytes.
        let room = MAX_ERROR_LEN - HEADER_LEN - ICMP_HEADER_LEN - quoted_header.len();
        let data = packet.payload.get(..room).unwrap_or(packet.payload);
        let header = Header::new(packet.src, Protocol::ICMP).from(packet.dst).with_tos(ERROR_TOS);
        let meta = TxMeta::NONE.with_more(more);
        let len = ICMP_HEADER_LEN + quoted_header.len() + data.len();
        let sent =
            self.send(&header, &[], meta, len, &mut |out| error.encode(out, quoted_header, data).unwrap_or(0));
        self.counters.add(match sent {
            Ok(()) => Count::IcmpErrorsTx,
            Err(_) => Count::IcmpTxFailed,
        });
    }
}

/// Whether others received the packet too: nobody answers such a one.
fn is_shared(packet: &Packet<'_>) -> bool {
    packet.cast != Cast::Unicast || packet.meta.link != LinkCast::Host
}

/// The header to quote: the packet's own, or one made like it where a test or
/// a caller gave none.
fn quoted_header<'h>(packet: &Packet<'h>, made: &'h mut [u8; MAX_HEADER_LEN]) -> &'h [u8] {
    if (HEADER_LEN..=MAX_HEADER_LEN).contains(&packet.header.len()) {
        return packet.header;
    }
    let fields = HeaderFields {
        tos: packet.tos,
        ttl: packet.ttl,
        ..HeaderFields::new(packet.src, packet.dst, packet.protocol)
    };
    let len = fields.encode(made, &[], packet.payload.len()).unwrap_or(0);
    made.get(..len).unwrap_or_default()
}
