//! From a header and a filler to frames.

use core::cell::Cell;
use core::net::Ipv4Addr;

use traits::{Ethernet, Header, Instant, Payload, SendError, To, TxMeta};
use wire::{EtherType, Protocol};

use crate::Ipv4;
use crate::addressing::Route;
use crate::header::{Fragmentation, HEADER_LEN, HeaderFields, MAX_PACKET_LEN};
use crate::igmp;
use crate::recent::ToHost;
use crate::stats::Count;

/// What writes a payload. One type for all, so that one copy of the layers
/// below serves every caller.
pub(crate) type Filler<'f> = dyn FnMut(&mut [u8]) -> usize + 'f;

/// A packet's way and header.
#[derive(Debug)]
pub(crate) struct Outgoing<'o> {
    to: To,
    fields: HeaderFields,
    pub(crate) options: &'o [u8],
    /// Known for certain only once the payload is there.
    fragmentation: Cell<Fragmentation>,
}

impl Outgoing<'_> {
    pub(crate) fn set_fragmentation(&self, fragmentation: Fragmentation) {
        self.fragmentation.set(fragmentation);
    }
}

/// The MTU of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathLimit {
    pub(crate) mtu: usize,
    /// Packets have to be left for routers to cut.
    pub(crate) must_be_cut: bool,
}

impl<E, const BUFFERS: usize, const BUFFER: usize, const ENTRIES: usize, const PATHS: usize>
    Ipv4<E, BUFFERS, BUFFER, ENTRIES, PATHS>
