//! ARP.

use std::time::Duration;

use traits::{Ethernet, Ip, Layer, To, TxMeta};
use wire::{EtherType, MacAddr};

use crate::host::{address, with_host};
use crate::packet::{self, PEER, STACK};
use crate::wire_check::OPAQUE;
use crate::{Bytes, host::poll_once};

/// ARP: frames of any content and ARP packets of any meaning, between packets sent to hosts, own addresses that come and go, and probes.
pub fn arp(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    with_host(bytes.u8() & 1 == 0, |host| {
        let mut probe = None;
        while !bytes.is_empty() {
            match bytes.u8() % 10 {
                0 => host.frame(bytes.long()),
                1..=3 => {
                    let who = |bytes: &mut Bytes<'_>| {
                        let mac =
                            [PEER.0, STACK.0, MacAddr::BROADCAST, MacAddr::ZERO, MacAddr([2, 9, 9, 9, 9, 9])];
                        (bytes.pick(&mac).unwrap_or(PEER.0), address(bytes))
                    };
                    let (sender, target) = (who(&mut bytes), who(&mut bytes));
                    let mut body = packet::arp(u16::from(bytes.u8() % 4), sender, target);
                    // Now and then a byte of the fixed part is wrong.
                    if bytes.u8() > 240 {
                        body[usize::from(bytes.u8() % 8)] = bytes.u8();
                    }
                    let to = bytes.pick(&[STACK.0, MacAddr::BROADCAST, PEER.0]).unwrap_or(STACK.0);
                    host.frame(&packet::ethernet(to, sender.0, EtherType::ARP, &body));
                }
                4 => {
                    let (to, len) = (To::Host(address(&mut bytes)), usize::from(bytes.u16() % 1501));
                    let _ = host.ethernet.write(to, OPAQUE, TxMeta::NONE, len, |buffer| buffer.len());
                }
                5 => {
                    let own = address(&mut bytes);
                    if bytes.u8() & 1 == 0 {
                        host.ethernet.add_ipv4(own);
                    } else {
                        host.ethernet.remove_ipv4(own);
                    }
                }
                6 => probe = Some(Box::pin(host.ethernet.probe_ipv4(address(&mut bytes)))),
                7 => {
                    host.device.set_full(bytes.u8() & 1 == 1);
                    let _ = host.ethernet.poll_room(std::task::Waker::noop());
                }
                8 => host.answer_arp(),
                _ => host.pass(Duration::from_millis(u64::from(bytes.u16()) * 4)),
            }
            if probe.as_mut().is_some_and(|probe| poll_once(probe).is_ready()) {
                probe = None;
            }
            let _ = poll_once(host.ethernet.query_arpv4(PEER.1));
            let _ = poll_once(host.ethernet.conflict());
            host.poll();
        }
        let mut neighbours = 0;
        host.ethernet.neighbours(|_| neighbours += 1);
        assert!(neighbours <= 8, "more neighbours than places");
        host.check_neighbours();
        let _ = host.ip.get_ipv4();
    });
}
