//! SYN cookies: a SYN-ACK that remembers, in its own numbers, all that a
//! half-open entry would, for when those are all taken.
//!
//! The sequence number holds a count of minutes (8 bits) and the index of an
//! MSS, each under a keyed hash. Window scale, SACK-permitted and ECN stand in the
//! lowest 6 bits of the timestamp, where the peer uses timestamps, and are
//! lost where it does not (as in Linux).

use core::time::Duration;

use traits::Instant;

use crate::isn::Secret;
use crate::segment::Segment;
use crate::table::Tuple;
use crate::wire::{Options, Timestamps};
use crate::{Mss, SeqNum, WindowScale};

/// The sizes that a cookie can hold: the common ones of the Internet.
const SIZES: [u16; 4] = [536, 1300, 1440, 1460];

/// Minutes that a cookie is good for, the one in which it was made included.
const MINUTES: u32 = 2;

/// The longest that a cookie is good for.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60 * MINUTES as u64);

const LOW: u32 = (1 << 24) - 1;
const OPTION_BITS: u32 = 6;
const OPTION_MASK: u32 = (1 << OPTION_BITS) - 1;
const NO_SCALE: u32 = 0xf;
const SACK: u32 = 1 << 4;
const ECN: u32 = 1 << 5;

/// The initial sequence number that answers `syn`.
pub(crate) fn make(secret: &Secret, tuple: &Tuple, syn: &Segment<'_>, now: Instant) -> SeqNum {
    let offered = syn.options.mss.unwrap_or(Mss::DEFAULT).bytes();
    let index = SIZES.iter().rposition(|size| *size <= offered).unwrap_or(0) as u32;
    let count = minutes(now);
    let proof = secret.cookie_data(tuple, count).wrapping_add(index) & LOW;
    let shown = (count << 24).wrapping_add(proof);
    SeqNum::new(secret.cookie(tuple).wrapping_add(syn.seq.value()).wrapping_add(shown))
}

/// The MSS in the cookie that `ack` acknowledges, if it is one of the last
/// minutes. A forged one passes once in four million.
pub(crate) fn verify(secret: &Secret, tuple: &Tuple, ack: &Segment<'_>, now: Instant) -> Option<Mss> {
    let (iss, irs) = (ack.ack? - 1, ack.seq - 1);
    let shown = iss.value().wrapping_sub(secret.cookie(tuple)).wrapping_sub(irs.value());
    let age = minutes(now).wrapping_sub(shown >> 24) & 0xff;
    if age >= MINUTES {
        return None;
    }
    let proof = secret.cookie_data(tuple, minutes(now).wrapping_sub(age));
    let index = shown.wrapping_sub(proof) & LOW;
    SIZES.get(index as usize).map(|size| Mss::new(*size))
}

/// A timestamp of at most `clock` that holds what the SYN offers.
pub(crate) fn timestamp(clock: u32, offer: &Options, ecn: bool) -> u32 {
    let scale = offer.window_scale.map_or(NO_SCALE, |scale| u32::from(scale.shift()));
    let bits = scale | if offer.sack_permitted { SACK } else { 0 } | if ecn { ECN } else { 0 };
    let value = clock & !OPTION_MASK | bits;
    // Not ahead of the clock, or later timestamps would seem old.
    if (clock.wrapping_sub(value) as i32) < 0 { value.wrapping_sub(1 << OPTION_BITS) } else { value }
}

/// What the peer offered in its SYN, by the `ts_offset` under which its
/// acknowledgement echoes a [`timestamp`].
pub(crate) fn offer(mss: Mss, timestamps: Option<Timestamps>, ts_offset: u32) -> Options {
    let mut options = Options { mss: Some(mss), timestamps, ..Options::NONE };
    if let Some(timestamps) = timestamps {
        let bits = timestamps.echo.wrapping_sub(ts_offset);
        let scale = bits & NO_SCALE;
        options.window_scale = (scale != NO_SCALE).then(|| WindowScale::new(scale as u8));
        options.sack_permitted = bits & SACK != 0;
    }
    options
}

/// Whether the peer offered ECN in its SYN, by the same.
pub(crate) fn offers_ecn(timestamps: Option<Timestamps>, ts_offset: u32) -> bool {
    timestamps.is_some_and(|t| t.echo.wrapping_sub(ts_offset) & ECN != 0)
}

fn minutes(now: Instant) -> u32 {
    (now.as_millis() / 60_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use crate::segment::{Control, Ecn, Marks};
    use core::net::{Ipv4Addr, SocketAddrV4};
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    fn tuple(port: u16) -> Tuple {
        let at = |host, port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port);
        Tuple::new(at(1, 80), at(2, port))
    }

    fn segment(seq: SeqNum, ack: Option<SeqNum>, mss: Option<u16>) -> Segment<'static> {
        Segment {
            seq,
            ack,
            window: Window(1000),
            control: ack.is_none().then_some(Control::Syn),
            marks: Marks::empty(),
            options: Options { mss: mss.map(Mss::new), ..Options::NONE },
            ecn: Ecn::NotCapable,
            payload: &[],
            segment_size: None,
        }
    }

    proptest! {
        #[test]
        fn a_cookie_comes_back(irs: u32, mss in 88u16.., at in 0u64..1 << 40, seed: u64, waited in 0u64..60_000) {
            let secret = Secret::new(&mut ChaCha8Rng::seed_from_u64(seed));
            let now = Instant::from_millis(at);
            let iss = make(&secret, &tuple(9), &segment(SeqNum::new(irs), None, Some(mss)), now);
            let ack = segment(SeqNum::new(irs) + 1, Some(iss + 1), None);
            let later = now + Duration::from_millis(waited);
            let found = verify(&secret, &tuple(9), &ack, later).unwrap();
            prop_assert!(found.bytes() <= mss.max(536));
            prop_assert_eq!(verify(&secret, &tuple(8), &ack, later), None, "for another tuple");
            prop_assert_eq!(verify(&secret, &tuple(9), &ack, now + Duration::from_secs(120)), None);
        }

        #[test]
        fn options_hide_in_timestamps(clock: u32, offset: u32, shift in 0u8..=14, flags: [bool; 3]) {
            let [scaled, sack, ecn] = flags;
            let offered = Options {
                window_scale: scaled.then(|| WindowScale::new(shift)),
                sack_permitted: sack,
                ..Options::NONE
            };
            let value = timestamp(clock, &offered, ecn);
            prop_assert!(clock.wrapping_sub(value) < 64);
            let echoed = Timestamps { value: 1, echo: value.wrapping_add(offset) };
            let found = offer(Mss::DEFAULT, Some(echoed), offset);
            prop_assert_eq!(found.window_scale, offered.window_scale);
            prop_assert_eq!(found.sack_permitted, sack);
            prop_assert_eq!(offers_ecn(Some(echoed), offset), ecn);
        }
    }
}
