//! Which host of a recording is played.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use fata::prelude::*;
use fata::traits::MacAddr;
use netif_pcap::{Recorded, Recording, Side};

use super::packet::{arp, ipv4};

/// The host, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// Which frames are its.
    pub(super) side: Side,
    /// Its address with the prefix.
    pub(super) address: Option<Cidr>,
}

/// Finds the host that has `address`, or the one that captured.
pub(super) fn find(recording: &Recording, address: Option<Cidr>) -> Result<Host> {
    let frames = recording.frames();
    let captured = frames.iter().any(|frame| frame.direction.is_some());
    match address {
        Some(address) if captured => Ok(Host { side: Side::Inbound, address: Some(address) }),
        Some(address) => {
            let mac = mac_of(frames, address.address()).with_context(|| {
                format!("{} sends nothing in this file and gets nothing", address.address())
            })?;
            Ok(Host { side: Side::Host(mac), address: Some(address) })
        }
        None if captured => {
            let address = own_address(frames).map(|address| Cidr::new(address, 24));
            Ok(Host { side: Side::Inbound, address })
        }
        None => {
            let seen: Vec<_> = addresses(frames).into_keys().map(|address| address.to_string()).collect();
            bail!("the file does not say who captured it: say --ip ADDRESS; seen are {}", seen.join(", "));
        }
    }
}

/// Who sent, and the hardware address that it sent from.
fn sender(frame: &Recorded) -> Option<(Ipv4Addr, MacAddr)> {
    let mac = frame.src()?;
    let address = match (ipv4(&frame.bytes), arp(&frame.bytes)) {
        (Some(packet), _) => packet.src,
        (None, Some(arp)) => arp.sender,
        (None, None) => return None,
    };
    (!address.is_unspecified()).then_some((address, mac))
}

fn addresses(frames: &[Recorded]) -> BTreeMap<Ipv4Addr, MacAddr> {
    frames.iter().filter_map(sender).collect()
}

/// The hardware address that frames of `address` come from or go to.
fn mac_of(frames: &[Recorded], address: Ipv4Addr) -> Option<MacAddr> {
    let sent = frames.iter().filter_map(sender).find(|(from, _)| *from == address).map(|(_, mac)| mac);
    sent.or_else(|| {
        let received = frames.iter().filter(|frame| ipv4(&frame.bytes).is_some_and(|p| p.dst == address));
        received.filter_map(Recorded::dst).find(|mac| mac.is_unicast())
    })
}

/// The address that most frames of the capturing host come from, or else go
/// to.
fn own_address(frames: &[Recorded]) -> Option<Ipv4Addr> {
    let sent = frames.iter().filter(|frame| Side::Inbound.sends(frame)).filter_map(sender);
    most(sent.map(|(address, _)| address)).or_else(|| {
        let received = frames.iter().filter(|frame| Side::Inbound.receives(frame));
        let unicast = received.filter(|frame| frame.dst().is_some_and(|dst| dst.is_unicast()));
        most(unicast.filter_map(|frame| ipv4(&frame.bytes)).map(|packet| packet.dst))
    })
}

fn most(addresses: impl Iterator<Item = Ipv4Addr>) -> Option<Ipv4Addr> {
    let mut counts = BTreeMap::new();
    addresses.for_each(|address| *counts.entry(address).or_insert(0u32) += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(address, _)| address)
}
