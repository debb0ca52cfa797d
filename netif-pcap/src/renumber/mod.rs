//! A device between a replay and a stack whose random numbers are others.

mod flows;
pub(crate) mod packet;

use std::cell::RefCell;
use std::net::SocketAddrV4;

use traits::{Frame, Layer, Network, Never, SendError, TxMeta};
use wire::Protocol;

use crate::{Recording, Side};
use flows::Flows;
use packet::{get, long, put_long, word};

const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;

/// Translates between the numbers that a host drew in a recording and those
/// that the stack which plays it draws now.
///
/// Translated are, of TCP, initial sequence numbers (with acknowledgements
/// and SACK blocks), timestamps, and the local ports of connections that the
/// host opened; the transaction identifiers of DHCP; and what ICMP errors
/// quote of such segments. So a recording made by any stack, with any
/// generator, can be replayed and compared.
///
/// Each number of the stack's is that of the recording at the same place in
/// the order of such numbers: a stack that opens its connections in another
/// order does not play this host. Checksums are corrected by what changed;
/// those that were wrong stay wrong.
///
/// ```text
///   tower ── Renumber ── Replay
/// ```
#[derive(Debug)]
pub struct Renumber<N> {
    device: N,
    flows: RefCell<Flows>,
    exchanges: RefCell<Exchanges>,
}

/// Transaction identifiers of DHCP, in order.
#[derive(Debug, Default)]
struct Exchanges {
    recorded: Vec<u32>,
    stack: Vec<u32>,
}

impl<N: Network> Renumber<N> {
    /// Between a tower and `device`, which replays `side` of `recording`.
    pub fn new(device: N, recording: &Recording, side: Side) -> Self {
        let mut exchanges = Exchanges::default();
        for frame in recording.frames().iter().filter(|frame| side.sends(frame)) {
            if let Some((at, _)) = exchange(&frame.bytes, DHCP_CLIENT, DHCP_SERVER) {
                exchanges.recorded.extend(long(&frame.bytes, at));
            }
        }
        exchanges.recorded.dedup();
        let flows = RefCell::new(Flows::of(recording.frames(), side));
        Self { device, flows, exchanges: RefCell::new(exchanges) }
    }

    /// The device below.
    pub const fn device(&self) -> &N {
        &self.device
    }

    fn send(&self, frame: &mut [u8], meta: TxMeta) {
        // A checksum that is yet to be completed will be of what stands there
        // by then.
        let complete = meta.checksum().is_none();
        self.flows.borrow_mut().send(frame, complete.then_some(16));
        self.exchanges.borrow_mut().send(frame, complete);
    }

    fn receive(&self, frame: &mut [u8]) {
        let flows = self.flows.borrow();
        if flows.receive(frame).is_none() {
            quote(&flows, frame);
        }
        self.exchanges.borrow().receive(frame);
    }
}

/// Where a DHCP message's transaction identifier stands, and the UDP header.
fn exchange(frame: &[u8], from: u16, to: u16) -> Option<(usize, usize)> {
    let packet = packet::packet(frame).filter(|packet| packet.protocol == Protocol::UDP)?;
    let udp = packet.payload;
    let ports = (word(frame, udp)?, word(frame, udp + 2)?);
    (ports == (from, to) && frame.len() >= udp + 16).then_some((udp + 12, udp))
}

impl Exchanges {
    fn send(&mut self, frame: &mut [u8], complete: bool) -> Option<()> {
        let (at, udp) = exchange(frame, DHCP_CLIENT, DHCP_SERVER)?;
        let own = long(frame, at)?;
        let place = self.stack.iter().position(|number| *number == own).unwrap_or_else(|| {
            self.stack.push(own);
            self.stack.len() - 1
        });
        let recorded = *self.recorded.get(place)?;
        Self::replace(frame, at, udp, complete, recorded)
    }

    fn receive(&self, frame: &mut [u8]) -> Option<()> {
        let (at, udp) = exchange(frame, DHCP_SERVER, DHCP_CLIENT)?;
        let recorded = long(frame, at)?;
        let place = self.recorded.iter().rposition(|number| *number == recorded)?;
        Self::replace(frame, at, udp, true, *self.stack.get(place)?)
    }

    fn replace(frame: &mut [u8], at: usize, udp: usize, complete: bool, number: u32) -> Option<()> {
        // No checksum is a checksum of zero (RFC 768).
        let has_checksum = complete && word(frame, udp + 6)? != 0;
        packet::change(frame, udp..at + 4, has_checksum.then_some(6), |bytes| put_long(bytes, 12, number));
        if has_checksum && word(frame, udp + 6) == Some(0) {
            packet::put_word(frame, udp + 6, 0xffff);
        }
        Some(())
    }
}

/// Translates what an ICMP error quotes (RFC 792: of a header's length and
/// eight bytes more).
fn quote(flows: &Flows, frame: &mut [u8]) -> Option<()> {
    let outer = packet::packet(frame).filter(|packet| packet.protocol == Protocol::ICMP)?;
    let [kind] = get(frame, outer.payload)?;
    if !matches!(kind, 3 | 4 | 5 | 11 | 12) {
        return None;
    }
    let inner =
        packet::packet_at(frame, outer.payload + 8).filter(|packet| packet.protocol == Protocol::TCP)?;
    let (from, to) = (word(frame, inner.payload)?, word(frame, inner.payload + 2)?);
    let (own, peer) = (SocketAddrV4::new(inner.src, from), SocketAddrV4::new(inner.dst, to));
    let at = inner.payload - outer.payload;
    let range = outer.payload..inner.payload + 8;
    packet::change(frame, range, Some(2), |message| {
        flows.receive_quote(own, peer, at, message);
    });
    Some(())
}

impl<N: Network> Layer for Renumber<N> {
    traits::forward_layer!(device);
}

impl<N: Network> Network for Renumber<N> {
    type Error = N::Error;

    traits::forward_network!(device, except write, listen);

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        self.device.write(meta, len, |buffer| {
            let used = fill(buffer).min(len);
            self.send(buffer.get_mut(..used).unwrap_or_default(), meta);
            used
        })
    }

    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, N::Error> {
        let mut translated = Vec::new();
        let listen = self.device.listen(|frame| {
            translated.clear();
            translated.extend_from_slice(frame.bytes);
            self.receive(&mut translated);
            input(Frame::new(&translated, frame.meta));
        });
        listen.await
    }
}
