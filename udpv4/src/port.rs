//! Ports of the layer's choice.

use core::ops::RangeInclusive;

use traits::Rng;

/// The ports that [`ephemeral_port`] chooses from: half of all, as far as
/// services do not live there (RFC 6056 §3.2 asks for as many as possible).
pub const EPHEMERAL_PORTS: RangeInclusive<u16> = 32_768..=65_535;

/// A random port that is not `taken` (RFC 6056 §3.3.1); `None` when all are.
///
/// Asks `taken` for at most each port once, upwards from a random one.
///
/// ```
/// use rand_core::SeedableRng;
/// # use rand_chacha::ChaCha8Rng;
///
/// let mut random = ChaCha8Rng::seed_from_u64(1);
/// let port = udpv4::ephemeral_port(&mut random, |port| port == 33_000);
/// assert!(port.is_some_and(|port| udpv4::EPHEMERAL_PORTS.contains(&port)));
/// ```
pub fn ephemeral_port(random: &mut impl Rng, mut taken: impl FnMut(u16) -> bool) -> Option<u16> {
    // The count of ports is a power of two: the low bits are uniform.
    let (low, mask) = (*EPHEMERAL_PORTS.start(), EPHEMERAL_PORTS.end() - EPHEMERAL_PORTS.start());
    let start = random.next_u32() as u16;
    (0..=mask).map(|step| low + (start.wrapping_add(step) & mask)).find(|&port| !taken(port))
}
