//! Keyed hashing: packet identification and other numbers that outsiders
//! must not guess.

use core::cell::Cell;
use core::net::Ipv4Addr;

use siphasher::sip::SipHasher13;
use traits::{Instant, Rng};
use wire::{MacAddr, Protocol};

/// How many counters destinations share.
const BUCKETS: usize = 64;

/// The layer's secret and what is derived from it.
///
/// The identification of a packet that may be cut is a keyed hash of source,
/// destination and protocol, plus a counter (RFC 7739 §5.3's third way, for
/// the 16 bits of RFC 791): unique over 65,536 packets to one destination as
/// RFC 6864 §4.3 asks, and no host can tell from the packets that it gets what
/// others get. Destinations share 64 counters, chosen by the same hash.
#[derive(Debug)]
pub(crate) struct Secret {
    key: Cell<(u64, u64)>,
    counters: [Cell<u16>; BUCKETS],
    /// The hash of the last packet's ends, which the next one's mostly are. As
    /// words: bytes would be compared in memory, just after they were written.
    last: Cell<Option<((u64, u8), u64)>>,
    drawn: Cell<u64>,
}

impl Secret {
    /// A key out of what is at hand. **Weak**: whoever knows the hardware
    /// address and when the layer was made can search for it.
    pub(crate) fn weak(mac: MacAddr, now: Instant) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        let mac = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let hash = SipHasher13::new_with_keys(mac, now.as_nanos());
        let key = (hash.hash(b"first"), hash.hash(b"second"));
        Self {
            key: Cell::new(key),
            counters: [const { Cell::new(0) }; BUCKETS],
            last: Cell::new(None),
            drawn: Cell::new(0),
        }
    }

    /// Takes a real key.
    pub(crate) fn seed(&self, rng: &mut impl Rng) {
        self.key.set((rng.next_u64(), rng.next_u64()));
        self.last.set(None);
    }

    /// The identification for the next `count` packets, which take the
    /// numbers that follow.
    pub(crate) fn identification(&self, src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol, count: u16) -> u16 {
        let ends = (u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits()), protocol.0);
        let hash = match self.last.get() {
            Some((last, hash)) if last == ends => hash,
            Some(_) | None => {
                let [a, b, c, d, e, f, g, h] = ends.0.to_be_bytes();
                let hash = self.hash(&[a, b, c, d, e, f, g, h, protocol.0]);
                self.last.set(Some((ends, hash)));
                hash
            }
        };
        let bucket = (hash >> 32) as usize % BUCKETS;
        let Some(counter) = self.counters.get(bucket) else { return 0 };
        let first = (hash as u16).wrapping_add(counter.get());
        counter.set(counter.get().wrapping_add(count.max(1)));
        first
    }

    /// A number below `bound`, a new one each time; 0 for a bound of 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let drawn = self.drawn.get();
        self.drawn.set(drawn.wrapping_add(1));
        let [a, b, c, d, e, f, g, h] = drawn.to_be_bytes();
        self.hash(&[a, b, c, d, e, f, g, h]).checked_rem(bound).unwrap_or(0)
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        let (first, second) = self.key.get();
        SipHasher13::new_with_keys(first, second).hash(bytes)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::HashSet;

    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    #[test]
    fn a_destination_sees_no_number_twice() {
        let secret = Secret::weak(MacAddr([2, 0, 0, 0, 0, 1]), Instant::from_secs(1));
        let seen: HashSet<u16> = (0..60_000).map(|_| secret.identification(A, B, Protocol::UDP, 1)).collect();
        assert_eq!(seen.len(), 60_000);
    }

    #[test]
    fn destinations_differ_and_keys_differ() {
        let first =
            |mac, dst| Secret::weak(mac, Instant::from_secs(1)).identification(A, dst, Protocol::UDP, 1);
        let (one, two) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        assert_ne!(first(one, B), first(one, Ipv4Addr::new(10, 0, 0, 3)));
        assert_ne!(first(one, B), first(two, B));
    }

    #[test]
    fn a_bound_of_zero_is_no_division() {
        let secret = Secret::weak(MacAddr::ZERO, Instant::ZERO);
        assert_eq!(secret.below(0), 0);
        assert!((0..100).all(|_| secret.below(3) < 3));
    }
}
