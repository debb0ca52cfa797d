//! From nothing to a lease: INIT, SELECTING, REQUESTING, INIT-REBOOT,
//! REBOOTING, CHECKING.

use core::net::Ipv4Addr;

use rand_core::Rng;
use traits::Instant;

use super::state::{Exchange, Offer, State};
use super::timing::{
    CONFLICT_WAIT, CONFLICTS_MAX, DECLINE_WAIT, FULL_PROBE_LIMIT, REBOOT_ATTEMPTS, REQUEST_ATTEMPTS, after_nak,
    backoff,
};
use super::transmit::{Transmit, secs};
use super::{Ignored, Machine, Next, Note};
use crate::lease::{Lease, server};
use crate::message::{Message, MessageType};
use crate::options::Check;

impl Exchange {
    /// An exchange whose first message is to be sent at `now`.
    pub(super) const fn not_begun(now: Instant) -> Self {
        Self { xid: 0, began: now, since: now, attempts: 0, retransmit: now, secs: 0 }
    }

    /// An exchange with an identifier of its own, of which a message is sent
    /// now.
    pub(super) fn begin(now: Instant, random: &mut impl Rng) -> Self {
        Self { xid: random.next_u32(), ..Self::not_begun(now) }.again(now, random)
    }

    /// One more message, with the usual wait after it.
    pub(super) fn again(self, now: Instant, random: &mut impl Rng) -> Self {
        let attempts = self.attempts.saturating_add(1);
        Self { attempts, retransmit: now + backoff(attempts, random), ..self }
    }

    /// The seconds since it began, brought up to date.
    pub(super) fn timed(self, now: Instant) -> Self {
        Self { secs: secs(self.began, now), ..self }
    }
}

impl Machine {
    /// RFC 2131 §4.4.1: DISCOVER.
    pub(super) fn discover(&mut self, now: Instant, random: &mut impl Rng) -> State {
        self.note(Note::Discover);
        self.send_discover(Exchange::begin(now, random))
    }

    pub(super) fn discover_again(&mut self, now: Instant, exchange: Exchange, random: &mut impl Rng) -> State {
        self.send_discover(exchange.again(now, random).timed(now))
    }

    fn send_discover(&mut self, exchange: Exchange) -> State {
        let message = Transmit::new(MessageType::Discover, exchange.xid, exchange.secs);
        self.send(message.with_requested(self.last));
        State::Selecting { exchange }
    }

    /// The first offer of use is taken.
    pub(super) fn offer(
        &mut self,
        state: State,
        now: Instant,
        message: &Message<'_>,
        random: &mut impl Rng,
    ) -> Next {
        match state {
            State::Selecting { exchange } => {
                let Ok(Lease { address, server, .. }) = Lease::read(message, now, random) else {
                    return (State::Selecting { exchange }, Err(Ignored::Invalid));
                };
                self.note(Note::Offer { address, server });
                // RFC 2131 §4.4.1: the REQUEST carries the `xid` of the offer
                // and the `secs` of the DISCOVER.
                let exchange = Exchange { since: now, attempts: 0, ..exchange }.again(now, random);
                (self.send_request(exchange, Offer { address, server }), Ok(()))
            }
            state @ (State::Init { .. }
            | State::InitReboot { .. }
            | State::Rebooting { .. }
            | State::Requesting { .. }
            | State::Checking { .. }
            | State::Bound { .. }
            | State::Renewing { .. }
            | State::Rebinding { .. }
            | State::Informing { .. }
            | State::Informed { .. }
            | State::Stopped) => (state, Err(Ignored::Unexpected)),
        }
    }

    fn send_request(&mut self, exchange: Exchange, offer: Offer) -> State {
        // RFC 2131 §4.3.2: with `server identifier` and `requested IP
        // address`, and `ciaddr` zero.
        let message = Transmit::new(MessageType::Request, exchange.xid, exchange.secs);
        self.send(message.with_requested(Some(offer.address)).with_server(offer.server));
        State::Requesting { exchange, offer }
    }

    pub(super) fn request_again(
        &mut self,
        now: Instant,
        exchange: Exchange,
        offer: Offer,
        random: &mut impl Rng,
    ) -> State {
        if exchange.attempts >= REQUEST_ATTEMPTS {
            return State::Init { at: now };
        }
        self.send_request(exchange.again(now, random), offer)
    }

    /// RFC 2131 §4.4.2: REQUEST for a remembered address.
    pub(super) fn reboot(&mut self, now: Instant, address: Ipv4Addr, random: &mut impl Rng) -> State {
        self.send_reboot(Exchange { began: now, ..Exchange::begin(now, random) }, address)
    }

    pub(super) fn reboot_again(
        &mut self,
        now: Instant,
        exchange: Exchange,
        address: Ipv4Addr,
        random: &mut impl Rng,
    ) -> State {
        if exchange.attempts >= REBOOT_ATTEMPTS {
            return State::Init { at: now };
        }
        self.send_reboot(exchange.again(now, random).timed(now), address)
    }

    fn send_reboot(&mut self, exchange: Exchange, address: Ipv4Addr) -> State {
        // RFC 2131 §4.3.2: without `server identifier`, `ciaddr` zero.
        let message = Transmit::new(MessageType::Request, exchange.xid, exchange.secs);
        self.send(message.with_requested(Some(address)));
        State::Rebooting { exchange, address }
    }

