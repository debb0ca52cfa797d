//! The seed of the guest's generator.

use core::arch::x86_64::{__cpuid, __cpuid_count, _rdrand64_step, _rdseed64_step};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Tries before an instruction that gives nothing counts as broken. Intel asks
/// for ten (Software Developer's Manual, volume 1, §7.3.17.1); RDSEED, which
/// may be drained by a neighbour, for more.
const TRIES: usize = 100;

/// The processor has no random numbers to give, or gives the same ones again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoRandomness;

/// A generator from the processor's random numbers, mixed with `context`, which
/// need not be secret: what is known of it takes nothing away.
pub(super) fn seeded(context: [u8; 32]) -> Result<ChaCha20Rng, NoRandomness> {
    mix(hardware()?, context)
}

fn mix(hardware: [u64; 4], context: [u8; 32]) -> Result<ChaCha20Rng, NoRandomness> {
    // A known fault of some processors is one value for ever.
    if hardware.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(NoRandomness);
    }
    let mut seed = [0; 32];
    for (bytes, word) in seed.chunks_exact_mut(8).zip(hardware) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let (mut first, mut second) = ([0; 32], [0; 32]);
    ChaCha20Rng::from_seed(seed).fill_bytes(&mut first);
    ChaCha20Rng::from_seed(context).fill_bytes(&mut second);
    for (byte, other) in first.iter_mut().zip(second) {
        *byte ^= other;
    }
    Ok(ChaCha20Rng::from_seed(first))
}

/// 256 bits from RDSEED, else from RDRAND.
fn hardware() -> Result<[u64; 4], NoRandomness> {
    let has_seed = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & 1 << 18 != 0;
    let has_rand = __cpuid(1).ecx & 1 << 30 != 0;
    let mut words = [0; 4];
    for word in &mut words {
        // SAFETY: the processor has the instruction, as it says itself.
        let seed = || has_seed.then(|| retry(|value| unsafe { _rdseed64_step(value) })).flatten();
        // SAFETY: as above.
        let rand = || has_rand.then(|| retry(|value| unsafe { _rdrand64_step(value) })).flatten();
        *word = seed().or_else(rand).ok_or(NoRandomness)?;
    }
    Ok(words)
}

fn retry(step: impl Fn(&mut u64) -> i32) -> Option<u64> {
    let mut value = 0;
    (0..TRIES).find_map(|_| {
        core::hint::spin_loop();
        (step(&mut value) == 1).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(hardware: [u64; 4], context: u8) -> u64 {
        mix(hardware, [context; 32]).unwrap().next_u64()
    }

    #[test]
    fn both_parts_count() {
        let numbers = [first([1, 2, 3, 4], 0), first([1, 2, 3, 4], 1), first([1, 2, 3, 5], 0)];
        assert_eq!(numbers[0], first([1, 2, 3, 4], 0));
        assert!(numbers[0] != numbers[1] && numbers[0] != numbers[2] && numbers[1] != numbers[2]);
    }

    #[test]
    fn one_number_again_and_again_is_none() {
        assert_eq!(mix([u64::MAX; 4], [0; 32]).err(), Some(NoRandomness));
        assert_eq!(mix([1, 2, 2, 3], [0; 32]).err(), Some(NoRandomness));
    }

    #[test]
    fn an_instruction_is_tried_again_but_not_for_ever() {
        assert_eq!(retry(|_| 0), None);
        assert_eq!(
            retry(|value| {
                *value += 1;
                i32::from(*value == 50)
            }),
            Some(50)
        );
    }
}
