//! What nearly always arrives, in one straight function.

use core::net::Ipv4Addr;
use core::num::NonZeroU16;

use traits::{Cast, Ip, Packet};

use super::input::Known;
use super::{Held, Owner, State, Tcp};
use crate::connection::{Events, State as ConnectionState};
use crate::segment::Ecn;
use crate::storage::Storage;
use crate::table::{Entry, Tuple};
use crate::wire::{self, Kind, Ports};

/// What is told of a segment that may be a plain one, as one word.
#[derive(Clone, Copy)]
pub(super) struct Told {
    kind: Kind,
    /// The device's word on its checksum is good.
    is_trusted: bool,
    segment_size: Option<NonZeroU16>,
}

impl Told {
    /// `None` for one that is none, or is not for this host alone, or has met
    /// congestion.
    #[inline(always)]
    pub(super) fn of(packet: &Packet<'_>) -> Option<Self> {
        // Fewest bytes: the general way comes to the same.
        if cfg!(guest_small) {
            return None;
        }
        let kind = wire::kind(packet.payload)?;
        let is_usual = packet.cast == Cast::Unicast && Ecn::from_tos(packet.tos) != Ecn::Congested;
        is_usual.then_some(Self {
            kind,
            is_trusted: packet.meta.checksum.is_trusted(),
            segment_size: packet.meta.segment_size,
        })
    }
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Takes a segment of a connection of which all is as it nearly always is. Any
    /// other is left as it was, with what was found out of it.
    ///
    /// A function of its own, whose arguments fit into registers: within the one of
    /// the layers below, there would be too few of those for all of it.
    #[inline(never)]
    pub(super) fn input_plain(
        &self,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        payload: &[u8],
        told: Told,
    ) -> Result<(), Known> {
        let mut known = Known::default();
        let Told { kind, is_trusted, segment_size } = told;
        let Some((ports, plain)) = wire::plain(payload, kind, segment_size) else { return Err(known) };
        if !is_trusted && !wire::is_intact(src, dst, payload) {
            self.counters.bad_checksum.count();
            return Ok(());
        }
        known.is_intact = true;
        let Ports { src: remote_port, dst: local_port } = ports;
        let tuple = Tuple { local: dst, remote: src, local_port, remote_port };
        let now = self.ip.now();
        let Ok(mut borrow) = self.state.try_borrow_mut() else { return Err(known) };
        let state = &mut *borrow;
        if state.is_short_of_memory() {
            return Err(known);
        }
        let held = match state.connections.get_listed(state.recent) {
            Some(held) if held.is_of(&tuple) && held.is_as_usual() => held,
            // The first of a run, at best.
            Some(_) | None => {
                // A copy, since one that is lent would stand in memory above as well.
                let tuple = Tuple::new(tuple.local(), tuple.remote());
                match self.turn_to(state, &tuple, &mut known) {
                    Some(held) => held,
                    None => return Err(known),
                }
            }
        };
        let Some(events) = held.machine.handle_plain(now, &plain) else { return Err(known) };
        // What it holds is what it was: no memory was needed.
        debug_assert_eq!(held.machine.held(), held.bytes as usize);
        if held.reader.is_none() && events == Events::READABLE {
            drop(borrow);
        } else {
            let woken = held.wake_for(events);
            let confirm = held.is_to_confirm(now, events);
            drop(borrow);
            woken.wake();
            if confirm {
                self.ip.confirm(src);
            }
        }
        if !self.tasks.is_empty() {
            self.wake_task();
        }
        Ok(())
    }

    /// The connection of a tuple that is not the one that was found last, or not
    /// marked: now it is both. Not one that is not [as usual](Held::is_as_usual); what
    /// is found else is `known` then.
    #[inline(never)]
    fn turn_to<'s>(
        &self,
        state: &'s mut State<S>,
        tuple: &Tuple,
        known: &mut Known,
    ) -> Option<&'s mut Held<S>> {
        if !state.is_recent(tuple) {
            let (hash, entry) = self.look_up(state, tuple);
            known.entry = Some((hash, entry));
            match entry {
                Some(Entry::Connection(_)) => {}
                Some(Entry::HalfOpen(_) | Entry::TimeWait(_)) | None => return None,
            }
        }
        let slot = state.recent;
        if !state.connections.get(slot)?.is_as_usual() {
            return None;
        }
        // However the segment is taken, there may be something to say then.
        state.mark(slot);
        state.connections.get_mut(slot)
    }

    /// What a tuple leads to that is not the one of the connection that was found
    /// last, and its hash; if a connection, that is the last now.
    pub(super) fn look_up(&self, state: &mut State<S>, tuple: &Tuple) -> (u32, Option<Entry>) {
        let hash = self.secret.table(tuple);
        let entry = state.find(hash, tuple);
        if let Some(Entry::Connection(slot)) = entry {
            state.recent = slot;
        }
        (hash, entry)
    }
}

impl<S: Storage> Held<S> {
    /// Whether segments of `tuple` are for it.
    #[inline]
    pub(super) fn is_of(&self, tuple: &Tuple) -> bool {
        self.indexed && self.tuple == *tuple
    }

    /// Whether it is no listener's, established, and with nothing on loan.
    #[inline]
    fn is_as_usual(&self) -> bool {
        self.machine.state() == ConnectionState::Established
            && self.lent.is_empty()
            && self.owner != Owner::Listener
    }
}
