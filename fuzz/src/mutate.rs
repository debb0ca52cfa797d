//! A simple mutator, for runs without a fuzzer.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Changes inputs at random, always the same way from the same seed.
#[derive(Debug)]
pub struct Mutator {
    random: ChaCha8Rng,
}

impl Mutator {
    /// The longest input made, and the longest that a fuzzer is given.
    pub const MAX_LEN: usize = 4096;

    /// A mutator that begins with `seed`.
    pub fn new(seed: u64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A number below `bound`, 0 for a bound of 0.
    fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.random.next_u32()) * bound as u64) >> 32) as usize
    }

    /// A new input out of those of a corpus: one of them, changed in some
    /// places, or two of them joined.
    pub fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.pick(corpus);
        for _ in 0..1 + self.below(6) {
            self.change(&mut input, corpus);
        }
        input.truncate(Self::MAX_LEN);
        input
    }

    fn pick(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let index = self.below(corpus.len());
        corpus.get(index).cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        const TELLING: [u8; 10] = [0, 1, 2, 4, 8, 0x10, 0x7f, 0x80, 0xfe, 0xff];
        let at = self.below(input.len());
        let len = 1 + self.below(16);
        match self.below(8) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = TELLING[self.below(TELLING.len())];
                }
            }
            2 => {
                let bytes: Vec<u8> = (0..len).map(|_| self.random.next_u32() as u8).collect();
                input.splice(at..at, bytes);
            }
            3 => {
                let end = (at + len).min(input.len());
                input.drain(at..end);
            }
            4 => {
                // A piece again, at another place.
                let end = (at + len * 4).min(input.len());
                let piece = input.get(at..end).unwrap_or_default().to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            5 => {
                let other = self.pick(corpus);
                let (from, to) = (self.below(other.len()), self.below(input.len() + 1));
                input.truncate(to);
                input.extend_from_slice(other.get(from..).unwrap_or_default());
            }
            6 => {
                for byte in input.iter_mut().skip(at).take(len) {
                    *byte = self.random.next_u32() as u8;
                }
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = byte.wrapping_add(self.random.next_u32() as u8 % 9).wrapping_sub(4);
                }
            }
        }
    }
}
