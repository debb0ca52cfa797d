//! ARP (RFC 826) as one state machine without I/O.
//!
//! Four kinds of methods: those that tell it something ([`Arp::handle`],
//! [`Arp::advance`], [`Arp::sent`], and the parts' own), [`Arp::due`], which
//! gives what is to be sent, and [`Arp::deadline`]. **Nothing counts as sent
//! before [`Arp::sent`]**: what the device refuses is due again as it was.

pub(crate) mod cache;
pub(crate) mod entry;
pub(crate) mod own;
pub(crate) mod packet;
pub(crate) mod probe;

use core::net::Ipv4Addr;

use traits::Instant;
use wire::MacAddr;

use crate::random::Random;
use cache::Cache;
use entry::{Learnt, Source};
use own::{Defence, OwnAddresses};
use packet::{Operation, Packet, is_host};
use probe::{ProbeId, Probes};

pub(crate) struct Arp<const N: usize> {
    pub(crate) cache: Cache<N>,
    pub(crate) own: OwnAddresses,
    pub(crate) probes: Probes,
    pub(crate) random: Random,
}

/// What a packet meant.
#[must_use]
pub(crate) enum Handled {
    /// Nothing: no host can be its sender.
    BadSender,
    /// Nothing: an own packet has come back, or somebody uses this MAC.
    OwnMac,
    /// An own address is claimed by another host.
    Claim { defence: Defence, probe_ended: bool },
    /// Something of others, or a question.
    Packet {
        /// What the cache learnt; `None` for a probe, which says nothing.
        learnt: Option<Learnt>,
        /// The answer owed.
        answer: Option<Packet>,
        /// It ends a probe of this host.
        probe_ended: bool,
    },
}

/// A packet to send now.
pub(crate) struct Transmission {
    pub(crate) what: Due,
    pub(crate) destination: MacAddr,
    pub(crate) packet: Packet,
}

/// What it is for.
#[derive(Clone, Copy)]
pub(crate) enum Due {
    Request(Ipv4Addr),
    Announcement(Ipv4Addr),
    Probe(ProbeId),
}

/// What has ended by the passing of time.
#[must_use]
pub(crate) struct Advanced {
    /// Neighbours that did not answer.
    pub(crate) failed: u64,
    /// A probe that nobody objected to.
    pub(crate) probe_ended: bool,
}

impl<const N: usize> Arp<N> {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { cache: Cache::new(), own: OwnAddresses::new(), probes: Probes::new(), random: Random::new(seed) }
    }

    /// Takes in a packet that came to the interface with address `mac`.
    pub(crate) fn handle(&mut self, now: Instant, mac: MacAddr, packet: Packet) -> Handled {
        if packet.sender_mac == mac {
            return Handled::OwnMac;
        }
        if !packet.sender_mac.is_unicast() || !(packet.is_probe() || is_host(packet.sender)) {
            return Handled::BadSender;
        }
        let probe_ended = self.probes.heard(&packet);
        if let Some(defence) = self.own.claimed(packet.sender, packet.sender_mac, now) {
            return Handled::Claim { defence, probe_ended };
        }
        let for_us = self.own.contains(packet.target);
        let (source, answer) = match packet.operation {
            Operation::Request if for_us => (Source::Request, Some(packet.answer(mac))),
            Operation::Reply if packet.target_mac == mac => (Source::Answer, None),
            Operation::Request | Operation::Reply => (Source::Hearsay, None),
        };
        let learnt =
            (!packet.is_probe()).then(|| self.cache.heard(packet.sender, packet.sender_mac, source, now));
        Handled::Packet { learnt, answer, probe_ended }
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, now: Instant) -> Advanced {
        Advanced { failed: self.cache.advance(now), probe_ended: self.probes.advance(now) }
    }

    /// What is to be sent at `now`, announcements first.
    pub(crate) fn due(&self, now: Instant, mac: MacAddr) -> Option<Transmission> {
        if let Some(address) = self.own.due(now) {
            return Some(Transmission {
                what: Due::Announcement(address),
                destination: MacAddr::BROADCAST,
                packet: Packet::announcement(mac, address),
            });
        }
        if let Some((id, address)) = self.probes.due(now) {
            return Some(Transmission {
                what: Due::Probe(id),
                destination: MacAddr::BROADCAST,
                packet: Packet::probe(mac, address),
            });
        }
        let (address, known) = self.cache.due(now)?;
        Some(Transmission {
            what: Due::Request(address),
            destination: known.unwrap_or(MacAddr::BROADCAST),
            packet: Packet::request(mac, self.own.source_for(address), address),
        })
    }

    /// What was due went out.
    pub(crate) fn sent(&mut self, what: Due, now: Instant) {
        match what {
            Due::Request(address) => self.cache.sent(address, now),
            Due::Announcement(address) => self.own.sent(address, now),
            Due::Probe(id) => self.probes.sent(id, now, &mut self.random),
        }
    }

    /// Nothing is due before this instant.
    pub(crate) fn deadline(&self) -> Instant {
        self.cache.next().min(self.own.deadline()).min(self.probes.deadline())
    }
}