    /// An ACK, wherever one may come.
    pub(super) fn ack(
        &mut self,
        state: State,
        now: Instant,
        message: &Message<'_>,
        random: &mut impl Rng,
    ) -> Next {
        match state {
            State::Requesting { exchange, offer } => match read_live(message, exchange.since, now, random) {
                Ok(lease) if lease.server != offer.server => Err(Ignored::Unexpected),
                Ok(lease) if lease.address != offer.address => Err(Ignored::Invalid),
                other => other,
            }
            .map_or_else(
                |ignored| (State::Requesting { exchange, offer }, Err(ignored)),
                |lease| (self.verify(now, lease), Ok(())),
            ),
            State::Rebooting { exchange, address } => match read_live(message, exchange.since, now, random) {
                Ok(lease) if lease.address != address => Err(Ignored::Invalid),
                other => other,
            }
            .map_or_else(
                |ignored| (State::Rebooting { exchange, address }, Err(ignored)),
                |lease| (self.verify(now, lease), Ok(())),
            ),
            State::Renewing { exchange, lease } => {
                match self.renewed(now, &exchange, &lease, Some(lease.server), message, random) {
                    Ok(new) => (State::Bound { lease: new }, Ok(())),
                    Err(ignored) => (State::Renewing { exchange, lease }, Err(ignored)),
                }
            }
            State::Rebinding { exchange, lease } => {
                match self.renewed(now, &exchange, &lease, None, message, random) {
                    Ok(new) => (State::Bound { lease: new }, Ok(())),
                    Err(ignored) => (State::Rebinding { exchange, lease }, Err(ignored)),
                }
            }
            State::Informing { exchange, own } => self.informed(exchange, own, message),
            state @ (State::Init { .. }
            | State::InitReboot { .. }
            | State::Selecting { .. }
            | State::Checking { .. }
            | State::Bound { .. }
            | State::Informed { .. }
            | State::Stopped) => (state, Err(Ignored::Unexpected)),
        }
    }

    /// A NAK, which only counts from a server that was asked and says who it
    /// is.
    pub(super) fn nak(&mut self, state: State, now: Instant, message: &Message<'_>) -> Next {
        let Some(server) = server(message) else { return (state, Err(Ignored::Invalid)) };
        let asked = match &state {
            State::Requesting { offer, .. } => offer.server == server,
            State::Renewing { lease, .. } => lease.server == server,
            State::Rebooting { .. } | State::Rebinding { .. } => true,
            State::Init { .. }
            | State::InitReboot { .. }
            | State::Selecting { .. }
            | State::Checking { .. }
            | State::Bound { .. }
            | State::Informing { .. }
            | State::Informed { .. }
            | State::Stopped => false,
        };
        if !asked {
            return (state, Err(Ignored::Unexpected));
        }
        self.note(Note::Nak { server });
        self.statistics.naks = self.statistics.naks.wrapping_add(1);
        self.naks = self.naks.saturating_add(1);
        self.last = None;
        (State::Init { at: now + after_nak(self.naks) }, Ok(()))
    }

    /// RFC 2131 §3.1 item 5: a last look whether the address is free.
    fn verify(&mut self, now: Instant, lease: Lease) -> State {
        let wait = match self.check {
            Check::None => return self.bind(now, lease),
            Check::Quick => Check::QUICK_WAIT,
            Check::Full => FULL_PROBE_LIMIT,
        };
        State::Checking { lease, until: now + wait }
    }

    /// The lease begins, unless it ended during the look.
    pub(super) fn bind(&mut self, now: Instant, lease: Lease) -> State {
        if lease.expires_at().is_some_and(|at| at <= now) {
            return State::Init { at: now };
        }
        self.note(Note::Bound { address: lease.cidr(), length: lease.term.map(|term| term.length) });
        self.statistics.bound = self.statistics.bound.wrapping_add(1);
        self.naks = 0;
        self.take(&lease);
        State::Bound { lease }
    }

    /// RFC 2131 §3.1 item 5, RFC 5227 §2.1.1: tells the server that the
    /// address is in use, and starts anew after a while.
    pub(super) fn decline(&mut self, now: Instant, lease: &Lease, random: &mut impl Rng) -> State {
        self.note(Note::Declined { address: lease.address });
        self.statistics.declined = self.statistics.declined.wrapping_add(1);
        self.conflicts = self.conflicts.saturating_add(1);
        self.last = None;
        let message = Transmit::new(MessageType::Decline, random.next_u32(), 0);
        self.send(message.with_requested(Some(lease.address)).with_server(lease.server));
        let wait = if self.conflicts >= CONFLICTS_MAX { CONFLICT_WAIT } else { DECLINE_WAIT };
        State::Init { at: now + wait }
    }
}

/// The lease that an ACK gives, if it has not ended already.
pub(super) fn read_live(
    message: &Message<'_>,
    since: Instant,
    now: Instant,
    random: &mut impl Rng,
) -> Result<Lease, Ignored> {
    Lease::read(message, since, random)
        .ok()
        .filter(|lease| lease.expires_at().is_none_or(|at| at > now))
        .ok_or(Ignored::Invalid)
}
