//! A fixed address and a server that knows the rest (RFC 2131 §4.4.3).

use rand_core::Rng;
use traits::Instant;
use wire::Cidr;

use super::state::{Exchange, State};
use super::transmit::Transmit;
use super::{Ignored, Machine, Next, Note};
use crate::lease::Lease;
use crate::message::{Message, MessageType};

impl Machine {
    pub(super) fn inform(
        &mut self,
        now: Instant,
        exchange: Exchange,
        own: Cidr,
        random: &mut impl Rng,
    ) -> State {
        let exchange = if exchange.attempts == 0 {
            Exchange::begin(now, random)
        } else {
            exchange.again(now, random).timed(now)
        };
        let message = Transmit::new(MessageType::Inform, exchange.xid, exchange.secs);
        self.send(message.with_ciaddr(own.address()));
        State::Informing { exchange, own }
    }

    pub(super) fn informed(&mut self, exchange: Exchange, own: Cidr, message: &Message<'_>) -> Next {
        match Lease::read_inform(message, own, exchange.since) {
            Ok(lease) => {
                self.note(Note::Informed { server: lease.server });
                self.take(&lease);
                (State::Informed { lease }, Ok(()))
            }
            Err(_) => (State::Informing { exchange, own }, Err(Ignored::Invalid)),
        }
    }
}
