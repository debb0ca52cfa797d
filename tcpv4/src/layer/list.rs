//! What the layer remembers, for a person or a test to see.

use core::net::SocketAddrV4;

use traits::Ip;

use super::Tcp;
use crate::connection::{Info, State};
use crate::storage::Storage;
use crate::table::Tuple;

/// A connection that a layer remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Remembered {
    /// The own end.
    pub local: SocketAddrV4,
    /// The peer's end.
    pub remote: SocketAddrV4,
    /// Its state: SYN-RECEIVED of half-open ones, CLOSED of those that are
    /// over while their flow is still held.
    pub state: State,
    /// More of it; half-open ones and those in TIME-WAIT have no more.
    pub info: Option<Info>,
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Calls `each` for all that [`usage`](Tcp::usage) counts: connections,
    /// half-open ones, those in TIME-WAIT, each kind in no order.
    ///
    /// Takes time in proportion to what there is and was.
    pub fn connections(&self, mut each: impl FnMut(Remembered)) {
        let of = |tuple: &Tuple, state, info| Remembered {
            local: tuple.local(),
            remote: tuple.remote(),
            state,
            info,
        };
        let connection = |slot| {
            let state = self.state.try_borrow().ok()?;
            let held = state.connections.get(slot)?;
            let info = held.machine.info();
            Some(of(&held.tuple, info.state, Some(info)))
        };
        let half_open = |slot| {
            let state = self.state.try_borrow().ok()?;
            state.half_open.get(slot).map(|entry| of(&entry.tuple, State::SynReceived, None))
        };
        let time_wait = |slot| {
            let state = self.state.try_borrow().ok()?;
            state.time_wait.get(slot).map(|entry| of(&entry.tuple, State::TimeWait, None))
        };
        // Not borrowed while `each` runs, which may use the layer.
        let ends = match self.state.try_borrow() {
            Ok(state) => (state.connections.end(), state.half_open.end(), state.time_wait.end()),
            Err(_) => return,
        };
        (0..ends.0).filter_map(connection).for_each(&mut each);
        (0..ends.1).filter_map(half_open).for_each(&mut each);
        (0..ends.2).filter_map(time_wait).for_each(&mut each);
    }
}
