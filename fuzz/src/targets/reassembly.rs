//! Fragments.

use std::cell::RefCell;
use std::time::Duration;

use traits::Frame;
use wire::Protocol;

use crate::Bytes;
use crate::host::with_host;
use crate::packet::{Ipv4, PEER};

/// A protocol that nobody speaks.
const PROTOCOL: Protocol = Protocol(253);

/// Reassembly: fragments of any order, overlap and length of packets whose
/// bytes are known. What is delivered is one of them, whole, or (where the
/// fuzzer changed a byte) at least no longer than its fragments reached.
pub fn reassembly(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let honest = bytes.u8() & 1 == 0;
    with_host(true, |host| {
        let delivered = RefCell::new(Vec::new());
        let mut reach = 0;
        let mut end = [None; 4];
        while !bytes.is_empty() {
            let control = bytes.u8();
            if control == 255 {
                host.pass(Duration::from_millis(u64::from(bytes.u16()) * 2));
                continue;
            }
            let identification = u16::from(control & 3);
            let src = [PEER.1, [10, 0, 0, 77].into()][usize::from(control >> 2 & 1)];
            let offset = usize::from(bytes.u8()) % 80;
            let len = usize::from(bytes.u8());
            let more = control & 0x08 != 0;
            // In an honest packet only the last fragment is of any length,
            // and every last fragment ends at the same place.
            let start = offset * 8;
            let mut stop = start + if more { len.next_multiple_of(8) } else { len };
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
            reach = reach.max(stop);
            let fragment = (offset as u16) | if more { 0x2000 } else { 0 };
            let packet =
                Ipv4 { src, identification, fragment, protocol: PROTOCOL, ..Ipv4::default() }.packet(&payload);
            let keep = |_, from: std::net::Ipv4Addr, _, payload: &[u8]| {
                delivered.borrow_mut().push((from, payload.to_vec()));
            };
            host.ip.input(Frame::from(&packet[..]), ipv4::listeners().default(keep));
            host.poll();
        }
        for (from, payload) in delivered.borrow().iter() {
            assert!(payload.len() <= reach, "longer than what was sent");
            if honest {
                let whole = |identification: u16| {
                    let expected = (0..700 - usize::from(identification) * 3)
                        .map(|at| content(from.octets()[3], identification, at));
                    expected.eq(payload.iter().copied())
                };
                assert!((0..4).any(whole), "delivered what nobody sent");
            }
        }
    });
}

/// The byte at a place of a packet.
fn content(source: u8, identification: u16, at: usize) -> u8 {
    (at as u8)
        .wrapping_mul(31)
        .wrapping_add(identification as u8 * 57)
        .wrapping_add(source)
        .wrapping_add((at >> 8) as u8)
}
