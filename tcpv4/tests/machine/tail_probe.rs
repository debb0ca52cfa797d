//! Tail loss probes (RFC 8985 §7).

use crate::harness::decode;
use crate::script::*;
use tcpv4::connection::{Failure, Settings};
use tcpv4::recovery::Phase;

#[test]
fn a_tail_loss_is_probed_for() {
    let mut s = flying(&Start::default(), 3);
    s.run(250);
    // 2 · SRTT + 8 ms, before the timeout of 300 ms.
    s.expect_at(208, seg().seq(2001).len(1000));
    s.silent();
    s.run(50);
    let _ = s.inject(ack(1).sack(&[(2001, 3001)]));
    s.run(30);
    let repeated: Vec<_> = s.out.iter().map(|sent| decode(&sent.bytes).seq.value().wrapping_sub(ISS)).collect();
    assert_eq!(repeated, [1], "what is lost is known; PRR lets one go for the one that arrived");
    s.discard();
    let _ = s.inject(ack(1001).sack(&[(2001, 3001)]));
    s.expect(seg().seq(1001).len(1000));
}

#[test]
fn a_probe_with_new_data_where_there_is_some() {
    let mut s = flying(&Start::default(), 10);
    s.write(3000);
    s.silent();
    s.run(250);
    s.expect_at(208, seg().seq(10_001).len(1000));
    s.silent();
}

#[test]
fn a_probe_that_repaired_a_loss_reduces_the_threshold() {
    let mut s = flying(&Start::default(), 3);
    s.run(250);
    s.discard();
    // All are there, the last by the probe: no D-SACK says that it came twice.
    let _ = s.inject(ack(3001));
    s.write(10_000);
    s.discard();
    let _ = s.inject(ack(4001));
    assert!(s.connection.info().ssthresh.is_some(), "reduced");
}

#[test]
fn a_probe_that_was_needless_does_not() {
    let mut s = flying(&Start::default(), 3);
    s.run(250);
    s.discard();
    let _ = s.inject(ack(3001).sack(&[(2001, 3001)]));
    s.write(10_000);
    s.discard();
    let _ = s.inject(ack(4001));
    assert_eq!(s.connection.info().ssthresh, None);
}

/// The report comes when all is acknowledged already.
#[test]
fn a_probe_that_is_found_needless_later_does_not_either() {
    for report in [ack(3001).sack(&[(2001, 3001)]), ack(3001)] {
        let mut s = flying(&Start::default(), 3);
        s.run(250);
        s.discard();
        let _ = s.inject(ack(3001));
        let _ = s.inject(report);
        s.write(10_000);
        s.discard();
        let _ = s.inject(ack(4001));
        assert_eq!(s.connection.info().ssthresh, None);
    }
}

/// RFC 8985 §7.2: the probe's time is at most the timeout's, in whose place it
/// goes out; the timeout follows after another one (§7.3).
#[test]
fn a_lone_segment_is_probed_in_place_of_the_timeout() {
    let mut s = flying(&Start::default(), 1);
    let before = s.connection.info();
    s.run(550);
    s.expect_at(300, seg().seq(1).len(1000));
    s.silent();
    let info = s.connection.info();
    assert_eq!((info.phase, info.cwnd, info.ssthresh), (Phase::Open, before.cwnd, None));
    s.run(100);
    s.expect_at(600, seg().seq(1).len(1000));
    s.silent();
    assert_eq!((s.connection.info().phase, s.connection.info().cwnd), (Phase::Loss, 1000));
}

#[test]
fn a_probe_does_not_lengthen_a_user_timeout() {
    let mut settings = Settings::default();
    settings.user_timeout = Some(std::time::Duration::from_secs(5));
    let mut s = flying(&Start { settings, ..Start::default() }, 1);
    s.run(4_990);
    assert_eq!(s.failure(), None);
    s.run(20);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

/// RFC 8985 §7.4.2: only a report of the probe itself says that it was needless.
#[test]
fn a_report_of_something_else_does_not_excuse_a_probe() {
    let mut s = flying(&Start::default(), 3);
    s.run(250);
    s.discard();
    let _ = s.inject(ack(3001).sack(&[(1, 1001)]));
    s.write(10_000);
    s.discard();
    let _ = s.inject(ack(4001));
    assert!(s.connection.info().ssthresh.is_some());
}
