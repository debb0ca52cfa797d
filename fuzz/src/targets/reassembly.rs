//! Fragments.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::time::Duration;

use traits::{Frame, Instant, Time};
use wire::Protocol;

use crate::Bytes;
use crate::host::with_host;
use crate::packet::{Ipv4, PEER};

/// A protocol that nobody speaks.
const PROTOCOL: Protocol = Protocol(253);
const SOURCES: [Ipv4Addr; 2] = [PEER.1, Ipv4Addr::new(10, 0, 0, 77)];

/// Reassembly: fragments of any order, overlap and length. After each one, a
/// packet is delivered if, and only if, a simple model says so, with its
/// bytes.
pub fn reassembly(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let honest = bytes.u8() & 1 == 0;
    with_host(true, |host| {
        let mut models = [const { None }; SOURCES.len()];
        let mut end = [None; 4];
        while !bytes.is_empty() {
            let control = bytes.u8();
            if control == 255 {
                host.pass(Duration::from_millis(u64::from(bytes.u16()) * 2));
                continue;
            }
            let identification = u16::from(control & 3);
            let source = usize::from(control >> 2 & 1);
            let src = SOURCES[source];
            let offset = usize::from(bytes.u8()) % 80;
            let len = usize::from(bytes.u8());
            let more = control & 0x08 != 0;
            // In an honest packet only the last fragment is of any length,
            // and every last fragment ends at the same place.
            let start = offset * 8;
            let mut stop = start + if more && !ragged(control) { len.next_multiple_of(8) } else { len };
            let slot = usize::from(control & 3);
            if honest {
                let last = *end[slot].get_or_insert(700 - slot * 3);
                stop = if more { stop.min(last / 8 * 8) } else { last };
                if start >= stop {
                    continue;
                }
            }
            let mut payload: Vec<_> =
                (start..stop).map(|at| content(src.octets()[3], identification, at)).collect();
            if !honest
                && control & 0x10 != 0
                && let Some(byte) = payload.first_mut()
            {
                *byte ^= 0xff;
            }
            let fragment = (offset as u16) | if more { 0x2000 } else { 0 };
            let packet =
                Ipv4 { src, identification, fragment, protocol: PROTOCOL, ..Ipv4::default() }.packet(&payload);
            let delivered = RefCell::new(Vec::new());
            let keep = |_, from: Ipv4Addr, _, payload: &[u8]| {
                delivered.borrow_mut().push((from, payload.to_vec()));
            };
            let expected = expect(&mut models[source], host.clock.now(), identification, start, more, &payload);
            host.ip.input(Frame::from(&packet[..]), ipv4::listeners().default(keep));
            host.poll();
            let expected: Vec<_> = expected.into_iter().map(|payload| (src, payload)).collect();
            assert_eq!(delivered.into_inner(), expected, "from {src}, {start}..{stop}, more: {more}");
        }
    });
}

/// Now and then one that is not the last has an odd length.
fn ragged(control: u8) -> bool {
    control & 0xe0 == 0xe0
}

/// The packet of one source that is put together. The layer under test has two
/// places, so that each source has one.
struct Model {
    identification: u16,
    since: Instant,
    bytes: Vec<Option<u8>>,
    total: Option<usize>,
    broken: bool,
}

/// What is delivered when this fragment comes.
fn expect(
    place: &mut Option<Model>,
    now: Instant,
    identification: u16,
    start: usize,
    more: bool,
    payload: &[u8],
) -> Option<Vec<u8>> {
    if start == 0 && !more {
        return Some(payload.to_vec());
    }
    // RFC 791 §3.2 counts in blocks of 8 bytes.
    if payload.is_empty() || (more && !payload.len().is_multiple_of(8)) {
        return None;
    }
    place.take_if(|model| {
        model.identification != identification || now.duration_since(model.since) >= ipv4::REASSEMBLY_TIMEOUT
    });
    let new = || Model { identification, since: now, bytes: Vec::new(), total: None, broken: false };
    let model = place.get_or_insert_with(new);
    model.insert(start, more, payload);
    let whole = !model.broken && model.total == Some(model.bytes.len());
    let bytes: Option<Vec<u8>> = model.bytes.iter().copied().collect();
    let packet = bytes.filter(|_| whole)?;
    *place = None;
    Some(packet)
}

impl Model {
    /// RFC 5722 §3: what overlaps breaks the packet, and what contradicts it;
    /// a fragment that came twice says nothing new.
    fn insert(&mut self, start: usize, more: bool, payload: &[u8]) {
        let stop = start + payload.len();
        let len = self.bytes.len().max(stop);
        let ends = if more { self.total } else { Some(stop) };
        let contradicts =
            ends.is_some_and(|end| end < len) || self.total.is_some_and(|total| ends != Some(total));
        self.bytes.resize(len, None);
        let there = self.bytes.get_mut(start..stop).unwrap_or_default();
        let same = there.iter().zip(payload).all(|(there, byte)| *there == Some(*byte));
        let overlaps = there.iter().any(Option::is_some);
        // The same bytes were said not to be the last.
        let ends_late = !more && self.total.is_none();
        if contradicts || (overlaps && (!same || ends_late)) {
            self.broken = true;
        } else if !overlaps {
            there.iter_mut().zip(payload).for_each(|(there, byte)| *there = Some(*byte));
            self.total = ends;
        }
    }
}

/// The byte at a place of a packet.
fn content(source: u8, identification: u16, at: usize) -> u8 {
    (at as u8)
        .wrapping_mul(31)
        .wrapping_add(identification as u8 * 57)
        .wrapping_add(source)
        .wrapping_add((at >> 8) as u8)
}
