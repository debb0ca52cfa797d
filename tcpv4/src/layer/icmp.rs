//! ICMP errors: anybody can forge one, so the quote has to fit what is under
//! way (RFC 5927 §4.1).

use traits::{IcmpError, IcmpErrorKind, Ip};

use super::{Lent, Tcp};
use crate::SeqNum;
use crate::storage::Storage;
use crate::table::{Entry, Tuple};

impl<I: Ip, S: Storage> Tcp<I, S> {
    #[cold]
    #[inline(never)]
    pub(super) fn input_error(&self, error: &IcmpError<'_>) {
        let Some((tuple, seq)) = quoted(error) else {
            return self.counters.icmp_ignored.count();
        };
        let (hash, now) = (self.secret.table(&tuple), self.ip.now());
        let Ok(mut state) = self.state.try_borrow_mut() else {
            return self.counters.reentered.count();
        };
        let woken = match state.find(hash, &tuple) {
            Some(Entry::Connection(slot)) => {
                let Some(held) = state.connections.get_mut(slot) else { return };
                if held.lent.contains(Lent::SEND) {
                    return self.counters.reentered.count();
                }
                let outcome = held.machine.handle_icmp(now, error.kind, seq);
                let woken = held.wake_for(outcome.events);
                match (outcome.dropped, error.kind) {
                    (Some(_), _) => self.counters.icmp_ignored.count(),
                    (None, IcmpErrorKind::FragmentationNeeded { mtu }) => {
                        self.counters.icmp_too_long.count();
                        // What was too long is sent again, by this MTU.
                        self.ip.learn_path_mtu(error.dst, mtu);
                    }
                    (None, _) => self.counters.icmp_soft.count(),
                }
                if outcome.events.contains(crate::connection::Events::FAILED) {
                    self.count_failure(held.machine.failure());
                }
                state.mark(slot);
                Some(woken)
            }
            Some(Entry::HalfOpen(slot)) => {
                let fits = state.half_open.get(slot).is_some_and(|half_open| half_open.iss == seq);
                match error.kind {
                    IcmpErrorKind::Unreachable(_) if fits => {
                        self.counters.half_open_reset.count();
                        state.release_half_open(slot, true);
                    }
                    _ => self.counters.icmp_ignored.count(),
                }
                None
            }
            Some(Entry::TimeWait(_)) | None => {
                self.counters.icmp_ignored.count();
                None
            }
        };
        drop(state);
        if let Some(woken) = woken {
            woken.wake();
        }
        self.wake_task();
    }
}

/// Whose segment is quoted, and its sequence number: ports and number are the
/// first eight bytes.
fn quoted(error: &IcmpError<'_>) -> Option<(Tuple, SeqNum)> {
    let (&[a, b, c, d, e, f, g, h], _) = error.quote.split_first_chunk::<8>()?;
    let tuple = Tuple {
        local: error.src,
        remote: error.dst,
        local_port: u16::from_be_bytes([a, b]),
        remote_port: u16::from_be_bytes([c, d]),
    };
    Some((tuple, SeqNum::new(u32::from_be_bytes([e, f, g, h]))))
}
