//! Two towers on a link in memory, and the two ways through one of them.

#![allow(dead_code, reason = "the programs use different parts")]
use core::cell::Cell;
use core::convert::Infallible;
use core::net::Ipv4Addr;

use ethif::Ethif;
use ipv4::Ipv4;
use netif_memory::{Fixed, Port, VirtualClock};
use tcpv4::{Fixed as Slots, Listener, Memory, Tcp};
use traits::{Frame, Rng};
use udpv4::Udp;

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) type Device<'a> = Port<'a, &'a VirtualClock, 2, Fixed<64, 1600>>;
pub(crate) type Network<'a> = Ipv4<Ethif<&'a Device<'a>>>;

/// A tower that owns its layers but for the device.
pub(crate) struct Tower<'a> {
    pub(crate) udp: Udp<&'a Network<'a>>,
    pub(crate) tcp: Tcp<&'a Network<'a>, Slots<'a, 4>>,
    pub(crate) listener: Listener<4>,
    pub(crate) datagrams: Cell<u32>,
}

/// From a frame to the state of TCP, in one function: what the layers cost.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) fn receive(ip: &Network<'_>, tower: &Tower<'_>, frame: Frame<'_>) {
    ip.ethernet().input(
        frame,
        ethif::listeners().ipv4(|p| {
            ip.input(
                p,
                ipv4::listeners()
                    .tcp(|s| tower.tcp.input(s, |port| (port == 7).then_some(&tower.listener as _)))
                    .udp(|_| tower.datagrams.set(tower.datagrams.get() + 1)),
            );
        }),
    );
}

/// A generator that is good enough where nobody guesses.
pub(crate) struct Weak(pub(crate) u64);

impl rand_core::TryRng for Weak {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|word| (word >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for byte in bytes {
            *byte = self.try_next_u32()? as u8;
        }
        Ok(())
    }
}

pub(crate) fn tower<'a>(
    ip: &'a Network<'a>,
    random: &mut impl Rng,
    memory: &'a mut Memory<4, 16_384>,
) -> Tower<'a> {
    Tower {
        udp: Udp::connect(ip),
        tcp: Tcp::connect_in(ip, random, memory),
        listener: Listener::with_capacity(),
        datagrams: Cell::new(0),
    }
}
