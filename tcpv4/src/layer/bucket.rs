//! How often resets are sent.

use traits::Instant;

/// So many of something a second, and so many at once: a token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    tokens: u32,
    filled: Instant,
}

/// Resets a second, and in one burst.
const RESETS: u32 = 1000;

impl Default for Bucket {
    fn default() -> Self {
        Self { tokens: RESETS, filled: Instant::ZERO }
    }
}

impl Bucket {
    /// Takes one, if there is one at `now`.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.filled).as_millis().min(1000) as u32;
        let fresh = passed * RESETS / 1000;
        if fresh > 0 {
            self.tokens = (self.tokens + fresh).min(RESETS);
            self.filled = now;
        }
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}
