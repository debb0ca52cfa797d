//! The same path in virtual time, with this stack at both ends.

use std::net::SocketAddrV4;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result};
use fata::prelude::*;
use fata::traits::Instant;
use netif_faults::{Faults, Impairments};
use netif_memory::{Link, Simulator, VirtualClock};

use crate::path::{Passed, Path};
use crate::stack::{Role, stand};
use crate::stream::Amount;
use crate::transfer::Outcome;

/// Sends from the first address to the second.
pub(crate) fn transfer(
    path: &Path,
    addresses: [Ipv4Addr; 2],
    to: SocketAddrV4,
    amount: Amount,
) -> Result<Outcome> {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, path.line());
    let [a, b] = link.ports();
    let a = Faults::new(a, path.random(0), path.impairments(), Impairments::NONE);
    let b = Faults::new(b, path.random(1), path.impairments(), Impairments::NONE);
    let [left, right] = addresses;
    let sender = async {
        let never = stand(&a, &clock, path.random(2), left, Role::Send(to), amount).await?;
        never.context("the sender has ended")
    };
    let receiver = async {
        let received = stand(&b, &clock, path.random(3), right, Role::Receive(to.port()), amount).await?;
        received.context("the receiver has received nothing")
    };
    let both = async { fata::os::race!(sender, receiver) };
    let end = Instant::ZERO + amount.lasting + Duration::from_secs(60);
    let received = Simulator::new(&clock).until(end).run(pin!(both))??;
    let passed = [(&a, 1), (&b, 0)].map(|(way, port)| {
        let counts = way.faults().transmit;
        let (frames, lost, late) = (counts.frames, counts.lost, counts.reordered);
        Passed { frames, lost, late, dropped: link.dropped(port), refused: counts.overflow }
    });
    Ok(Outcome { bytes: received.bytes, seconds: received.took.as_secs_f64(), passed })
}
