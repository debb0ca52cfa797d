//! A peer that gives up what it told of by SACK (RFC 2018 §8): noticed after half
//! a round trip (as Linux: `tcp_check_sack_reneging`), and not where it is only
//! late.

use crate::harness::decode;
use crate::script::*;
use tcpv4::connection::Settings;
use tcpv4::recovery::Phase;

/// Ten segments under way, a round trip of `rtt` milliseconds. The first is lost
/// and sent again, and the peer tells of the four behind it.
fn repaired(rtt: u64) -> Script {
    let mut s = flying(&Start { rtt, ..Start::default() }, 10);
    s.run(rtt);
    let _ = s.inject(ack(1).sack(&[(1001, 5001)]));
    s.expect(seg().seq(1).len(1000));
    s.run(rtt);
    s.discard();
    s
}

/// All that was sent since the last look: the first numbers.
fn sent(s: &mut Script) -> Vec<u32> {
    s.out.drain(..).map(|sent| decode(&sent.bytes).seq.value().wrapping_sub(ISS)).collect()
}

#[test]
fn what_was_given_up_is_sent_again_after_half_a_round_trip() {
    let mut s = repaired(100);
    let at = s.time();
    let _ = s.inject(ack(1001));
    s.silent();
    s.run(200);
    s.expect_at(at + 50, seg().seq(1001).len(1000));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Loss);
    // In slow start, all of it: nothing is taken to be there any more.
    let mut repeated = Vec::new();
    let mut next = 2001;
    while next <= 10_001 {
        let _ = s.inject(ack(next));
        repeated.extend(sent(&mut s));
        s.run(100);
        next += 1000;
    }
    assert_eq!(repeated, [2001, 3001, 4001, 5001, 6001, 7001, 8001, 9001]);
    assert_eq!((s.connection.info().phase, s.connection.info().outstanding), (Phase::Open, 0));
}

/// What is kept of it comes with what is sent again, which is no sign that the
/// timer fired too early.
#[test]
fn a_part_that_was_kept_undoes_nothing() {
    let mut s = repaired(100);
    let _ = s.inject(ack(1001));
    s.run(51);
    s.expect(seg().seq(1001).len(1000));
    s.run(100);
    let _ = s.inject(ack(5001));
    assert_eq!(s.connection.info().phase, Phase::Loss);
    assert_eq!(s.connection.info().ssthresh, Some(7000));
}

/// Nor is it where nothing was lost before: the first was only late.
#[test]
fn a_part_that_was_kept_does_not_make_the_timer_spurious() {
    let mut s = flying(&Start::default(), 10);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 3001)]));
    s.run(10);
    let _ = s.inject(ack(1001));
    assert_eq!(s.connection.info().phase, Phase::Open);
    s.run(51);
    s.expect(seg().seq(1001).len(1000));
    s.run(100);
    let _ = s.inject(ack(3001));
    assert_eq!(s.connection.info().phase, Phase::Loss);
    assert_eq!(s.connection.info().ssthresh, Some(6300));
}

#[test]
fn a_short_round_trip_has_ten_milliseconds() {
    let mut s = repaired(4);
    let at = s.time();
    let _ = s.inject(ack(1001));
    s.run(100);
    s.expect_at(at + 10, seg().seq(1001).len(1000));
}

/// It has what it told of, and gets to it a moment later.
#[test]
fn a_peer_that_is_late_has_given_nothing_up() {
    let mut s = repaired(100);
    let _ = s.inject(ack(1001));
    s.run(40);
    let _ = s.inject(ack(3001));
    s.run(40);
    let _ = s.inject(ack(10_001));
    s.run(2_000);
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Open);
    assert_eq!(s.connection.info().totals.retransmissions, 1);
}

/// Nothing that is no progress puts it off: neither what else is told nor what
/// else is sent again.
#[test]
fn only_what_moves_on_puts_it_off() {
    let mut s = repaired(100);
    let at = s.time();
    let _ = s.inject(ack(1001));
    s.run(30);
    let _ = s.inject(ack(1001).sack(&[(7001, 10_001)]));
    // 5001 and 6001 are lost: something later is there.
    s.run(15);
    assert_eq!(sent(&mut s), [5001, 6001]);
    let _ = s.inject(ack(1001).sack(&[(7001, 10_001)]));
    s.run(100);
    s.expect_at(at + 50, seg().seq(1001).len(1000));
}

/// With timestamps the timer can be told to have been wrong.
#[test]
fn what_was_there_all_along_is_undone() {
    let mut s = flying(&Start { ts: true, mss: 1012, ..Start::default() }, 10);
    s.run(100);
    let first = s.own_ts() - 100;
    let _ = s.inject(ack(1).sack(&[(1001, 5001)]).ts((600, first)));
    s.expect(seg().seq(1).len(1000));
    s.run(100);
    s.discard();
    let again = s.own_ts() - 100;
    let _ = s.inject(ack(1001).ts((700, again)));
    s.run(60);
    s.expect(seg().seq(1001).len(1000));
    assert_eq!(s.connection.info().phase, Phase::Loss);
    let _ = s.inject(ack(10_001).ts((760, again)));
    assert_eq!(s.connection.info().phase, Phase::Open);
    assert_eq!(s.connection.info().totals.retransmissions, 2);
}

/// Holes that are filled one by one: what follows each is what is missing.
#[test]
fn a_peer_that_is_right_is_not_suspected() {
    let mut settings = Settings::default();
    settings.nodelay = true;
    let mut s = flying(&Start { settings, ..Start::default() }, 10);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 3001), (4001, 10_001)]));
    s.run(100);
    assert_eq!(sent(&mut s), [1, 3001]);
    let at = s.time();
    let _ = s.inject(ack(3001).sack(&[(4001, 10_001)]));
    assert_eq!(s.connection.next_timeout(), Some(s.now + s.connection.info().rto));
    s.run(s.rto() - 10);
    s.silent();
    s.run(20);
    s.expect_at(at + s.rto() / 2, seg().seq(3001).len(1000));
    let _ = s.inject(ack(10_001));
    s.run(2_000);
    s.silent();
}
