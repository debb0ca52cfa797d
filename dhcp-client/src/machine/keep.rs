//! From lease to lease: BOUND, RENEWING, REBINDING, and the end.

use core::net::Ipv4Addr;

use rand_core::Rng;
use traits::Instant;

use super::acquire::read_live;
use super::state::{Exchange, State};
use super::timing::renewal;
use super::transmit::{Transmit, secs};
use super::{Ignored, Machine, Note};
use crate::lease::Lease;
use crate::message::{Message, MessageType};

impl Machine {
    /// What is due while there is a lease (RFC 2131 §4.4.5): its end, else
    /// asking all servers, else asking its own. `under_way` is the exchange
    /// of RENEWING, or of REBINDING (`true`).
    pub(super) fn keep(
        &mut self,
        now: Instant,
        lease: Lease,
        under_way: Option<(Exchange, bool)>,
        random: &mut impl Rng,
    ) -> State {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(lease.expires_at()) {
            return self.expire(now, &lease);
        }
        let rebinds = due(lease.rebinds_at());
        // T2 ends the exchange of RENEWING; else it goes on.
        let exchange = match under_way {
            Some((exchange, rebinding)) if rebinding == rebinds => exchange,
            _ => {
                if rebinds {
                    self.note(Note::Rebinding);
                }
                Exchange { xid: random.next_u32(), ..Exchange::not_begun(now) }
            }
        };
        let (end, to) =
            if rebinds { (lease.expires_at(), None) } else { (lease.rebinds_at(), Some(lease.server)) };
        let length = lease.term.map(|term| term.length).unwrap_or_default();
        let wait = renewal(now, end.unwrap_or(Instant::MAX), length);
        let attempts = exchange.attempts.saturating_add(1);
        let exchange =
            Exchange { attempts, retransmit: now + wait, secs: secs(exchange.began, now), ..exchange };
        // RFC 2131 §4.3.2: `ciaddr`, and neither `server identifier` nor
        // `requested IP address`.
        let message = Transmit::new(MessageType::Request, exchange.xid, exchange.secs);
        let message = message.with_ciaddr(lease.address);
        self.send(to.map_or(message, |server| message.to_server(server)));
        if rebinds { State::Rebinding { exchange, lease } } else { State::Renewing { exchange, lease } }
    }

    /// The lease that an ACK gives instead of the one held. `from` is the
    /// server that it has to come from, where not any will do.
    pub(super) fn renewed(
        &mut self,
        now: Instant,
        exchange: &Exchange,
        old: &Lease,
        from: Option<Ipv4Addr>,
        message: &Message<'_>,
        random: &mut impl Rng,
    ) -> Result<Lease, Ignored> {
        let lease = read_live(message, exchange.since, now, random)?;
        if from.is_some_and(|server| server != lease.server) {
            return Err(Ignored::Unexpected);
        }
        if lease.address != old.address {
            return Err(Ignored::Invalid);
        }
        self.note(Note::Renewed { address: lease.address, length: lease.term.map(|term| term.length) });
        self.statistics.renewed = self.statistics.renewed.wrapping_add(1);
        self.conflicts = 0;
        self.take(&lease);
        Ok(lease)
    }

    /// What every lease that begins or goes on leaves behind.
    pub(super) fn take(&mut self, lease: &Lease) {
        self.last = Some(lease.address);
        self.serial = self.serial.wrapping_add(1);
        self.statistics.cut = self.statistics.cut.wrapping_add(lease.cut().into());
    }

    fn expire(&mut self, now: Instant, lease: &Lease) -> State {
        self.note(Note::Expired { address: lease.address });
        self.statistics.expired = self.statistics.expired.wrapping_add(1);
        State::Init { at: now }
    }

    /// RFC 2131 §4.4.6: RELEASE, to the server, never answered and never sent
    /// again.
    pub(super) fn give_back(&mut self, now: Instant, lease: &Lease, random: &mut impl Rng) {
        self.note(Note::Released { address: lease.address });
        let message = Transmit::new(MessageType::Release, random.next_u32(), secs(now, now));
        self.send(message.with_ciaddr(lease.address).with_server(lease.server).to_server(lease.server));
    }
}
