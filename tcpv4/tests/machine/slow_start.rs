//! How the first slow start ends: HyStart++ (RFC 9406), and the train of
//! acknowledgements.

use crate::script::path::Path;
use tcpv4::congestion::Algorithm;

/// Three rounds of slow start over a path of 100 ms.
fn started() -> Path {
    let mut path = Path::new(Algorithm::Cubic, 100_000);
    for flight in [10, 20, 40] {
        assert_eq!(path.round(), flight);
    }
    assert_eq!((path.cwnd(), path.ssthresh()), (80_000, None));
    path
}

/// The same, and then the round trip has grown by more than an eighth.
fn slowed() -> Path {
    let mut path = started();
    path.rtt = 113_000;
    // These were sent before.
    assert_eq!(path.round(), 80);
    assert_eq!(path.cwnd(), 160_000);
    path
}

#[test]
fn steady_round_trips_double_the_window() {
    let mut path = started();
    for flight in [80, 160, 320] {
        assert_eq!(path.round(), flight);
    }
    assert_eq!((path.cwnd(), path.ssthresh()), (640_000, None));
}

/// RFC 9406 §4.2: RttThresh is an eighth of the round before, 12.5 ms here, and
/// eight samples have to show it; from then on growth is a quarter.
#[test]
fn a_delay_of_an_eighth_makes_it_conservative() {
    let mut path = slowed();
    assert_eq!(path.round(), 160);
    // The first eight in slow start, then a quarter for each.
    assert_eq!(path.cwnd(), 160_000 + 8 * 1000 + 152 * 250);
    assert_eq!(path.ssthresh(), None);
}

#[test]
fn a_smaller_delay_does_not() {
    let mut path = started();
    path.rtt = 112_000;
    for flight in [80, 160, 320] {
        assert_eq!(path.round(), flight);
    }
    assert_eq!(path.cwnd(), 640_000);
}

/// RFC 9406 §4.3: MIN_RTT_THRESH, 4 ms, where an eighth is less.
#[test]
fn a_delay_of_less_than_4_ms_is_none() {
    for (grown, is_slower) in [(13_900, false), (14_000, true)] {
        let mut path = Path::new(Algorithm::Cubic, 10_000);
        path.round();
        path.round();
        path.rtt = grown;
        path.round();
        let before = path.cwnd();
        let flight = path.round() as u32;
        assert_eq!(path.cwnd() < before + flight * 1000, is_slower, "{grown}");
    }
}

/// RFC 9406 §4.2: the round in which it began counts.
#[test]
fn after_five_conservative_rounds_congestion_is_avoided() {
    let mut path = slowed();
    for round in 1..=5 {
        let before = path.cwnd();
        let flight = path.round() as u32;
        assert_eq!(path.ssthresh(), None, "round {round}");
        if round > 1 {
            assert_eq!(path.cwnd(), before + flight * 250, "round {round}");
        }
    }
    let before = path.cwnd();
    path.round();
    assert_eq!(path.ssthresh(), Some(before));
    // A segment a round trip, about.
    assert!(path.cwnd() < before + 3000, "{before} {}", path.cwnd());
}

/// RFC 9406 §4.2: a round trip below that with which it became conservative shows
/// that the delay was a passing one.
#[test]
fn a_round_trip_that_falls_again_leads_back_to_slow_start() {
    let mut path = slowed();
    path.round();
    path.rtt = 105_000;
    path.round();
    let before = path.cwnd();
    let flight = path.round() as u32;
    // The first eight at a quarter still.
    assert_eq!(path.cwnd(), before + 8 * 250 + (flight - 8) * 1000);
    let before = path.cwnd();
    let flight = path.round() as u32;
    assert_eq!(path.cwnd(), before + flight * 1000);
    assert_eq!(path.ssthresh(), None);
}

/// A bottleneck that takes 1 ms a segment: when the acknowledgements of a round
/// take more than half a round trip (and the slack), twice as many fill it.
#[test]
fn a_train_of_half_a_round_trip_ends_it() {
    let mut path = Path::narrow(Algorithm::Cubic, 100_000, 1_000);
    for flight in [10, 20, 40] {
        assert_eq!(path.round(), flight);
        assert_eq!(path.ssthresh(), None);
    }
    // Of these 80, the 52nd comes 51 ms after the first: (100 ms + 1 ms) / 2.
    assert_eq!(path.round(), 80);
    assert_eq!(path.ssthresh(), Some(80_000 + 52_000));
    assert!(path.cwnd() < 80_000 + 52_000 + 1_000, "{}", path.cwnd());
}

/// Acknowledgements more than 2 ms apart are no train: a slow bottleneck ends
/// slow start by its delay.
#[test]
fn acknowledgements_far_apart_are_no_train() {
    let mut path = Path::narrow(Algorithm::Cubic, 100_000, 2_100);
    for flight in [10, 20, 40, 80] {
        assert_eq!(path.round(), flight);
        assert_eq!(path.ssthresh(), None);
    }
    path.round();
    assert_eq!(path.ssthresh(), None);
    assert!(path.cwnd() < 320_000, "conservative: {}", path.cwnd());
}

/// A small window says little of the path.
#[test]
fn a_train_of_less_than_16_segments_does_not_count() {
    let mut path = Path::narrow(Algorithm::Cubic, 10_000, 1_000);
    // 5.5 ms are over with the seventh, when 17 segments are allowed.
    path.round();
    assert_eq!(path.ssthresh(), Some(17_000));
    let mut path = Path::narrow(Algorithm::Cubic, 6_000, 1_000);
    // 3.5 ms would be with the fifth.
    path.round();
    assert_eq!(path.ssthresh(), Some(16_000));
}

/// Without HyStart++, until something is lost.
#[test]
fn new_reno_goes_on() {
    let mut path = Path::narrow(Algorithm::NewReno, 100_000, 1_000);
    for flight in [10, 20, 40, 80, 160] {
        assert_eq!(path.round(), flight);
    }
    assert_eq!((path.cwnd(), path.ssthresh()), (320_000, None));
}
