//! Numbers that nobody outside can guess, from one key.
//!
//! All are SipHash-1-3 of the tuple under a key drawn when the layer is
//! connected; each purpose has a domain of its own, so that a number which
//! is seen on the wire says nothing of the others. SipHash-2-4 is used where
//! the output itself is shown to the peer.

use core::cell::Cell;
use core::hash::Hasher as _;

use siphasher::sip::{SipHasher13, SipHasher24};
use traits::{Instant, Rng};

use crate::SeqNum;
use crate::table::Tuple;

/// The layer's key.
#[derive(Clone)]
pub(crate) struct Secret {
    k0: u64,
    k1: u64,
    /// The pair of hosts whose timestamps were asked for last, and their offset.
    recent_offset: Cell<Option<(Hosts, u32)>>,
}

/// Local and remote address.
type Hosts = (u32, u32);

/// What a number is for.
#[derive(Clone, Copy)]
enum Domain {
    Isn = 1,
    TimestampOffset = 2,
    PortOffset = 3,
    PortCounter = 4,
    Cookie = 5,
    CookieData = 6,
    PortNoise = 7,
}

impl Secret {
    pub(crate) fn new(random: &mut impl Rng) -> Self {
        Self { k0: random.next_u64(), k1: random.next_u64(), recent_offset: Cell::new(None) }
    }

    /// Where a tuple stands in the index.
    //
    // Called from many places, and from none for a segment of the connection that
    // had the last one.
    #[inline(never)]
    pub(crate) fn table(&self, tuple: &Tuple) -> u32 {
        let mut hasher = SipHasher13::new_with_keys(self.k0, self.k1);
        hasher.write(&tuple.bytes());
        hasher.finish() as u32
    }

    /// The initial sequence number of a connection (RFC 6528 §3): a clock of
    /// 4 µs, so that numbers of one tuple grow and an old segment is not taken
    /// for a new one, from a start that only the key tells.
    pub(crate) fn isn(&self, tuple: &Tuple, now: Instant) -> SeqNum {
        let start = self.shown(Domain::Isn, tuple, 0) as u32;
        SeqNum::new(start.wrapping_add((now.as_micros() / 4) as u32))
    }

    /// What is added to the clock in the timestamps of a connection
    /// (RFC 7323 §7.1), so that they don't tell how long the machine is up.
    pub(crate) fn timestamp_offset(&self, tuple: &Tuple) -> u32 {
        // Per pair of hosts, so that timestamps of successive connections of
        // a pair grow (RFC 6191, RFC 7323 appendix B.2).
        let hosts = (tuple.local.to_bits(), tuple.remote.to_bits());
        match self.recent_offset.get() {
            Some((known, offset)) if known == hosts => offset,
            Some(_) | None => {
                let hosts_alone = Tuple { local_port: 0, remote_port: 0, ..*tuple };
                let offset = self.shown(Domain::TimestampOffset, &hosts_alone, 0) as u32;
                self.recent_offset.set(Some((hosts, offset)));
                offset
            }
        }
    }

    /// Where the search for a local port starts (RFC 6056 §3.3.4).
    pub(crate) fn port_offset(&self, tuple: &Tuple) -> u32 {
        self.shown(Domain::PortOffset, tuple, 0) as u32
    }

    /// Which counter of successive ports a destination has (RFC 6056 §3.3.4).
    pub(crate) fn port_counter(&self, tuple: &Tuple) -> u32 {
        self.shown(Domain::PortCounter, tuple, 0) as u32
    }

    /// The `n`-th draw of the steps from one local port to the next.
    pub(crate) fn port_noise(&self, n: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.k0, self.k1);
        hasher.write_u64(n);
        hasher.write_u8(Domain::PortNoise as u8);
        hasher.finish()
    }

    /// The part of a SYN cookie that hides the rest.
    pub(crate) fn cookie(&self, tuple: &Tuple) -> u32 {
        self.shown(Domain::Cookie, tuple, 0) as u32
    }

    /// The part of a SYN cookie that proves it.
    pub(crate) fn cookie_data(&self, tuple: &Tuple, count: u32) -> u32 {
        self.shown(Domain::CookieData, tuple, count) as u32
    }

    fn shown(&self, domain: Domain, tuple: &Tuple, extra: u32) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.k0, self.k1);
        hasher.write(&tuple.bytes());
        hasher.write_u32(extra);
        hasher.write_u8(domain as u8);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, SocketAddrV4};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    fn tuple(port: u16) -> Tuple {
        let at = |host, port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port);
        Tuple::new(at(1, 80), at(2, port))
    }

    #[test]
    fn an_isn_follows_the_clock_and_the_key() {
        let [a, b] = [1, 2].map(|seed| Secret::new(&mut ChaCha8Rng::seed_from_u64(seed)));
        let at = Instant::from_millis;
        assert_eq!(a.isn(&tuple(1), at(1004)) - 1000, a.isn(&tuple(1), at(1000)));
        assert_ne!(a.isn(&tuple(1), at(0)), a.isn(&tuple(2), at(0)));
        assert_ne!(a.isn(&tuple(1), at(0)), b.isn(&tuple(1), at(0)));
        assert_ne!(a.isn(&tuple(1), at(0)).value(), a.table(&tuple(1)));
    }

    #[test]
    fn timestamps_are_those_of_the_pair_of_hosts() {
        let secret = Secret::new(&mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(secret.timestamp_offset(&tuple(1)), secret.timestamp_offset(&tuple(2)));
        // The last one is remembered: it is that of no other pair.
        let other = Tuple { remote: Ipv4Addr::new(10, 0, 0, 3), ..tuple(1) };
        let fresh = Secret::new(&mut ChaCha8Rng::seed_from_u64(1));
        assert_ne!(secret.timestamp_offset(&other), secret.timestamp_offset(&tuple(1)));
        assert_eq!(secret.timestamp_offset(&other), fresh.timestamp_offset(&other));
    }
}
