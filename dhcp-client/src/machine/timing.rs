//! How long to wait for an answer.

use core::time::Duration;

use rand_core::Rng;
use traits::Instant;

/// Times that a REQUEST is sent in SELECTING's wake before all begins anew: 4 +
/// 8 + 16 + 32 = 60 seconds (RFC 2131 §3.1 item 5).
pub(crate) const REQUEST_ATTEMPTS: u8 = 4;

/// Times that a remembered address is asked for before any will do: 4 + 8
/// seconds. The RFC names no number; whoever waits for the network wants it
/// small.
pub(crate) const REBOOT_ATTEMPTS: u8 = 2;

/// How long to wait after a DECLINE (RFC 2131 §3.1 item 5).
pub(crate) const DECLINE_WAIT: Duration = Duration::from_secs(10);

/// Conflicts after which the wait is [`CONFLICT_WAIT`] (RFC 5227 §2.1.1,
/// `MAX_CONFLICTS`).
pub(crate) const CONFLICTS_MAX: u8 = 10;

/// The wait after many conflicts (RFC 5227 §2.1.1, `RATE_LIMIT_INTERVAL`).
pub(crate) const CONFLICT_WAIT: Duration = Duration::from_secs(60);

/// The longest that a full probe may take before its silence counts as an
/// answer, in case nobody reports its end: the RFC's own 7 seconds and some.
pub(crate) const FULL_PROBE_LIMIT: Duration = Duration::from_secs(10);

/// The delay before the retransmission after `attempts` messages: 4, 8, 16,
/// 32, then always 64 seconds, give or take up to one (RFC 2131 §4.1).
pub(crate) fn backoff(attempts: u8, random: &mut impl Rng) -> Duration {
    let seconds = 4u64 << attempts.saturating_sub(1).min(4);
    let jitter = u64::from(random.next_u32()) % 2001;
    Duration::from_millis(seconds * 1000 - 1000 + jitter)
}

/// The delay before a lease is asked for again: half of what is left until
/// `end`, and no less than a minute (RFC 2131 §4.4.5). A lease of under 16
/// minutes has no room for minutes: a sixteenth of it is enough then, but at
/// least 4 seconds.
pub(crate) fn renewal(now: Instant, end: Instant, length: Duration) -> Duration {
    let floor = (length / 16).clamp(Duration::from_secs(4), Duration::from_secs(60));
    (end.duration_since(now) / 2).max(floor)
}

/// The delay before a new start after the `naks`th NAK in a row: at once, then
/// 1, 2, 4 … 64 seconds, so that a server that offers what it then refuses is
/// not flooded.
pub(crate) fn after_nak(naks: u8) -> Duration {
    match naks {
        0 | 1 => Duration::ZERO,
        n => Duration::from_secs(1 << (n - 2).min(6)),
    }
}
