//! Local ports for connections made here (RFC 6056).

use core::cell::Cell;

use traits::Rng;

use crate::isn::Secret;
use crate::table::Tuple;

/// The ports chosen from, as Linux has them.
pub(crate) const FIRST: u16 = 32_768;
/// How many they are, 60,999 being the last.
pub(crate) const COUNT: u16 = 28_232;

/// Counters of successive ports, shared by destinations that hash alike.
const COUNTERS: usize = 32;

/// Chooses ports by double hashing (RFC 6056 §3.3.4): successive ones for
/// each destination, so that none comes again soon, from a start that only
/// the key tells, with counters that don't tell what goes elsewhere.
pub(crate) struct Ports {
    counters: [Cell<u16>; COUNTERS],
    /// The destination that was asked for last.
    recent: Cell<Option<(Tuple, Start)>>,
}

/// Where the search for a destination starts.
#[derive(Clone, Copy)]
struct Start {
    offset: u32,
    /// Which of the counters it has.
    counter: usize,
}

impl Ports {
    pub(crate) fn new(random: &mut impl Rng) -> Self {
        let counters = core::array::from_fn(|_| Cell::new((random.next_u32() % u32::from(COUNT)) as u16));
        Self { counters, recent: Cell::new(None) }
    }

    /// The two hashes, kept for who connects to the same destination again.
    fn start(&self, secret: &Secret, tuple: &Tuple) -> Start {
        match self.recent.get() {
            Some((known, start)) if known == *tuple => start,
            Some(_) | None => {
                let start = Start {
                    offset: secret.port_offset(tuple) % u32::from(COUNT),
                    counter: secret.port_counter(tuple) as usize % COUNTERS,
                };
                self.recent.set(Some((*tuple, start)));
                start
            }
        }
    }

    /// A port for `tuple`, whose local port does not matter, of which
    /// `is_free` approves; none when it refuses all of them. Asks
    /// [`COUNT`] times at most.
    pub(crate) fn choose(
        &self,
        secret: &Secret,
        mut tuple: Tuple,
        mut is_free: impl FnMut(&Tuple) -> bool,
    ) -> Option<Tuple> {
        tuple.local_port = 0;
        let Start { offset, counter } = self.start(secret, &tuple);
        let counter = self.counters.get(counter)?;
        for step in 0..COUNT {
            let at = (offset + u32::from(counter.get()) + u32::from(step)) % u32::from(COUNT);
            tuple.local_port = FIRST + at as u16;
            if is_free(&tuple) {
                counter.set((counter.get() + step + 1) % COUNT);
                return Some(tuple);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, SocketAddrV4};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng as _;
    use std::collections::HashSet;

    fn setup() -> (Ports, Secret, Tuple) {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let at = |host, port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port);
        (Ports::new(&mut random), Secret::new(&mut random), Tuple::new(at(1, 0), at(2, 80)))
    }

    #[test]
    fn each_port_comes_once_in_a_round() {
        let (ports, secret, tuple) = setup();
        let mut used = HashSet::new();
        for _ in 0..COUNT {
            let chosen = ports.choose(&secret, tuple, |t| !used.contains(&t.local_port));
            assert!(used.insert(chosen.unwrap().local_port));
        }
        assert!(used.iter().all(|port| (32_768..=60_999).contains(port)));
        let mut asked = 0;
        let refused = ports.choose(&secret, tuple, |_| {
            asked += 1;
            false
        });
        assert_eq!((refused, asked), (None, u32::from(COUNT)));
    }

    #[test]
    fn the_one_free_port_is_found() {
        let (ports, secret, tuple) = setup();
        for port in [32_768, 40_000, 60_999] {
            let chosen = ports.choose(&secret, tuple, |t| t.local_port == port);
            assert_eq!(chosen.map(|t| t.local_port), Some(port));
        }
    }
}
