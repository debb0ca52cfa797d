//! Local ports for connections made here (RFC 6056).

use core::cell::Cell;

use traits::Rng;

use crate::isn::Secret;
use crate::table::Tuple;

/// The ports chosen from, as Linux has them.
pub(crate) const FIRST: u16 = 32_768;
/// How many they are, 60,999 being the last.
pub(crate) const COUNT: u16 = 28_232;

/// Counters of successive ports, shared by destinations that hash alike: 512
/// bytes, wherever the layer stands. (Linux has 65,536, of 256 KiB.)
const COUNTERS: usize = 256;

/// A counter moves on by up to so many ports beyond the one that was taken.
const NOISE_BITS: u32 = 3;

/// Chooses ports by double hashing (RFC 6056 §3.3.4): successive ones for
/// each destination, so that none comes again soon (within some 6000), from a
/// start that only the key tells.
///
/// Counters move on by steps of 1 to 8 that nobody can foretell: who sees two
/// ports of a destination that shares its counter with another could count
/// else how many connections went there meanwhile, and know a host again by
/// which destinations share one (CVE-2022-32296; Linux has such steps since).
pub(crate) struct Ports {
    counters: [Cell<u16>; COUNTERS],
    /// Steps not used yet, [`NOISE_BITS`] each below a leading 1.
    noise: Cell<u64>,
    /// How often `noise` was drawn.
    drawn: Cell<u64>,
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
        Self { counters, noise: Cell::new(1), drawn: Cell::new(0), recent: Cell::new(None) }
    }

    /// How many ports are passed over, at random.
    fn noise(&self, secret: &Secret) -> u16 {
        if self.noise.get() < 1 << NOISE_BITS {
            self.noise.set(secret.port_noise(self.drawn.get()) | 1 << 63);
            self.drawn.set(self.drawn.get().wrapping_add(1));
        }
        let noise = self.noise.get();
        self.noise.set(noise >> NOISE_BITS);
        (noise & ((1 << NOISE_BITS) - 1)) as u16
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
                let next = u32::from(counter.get()) + u32::from(step) + 1 + u32::from(self.noise(secret));
                counter.set((next % u32::from(COUNT)) as u16);
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

    /// Steps of 1 to 8, all of them as often, which neither the counter nor what
    /// came before tells.
    #[test]
    fn what_an_observer_sees_of_a_counter_does_not_count_what_it_does_not_see() {
        let (ports, secret, tuple) = setup();
        let mut steps = [0_u32; 9];
        let mut after = [[0_u32; 9]; 9];
        let mut last = (ports.choose(&secret, tuple, |_| true).unwrap().local_port, 1);
        for _ in 0..8000 {
            let port = ports.choose(&secret, tuple, |_| true).unwrap().local_port;
            let step = ((u32::from(port) + u32::from(COUNT) - u32::from(last.0)) % u32::from(COUNT)) as usize;
            steps[step] += 1;
            after[last.1][step] += 1;
            last = (port, step);
        }
        assert_eq!(steps[0], 0);
        assert!(steps[1..].iter().all(|&n| (850..1150).contains(&n)), "{steps:?}");
        assert!(after[1..].iter().all(|next| next[1..].iter().all(|&n| (80..170).contains(&n))), "{after:?}");
    }

    /// A port is left alone for thousands of connections, to any one peer.
    #[test]
    fn none_comes_again_soon() {
        let (ports, secret, tuple) = setup();
        let mut seen = HashSet::new();
        let first =
            (0..).take_while(|_| seen.insert(ports.choose(&secret, tuple, |_| true).unwrap().local_port));
        let count = first.count();
        assert!((5500..7000).contains(&count), "{count}");
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