where
    E: Ethernet,
{
    /// The longest packet to `dst`.
    pub(crate) fn path_limit(&self, dst: Ipv4Addr) -> PathLimit {
        let mtu = self.addressing.borrow().mtu(self.ethernet.mtu());
        let paths = self.paths.borrow();
        if paths.is_empty() {
            return PathLimit { mtu, must_be_cut: false };
        }
        match paths.get(dst, self.ethernet.now()) {
            Some(path) => PathLimit { mtu: mtu.min(usize::from(path.mtu)), must_be_cut: path.below_floor },
            None => PathLimit { mtu, must_be_cut: false },
        }
    }

    /// The way to `dst`, which for the one asked for last is remembered.
    #[inline]
    pub(crate) fn way(&self, dst: Ipv4Addr, src: Option<Ipv4Addr>, now: Instant) -> Result<Route, SendError> {
        match self.recent.route(dst, &src) {
            Some(route) => Ok(route),
            None => self.look_up(dst, src, now),
        }
    }

    #[inline(never)]
    pub(crate) fn look_up(
        &self,
        dst: Ipv4Addr,
        src: Option<Ipv4Addr>,
        now: Instant,
    ) -> Result<Route, SendError> {
        let addressing = self.addressing.borrow();
        let route = addressing.route(dst, src, now)?;
        // With a gateway given up, time alone may change the answer.
        if addressing.are_gateways_alive(now) {
            self.recent.set_route(dst, &src, route);
        }
        Ok(route)
    }

    /// Sends a packet that fits in one piece and goes where the last one went.
    /// `None`, with `fill` left, for any other, which takes thought.
    ///
    /// This is inlined into whoever writes, down to the device: what layers
    /// hand each other stays in registers. Passed in memory, it would have to
    /// wait there for the bytes of the packet before.
    #[inline(always)]
    pub(crate) fn send_like_last<F: FnOnce(&mut [u8]) -> usize>(
        &self,
        header: &Header,
        meta: TxMeta,
        len: usize,
        fill: &mut Option<F>,
    ) -> Option<Result<(), SendError>> {
        let (route, fields) = self.like_last(header, meta, len)?;
        let meta = meta.below(HEADER_LEN as u16);
        let sent =
            self.ethernet.write(To::Host(route.host), EtherType::IPV4, meta, HEADER_LEN + len, |buffer| {
                let Some((head, body)) = buffer.split_at_mut_checked(HEADER_LEN) else { return 0 };
                let used = fill.take().map_or(0, |fill| fill(body)).min(len);
                let encoded = fields.encode(head, &[], used).filter(|_| used > 0 || len == 0);
                encoded.map_or(0, |header_len| header_len + used)
            });
        self.settle_like_last(route, sent)
    }

    /// The same for a packet that ends in `payload`, which the device gathers.
    #[inline(always)]
    pub(crate) fn send_gathered_like_last<F: FnOnce(&mut [u8]) -> usize>(
        &self,
        header: &Header,
        meta: TxMeta,
        len: usize,
        payload: &impl Payload,
        fill: &mut Option<F>,
    ) -> Option<Result<(), SendError>> {
        let behind = payload.payload_len();
        let (route, fields) = self.like_last(header, meta, len.checked_add(behind)?)?;
        let meta = meta.below(HEADER_LEN as u16);
        let to = To::Host(route.host);
        let sent =
            self.ethernet.write_gathered(to, EtherType::IPV4, meta, HEADER_LEN + len, payload, |buffer| {
                let Some((head, body)) = buffer.split_at_mut_checked(HEADER_LEN) else { return 0 };
                let used = fill.take().map_or(0, |fill| fill(body)).min(len);
                fields.encode(head, &[], used + behind).map_or(0, |header_len| header_len + used)
            });
        self.settle_like_last(route, sent)
    }

    /// The way and the header of a packet that goes where the last one went.
    #[inline(always)]
    pub(crate) fn like_last(
        &self,
        header: &Header,
        meta: TxMeta,
        len: usize,
    ) -> Option<(ToHost, HeaderFields)> {
        let route = self.recent.to_host(header.dst, &header.src)?;
        if !self.paths.try_borrow().is_ok_and(|paths| paths.is_empty()) {
            return None;
        }
        let longest = match meta.segmentation() {
            None => len,
            Some(s) => len.min(usize::from(s.header_len) + usize::from(s.size.get())),
        };
        let mtu = self.addressing.try_borrow().ok()?.mtu(self.ethernet.mtu());
        if len > MAX_PACKET_LEN - HEADER_LEN || HEADER_LEN + longest > mtu {
            return None;
        }
        let (identification, fragmentation) = if header.dont_fragment {
            (0, Fragmentation::FORBIDDEN)
        } else {
            let packets = match meta.segmentation() {
                None => 1,
                Some(s) => len.saturating_sub(usize::from(s.header_len)).div_ceil(usize::from(s.size.get())),
            };
            let packets = packets.min(0xffff) as u16;
            let number = self.secret.identification(route.src, header.dst, header.protocol, packets);
            (number, Fragmentation::NONE)
        };
        let fields = HeaderFields {
            tos: header.tos,
            ttl: header.ttl,
            identification,
            fragmentation,
            ..HeaderFields::new(route.src, header.dst, header.protocol)
        };
        Some((route, fields))
    }

    #[inline(always)]
    fn settle_like_last(&self, route: ToHost, sent: Result<(), SendError>) -> Option<Result<(), SendError>> {
        match sent {
            Ok(()) => self.counters.add(Count::TxPackets),
            // Another gateway may do.
            Err(SendError::Unresolved) if route.by_gateway => return None,
            Err(_) => {}
        }
        Some(sent)
    }

    /// Sends one packet, by another gateway where the first does not answer.
    pub(crate) fn send(
        &self,
        header: &Header,
        options: &[u8],
        meta: TxMeta,
        len: usize,
        fill: &mut Filler<'_>,
    ) -> Result<(), SendError> {
        let now = self.ethernet.now();
        // Each round but the last gives a gateway up.
        for _ in 0..=ENTRIES {
            let route = self.way(header.dst, header.src, now)?;
            let sent = self.send_by(&route, header, options, meta, len, fill);
            let (Err(SendError::Unresolved), Some(gateway)) = (sent, route.gateway) else { return sent };
            self.counters.add(Count::TxGatewayDead);
            let has_another = self.addressing.borrow_mut().give_up(gateway, now);
            self.recent.clear();
            if !has_another {
                return sent;
            }
        }
        Err(SendError::Unresolved)
    }

    fn send_by(
        &self,
        route: &Route,
        header: &Header,
        options: &[u8],
        meta: TxMeta,
        len: usize,
        fill: &mut Filler<'_>,
    ) -> Result<(), SendError> {
        let header_len = HEADER_LEN + options.len();
        if len > MAX_PACKET_LEN - HEADER_LEN - options.len() {
            return Err(SendError::TooLong);
        }
        let limit = self.path_limit(header.dst);
        let dont_fragment = header.dont_fragment && !limit.must_be_cut;
        // A large packet has segments that fit; the device cuts between them.
        let (longest, packets) = match meta.segmentation() {
            None => (len, 1),
            Some(s) => {
                let payload = len.saturating_sub(usize::from(s.header_len));
                let size = usize::from(s.size.get());
                (usize::from(s.header_len) + size.min(payload), payload.div_ceil(size).min(0xffff))
            }
        };
        let fits = header_len + longest <= limit.mtu;
        if !fits && (dont_fragment || meta.segmentation().is_some()) {
            return Err(SendError::TooLong);
        }
        let identification = if dont_fragment {
            // RFC 6864 §4.1: a packet that is never cut needs none.
            0
        } else {
            self.secret.identification(route.src, header.dst, header.protocol, packets as u16)
        };
        let fragmentation = if dont_fragment { Fragmentation::FORBIDDEN } else { Fragmentation::NONE };
        let outgoing = Outgoing {
            to: route.to,
            fields: HeaderFields {
                tos: header.tos,
                identification,
                fragmentation,
                ttl: header.ttl,
                protocol: header.protocol,
                src: route.src,
                dst: header.dst,
            },
            options,
            fragmentation: Cell::new(fragmentation),
        };
        if fits {
            self.emit(&outgoing, meta, len, fill)
        } else {
            self.split(&outgoing, meta, limit.mtu, len, fill)
        }
    }

    /// The one place where frames leave.
    pub(crate) fn emit(
        &self,
        outgoing: &Outgoing<'_>,
        meta: TxMeta,
        len: usize,
        fill: &mut Filler<'_>,
    ) -> Result<(), SendError> {
        let header_len = HEADER_LEN + outgoing.options.len();
        let meta = meta.below(header_len as u16);
        self.ethernet.write(outgoing.to, EtherType::IPV4, meta, header_len + len, |buffer| {
            let Some((head, body)) = buffer.split_at_mut_checked(header_len) else { return 0 };
            let used = fill(body).min(len);
            if used == 0 && len > 0 {
                return 0;
            }
            // After the payload, whose length it tells.
            let fields = HeaderFields { fragmentation: outgoing.fragmentation.get(), ..outgoing.fields };
            fields.encode(head, outgoing.options, used).map_or(0, |header_len| header_len + used)
        })?;
        self.counters.add(Count::TxPackets);
        Ok(())
    }

    /// Sends an IGMP message (RFC 2236 §2), from `0.0.0.0` where there is no
    /// address yet.
    pub(crate) fn send_igmp(&self, message: igmp::Outgoing) -> Result<(), SendError> {
        let bytes = message.encode();
        let mut header = Header::new(message.dst(), Protocol::IGMP).with_ttl(1);
        if self.addressing.borrow().own().is_empty() {
            header = header.from(Ipv4Addr::UNSPECIFIED);
        }
        let sent = self.send(&header, &igmp::ROUTER_ALERT, TxMeta::NONE, bytes.len(), &mut |out| {
            match out.first_chunk_mut() {
                Some(place) => *place = bytes,
                None => return 0,
            }
            bytes.len()
        });
        self.counters.add(match (sent, message) {
            (Err(_), _) => Count::IgmpTxFailed,
            (Ok(()), igmp::Outgoing::Report { .. }) => Count::IgmpReports,
            (Ok(()), igmp::Outgoing::Leave { .. }) => Count::IgmpLeaves,
        });
        sent
    }
}
