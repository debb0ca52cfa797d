//! Ethernet II, whatever it carries.

use std::cell::RefCell;

use etherparse::Ethernet2Slice;
use ethif::Ethif;
use netif_memory::VirtualClock;
use traits::{Ethernet, Frame, LinkCast, To, TxMeta};
use wire::{EtherType, MacAddr};

use crate::Bytes;
use crate::device::Device;
use crate::host::random;
use crate::packet::{self, PEER, STACK};
use crate::wire_check::OPAQUE;

/// A frame as a label is to get it.
type Taken = (EtherType, LinkCast, Vec<u8>);

/// Ethernet: frames with headers of any content. What is handed up, and to
/// which label, is what an independent parser reads in the frame; a frame that
/// it says is not for this host is counted; what is written is read back.
pub fn ethernet(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let clock = VirtualClock::new();
    let device = Device::new(&clock);
    let layer = Ethif::<_, 2, 2>::with_capacity(&device).seeded(&mut random(1));
    while !bytes.is_empty() {
        let mac = [STACK.0, MacAddr::BROADCAST, PEER.0, MacAddr([1, 0, 0x5e, 0, 0, 1]), MacAddr::ZERO];
        match bytes.u8() % 3 {
            0 => input(&layer, bytes.long()),
            1 => {
                let (dst, src) = (bytes.pick(&mac).unwrap_or(STACK.0), bytes.pick(&mac).unwrap_or(PEER.0));
                let types = [0x0800, 0x86dd, 0x0806, 0x88b5, 0x8100, 0x88a8, 0x05ff, 0x0600];
                let ethertype = bytes.pick(&types).unwrap_or_else(|| bytes.u16());
                input(&layer, &packet::ethernet(dst, src, EtherType(ethertype), bytes.long()));
            }
            _ => {
                let dst = bytes.pick(&mac).unwrap_or(STACK.0);
                let payload = bytes.long();
                let payload = &payload[..payload.len().min(Device::MTU)];
                let to = if dst.is_broadcast() { To::Broadcast } else { To::Mac(dst) };
                write(&layer, &device, to, dst, payload);
            }
        }
    }
}

/// Hands a frame up: it is taken as the other parser says, or counted.
fn input(layer: &Ethif<&Device<'_>, 2, 2>, frame: &[u8]) {
    let dropped = || {
        let s = layer.statistics();
        s.runt + s.bad_source + s.other_host + s.llc + s.vlan
    };
    let before = dropped();
    let taken = RefCell::new(Vec::new());
    let keep = |ethertype, cast, bytes: &[u8]| taken.borrow_mut().push((ethertype, cast, bytes.to_vec()));
    let labels = ethif::listeners()
        .ipv4(|frame| keep(EtherType::IPV4, frame.meta.link, frame.bytes))
        .ipv6(|frame| keep(EtherType::IPV6, frame.meta.link, frame.bytes))
        .other(|ethertype, payload| keep(ethertype, payload.meta.link, payload.bytes));
    layer.input(Frame::from(frame), labels);
    let expected = read(frame);
    let is_arp = matches!(expected, Some((EtherType::ARP, _, _)));
    let expected: Vec<Taken> = expected.filter(|_| !is_arp).into_iter().collect();
    assert_eq!(*taken.borrow(), expected, "taken otherwise: {frame:02x?}");
    assert_eq!(dropped() - before, u64::from(expected.is_empty() && !is_arp), "not counted: {frame:02x?}");
}

/// What an independent parser reads in a frame, if it is for the stack.
fn read(frame: &[u8]) -> Option<Taken> {
    let other = Ethernet2Slice::from_slice_without_fcs(frame).ok()?;
    let cast = match other.destination() {
        [255, 255, 255, 255, 255, 255] => LinkCast::Broadcast,
        [first, ..] if first & 1 == 1 => LinkCast::Multicast,
        own if own == STACK.0.0 => LinkCast::Host,
        _ => return None,
    };
    let source = other.source();
    let host = source[0] & 1 == 0 && source != [0; 6];
    // Lengths of IEEE 802.3 and tags are none of its business.
    let plain = !matches!(other.ether_type().0, 0..0x0600 | 0x8100 | 0x88a8);
    (host && plain).then(|| (EtherType(other.ether_type().0), cast, other.payload_slice().to_vec()))
}

/// Sends a frame: the other parser finds in it what was asked for, and so does
/// the layer where it is for itself or for all.
fn write(layer: &Ethif<&Device<'_>, 2, 2>, device: &Device<'_>, to: To, dst: MacAddr, payload: &[u8]) {
    let sent = device.count();
    let result = layer.write(to, OPAQUE, TxMeta::NONE, payload.len(), |buffer| {
        buffer.copy_from_slice(payload);
        payload.len()
    });
    assert_eq!(result, Ok(()));
    assert_eq!(device.count() - sent, usize::from(!payload.is_empty()), "frames for one packet");
    let Some(frame) = device.last_sent().pop().filter(|_| !payload.is_empty()) else { return };
    let other = Ethernet2Slice::from_slice_without_fcs(&frame).expect("sent what is no frame");
    let addresses = (other.destination(), other.source(), other.ether_type().0);
    assert_eq!(addresses, (dst.0, STACK.0.0, OPAQUE.0));
    assert_eq!(other.payload_slice(), payload);
    input(layer, &frame);
}
