//! What path MTU discovery found (RFC 1191).

use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::Vec;
use traits::Instant;

/// The smallest path MTU believed, in bytes: what every host takes whole
/// (RFC 1122 §3.3.3).
pub const MIN_PATH_MTU: u16 = 576;
/// How long a path MTU is believed before the full one is tried again
/// (RFC 1191 §6.3).
pub const PATH_MTU_AGE: Duration = Duration::from_secs(600);

/// The MTUs that links commonly have (RFC 1191 §7.1), for routers that tell
/// none.
const PLATEAUS: [u16; 9] = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296];

/// What is known of the path to one destination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathMtu {
    dst: Ipv4Addr,
    /// Never below [`MIN_PATH_MTU`].
    pub(crate) mtu: u16,
    /// A router told of less than the floor: packets go as long as the floor
    /// but may be cut on the way, else they would never arrive.
    pub(crate) below_floor: bool,
    expires: Instant,
}

/// What a report did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Learnt {
    /// Nothing: as low already, or no room at all.
    Nothing,
    /// The path's MTU is lower now.
    Lowered,
    /// The same, and the oldest entry had to go.
    LoweredAndEvicted,
}

/// At most `N` destinations; a full table gives up the entry that would
/// expire first.
#[derive(Debug)]
pub(crate) struct PathMtus<const N: usize>(Vec<PathMtu, N>);

impl<const N: usize> PathMtus<N> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        N == 0 || self.0.is_empty()
    }

    /// What is known of `dst`.
    #[inline]
    pub(crate) fn get(&self, dst: Ipv4Addr, now: Instant) -> Option<PathMtu> {
        self.0.iter().find(|entry| entry.dst == dst && entry.expires > now).copied()
    }

    /// A router could not forward a packet of `quoted` bytes to `dst` over a
    /// link of `reported`, 0 where it does not tell. Returns the MTU to
    /// believe, `None` for a report that contradicts itself.
    pub(crate) fn judge(quoted: u16, reported: u16) -> Option<u16> {
        let mtu = match reported {
            // RFC 1191 §5: the next plateau below the packet's own length.
            0 => PLATEAUS.into_iter().find(|plateau| *plateau < quoted).unwrap_or(68),
            mtu => mtu,
        };
        // A packet that fits was not in need of being cut.
        (mtu < quoted).then_some(mtu)
    }

    /// Takes `mtu`, as judged, for the path to `dst`. Only ever lowers it.
    pub(crate) fn learn(&mut self, dst: Ipv4Addr, mtu: u16, now: Instant) -> Learnt {
        if N == 0 {
            return Learnt::Nothing;
        }
        self.0.retain(|entry| entry.expires > now);
        // The floor itself may be what was made of less.
        let below_floor = mtu <= MIN_PATH_MTU;
        let mtu = mtu.max(MIN_PATH_MTU);
        let expires = now + PATH_MTU_AGE;
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.dst == dst) {
            if mtu > entry.mtu || (mtu == entry.mtu && below_floor == entry.below_floor) {
                return Learnt::Nothing;
            }
            *entry = PathMtu { dst, mtu, below_floor: below_floor || entry.below_floor, expires };
            return Learnt::Lowered;
        }
        let full = self.0.is_full();
        if full {
            let Some((oldest, _)) = self.0.iter().enumerate().min_by_key(|(_, entry)| entry.expires) else {
                return Learnt::Nothing;
            };
            self.0.swap_remove(oldest);
        }
        match self.0.push(PathMtu { dst, mtu, below_floor, expires }) {
            Ok(()) if full => Learnt::LoweredAndEvicted,
            Ok(()) => Learnt::Lowered,
            Err(_) => Learnt::Nothing,
        }
    }

    pub(crate) fn forget(&mut self, dst: Ipv4Addr) {
        self.0.retain(|entry| entry.dst != dst);
    }
}
