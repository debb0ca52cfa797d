//! Windows: own and the peer's (RFC 9293 §3.8.6, RFC 7323 §2).

use crate::harness::decode;
use crate::script::*;
use tcpv4::connection::{Dropped, Events, Failure, Settings, State};

fn with_receive_limit(limit: u32) -> Start {
    let mut settings = Settings::default();
    settings.receive_limit = limit;
    Start { settings, ..Start::default() }
}

#[test]
fn the_window_shrinks_with_what_is_unread() {
    let mut s = Script::open(&with_receive_limit(10_000));
    for n in 0..10 {
        let _ = s.inject(data(1 + n * 1000, 1000));
        s.expect(seg().ack(1001 + n * 1000).win((9 - n as u16) * 1000));
    }
    s.silent();
}

#[test]
fn a_reader_that_makes_room_is_told_of_at_once() {
    let mut s = Script::open(&with_receive_limit(10_000));
    for n in 0..10 {
        let _ = s.inject(data(1 + n * 1000, 1000));
    }
    s.discard();
    let mut buffer = [0; 1999];
    assert_eq!(s.connection.read(s.now, &mut buffer), 1999);
    s.flush();
    s.silent();
    assert_eq!(s.connection.read(s.now, &mut buffer[..1]), 1);
    s.flush();
    s.expect(seg().seq(1).ack(10_001).win(2000));
    s.silent();
    // Half the buffer is enough too, where that is less than two segments.
    assert_eq!(s.read_from(2000), 8000);
    s.expect(seg().ack(10_001).win(10_000));
}

/// It has enough to go on with, and learns of the rest with what comes next (as
/// Linux).
#[test]
fn a_peer_that_knows_of_more_than_half_is_not_told() {
    let mut s = Script::open(&with_receive_limit(10_000));
    for n in 0..4 {
        let _ = s.inject(data(1 + n * 1000, 1000));
    }
    assert_eq!(s.discard(), 4);
    assert_eq!(s.read_from(0), 4000);
    s.silent();
    let _ = s.inject(data(4001, 1000));
    s.expect(seg().ack(5001).win(9000));
    // One that knows of half is.
    for n in 0..4 {
        let _ = s.inject(data(5001 + n * 1000, 1000));
    }
    assert_eq!(s.discard(), 4);
    assert_eq!(s.read_from(4000), 5000);
    s.expect(seg().ack(9001).win(10_000));
}

#[test]
fn half_of_a_small_buffer_is_worth_an_update() {
    let mut s = Script::open(&with_receive_limit(1000));
    let _ = s.inject(data(1, 1000));
    s.expect(seg().ack(1001).win(0));
    let mut buffer = [0; 499];
    assert_eq!(s.connection.read(s.now, &mut buffer), 499);
    s.flush();
    s.silent();
    assert_eq!(s.connection.read(s.now, &mut buffer[..1]), 1);
    s.flush();
    s.expect(seg().ack(1001).win(500));
}

#[test]
fn data_beyond_the_window_is_trimmed() {
    let mut s = Script::open(&with_receive_limit(1500));
    let outcome = s.inject(data(1, 2000));
    assert_eq!(outcome.dropped, Some(Dropped::NoRoom));
    s.expect(seg().ack(1501).win(0));
    assert_eq!(s.read_from(0), 1500);
}

#[test]
fn data_into_a_closed_window_is_answered() {
    let mut s = Script::open(&with_receive_limit(1000));
    let _ = s.inject(data(1, 1000));
    s.discard();
    let outcome = s.inject(data(1001, 1));
    assert_eq!(outcome.dropped, Some(Dropped::NoRoom));
    s.expect(seg().ack(1001).win(0));
}

#[test]
fn an_acknowledgement_counts_even_with_a_closed_window() {
    let mut s = Script::open(&with_receive_limit(1000));
    s.write(10);
    let _ = s.inject(data(1, 1000));
    s.discard();
    let outcome = s.inject(seg().seq(1001).ack(11).len(100));
    assert!(outcome.events.contains(Events::FLUSHED));
}

/// Where windows are not scaled, more room than they can tell of is no news.
#[test]
fn a_reader_of_a_large_buffer_says_nothing_of_what_cannot_be_told() {
    let mut s = Script::open(&with_receive_limit(1 << 20));
    for n in 0..40 {
        let _ = s.inject(data(1 + n * 1000, 1000));
        s.run(50);
        s.discard();
        assert_eq!(s.read_from(u64::from(n) * 1000), 1000);
        s.silent();
    }
}

#[test]
fn the_scale_is_as_large_as_the_limit_needs() {
    for (limit, scale, told) in [(65_535, 0, 65_535), (65_536, 1, 65_535), (6 << 20, 7, 65_535)] {
        let mut settings = Settings::default();
        settings.receive_limit = limit;
        let mut s = Script::connecting(&settings);
        s.expect(seg().syn().scale(scale).win(told));
    }
}

#[test]
fn an_odd_amount_never_moves_the_edge_back() {
    let mut start = with_receive_limit(6 << 20);
    start.scale = Some(0);
    let mut s = Script::open(&start);
    let mut edge = 0;
    let mut seq = 1;
    for len in [1, 127, 129, 1000, 3, 999] {
        let _ = s.inject(data(seq, len));
        seq += len;
        s.run(50);
        for sent in std::mem::take(&mut s.out) {
            let segment = decode(&sent.bytes);
            let end = segment.ack.unwrap().value().wrapping_sub(IRS) + (u32::from(segment.window.0) << 7);
            assert!(end >= edge, "{end} after {edge}");
            edge = end;
        }
    }
}

/// A sender in slow start: when a round trip's reading is known, twice as much
/// is under way, and four times as much before the next is.
#[test]
fn a_window_that_doubles_each_round_trip_is_never_in_the_way() {
    let mut start = with_receive_limit(4 << 20);
    start.scale = Some(7);
    let mut s = Script::open(&start);
    let mut seq = 1;
    let mut before = 0;
    for flight in [40, 80, 160, 320] {
        for tenth in 0..10 {
            let from = seq - 1;
            for _ in 0..flight / 10 {
                let _ = s.inject(data(seq, 1000));
                seq += 1000;
            }
            let window = s.connection.info().receive_window;
            // What is read is told with the acknowledgement after it.
            assert!(tenth < 2 || window >= 4 * before, "{window} bytes after a flight of {before}");
            s.read_from(u64::from(from));
            // A little more than a round trip for the ten.
            s.run(11);
        }
        before = flight * 1000;
    }
}

#[test]
fn the_peers_window_is_kept_to() {
    let mut s = Script::open(&Start { window: 2500, ..Start::default() });
    s.write(5000);
    s.expect(seg().seq(1).len(1000));
    s.expect(seg().seq(1001).len(1000));
    s.silent();
    let _ = s.inject(ack(1001).win(2500));
    s.expect(seg().seq(2001).len(1000));
    s.silent();
}

#[test]
fn a_window_of_half_the_largest_is_used() {
    let mut s = Script::open(&Start { window: 800, ..Start::default() });
    s.write(5000);
    s.expect(seg().seq(1).len(800));
    let _ = s.inject(ack(801).win(399));
    s.silent();
    let _ = s.inject(ack(801).win(400));
    s.expect(seg().seq(801).len(400));
}

#[test]
fn a_crumb_of_a_window_is_not_used_until_the_timer_says_so() {
    let mut s = Script::open(&Start { window: 10_000, ..Start::default() });
    s.write(10_500);
    s.discard();
    let _ = s.inject(ack(10_001).win(100));
    s.silent();
    let rto = s.rto();
    s.run(rto + 1);
    s.expect_at(rto, seg().seq(10_001).len(100));
}

#[test]
fn a_closed_window_is_probed_with_back_off_for_ever() {
    let mut s = Script::open(&Start { window: 1000, ..Start::default() });
    s.write(2000);
    s.expect(seg().seq(1).len(1000));
    let _ = s.inject(ack(1001).win(0));
    s.silent();
    let mut last = s.now;
    for n in 0..40 {
        let rto = s.connection.info().rto;
        assert!(n < 10 || rto.as_secs() == 120, "no longer than two minutes");
        s.run(rto.as_millis() as u64 + 5);
        let sent = s.expect(seg().seq(1000).len(0).ack(1));
        s.silent();
        assert_eq!(sent.at.duration_since(last), rto);
        last = sent.at;
        let _ = s.inject(ack(1001).win(0));
        s.silent();
    }
    assert_eq!(s.state(), State::Established);
    let outcome = s.inject(ack(1001).win(1000));
    assert_eq!(outcome.dropped, None);
    s.expect(seg().seq(1001).len(1000));
}

/// How long it was closed says nothing of the round trip.
#[test]
fn a_window_that_opens_ends_the_back_off() {
    let mut s = Script::established();
    let rto = s.rto();
    let _ = s.inject(ack(1).win(0));
    s.write(1000);
    for _ in 0..4 {
        let wait = s.rto();
        s.run(wait + 1);
        s.expect(seg().seq(0).len(0));
        let _ = s.inject(ack(1).win(0));
    }
    assert_eq!(s.rto(), 16 * rto);
    let _ = s.inject(ack(1).win(2000));
    s.expect(seg().seq(1).len(1000));
    assert_eq!(s.rto(), rto);
}

#[test]
fn a_closed_window_whose_peer_is_gone_ends() {
    let mut s = Script::open(&Start { window: 1000, ..Start::default() });
    s.write(2000);
    let _ = s.inject(ack(1001).win(0));
    s.run(2_000_000);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
    assert_eq!(s.discard(), 1 + 15);
}

#[test]
fn an_old_segment_does_not_change_the_window() {
    let mut s = Script::established();
    let _ = s.inject(data(101, 100).win(5000));
    let _ = s.inject(data(1, 100).win(9000));
    assert_eq!(s.connection.info().send_window, 5000);
}

#[test]
fn a_shrunk_window_stops_what_is_new_not_what_is_under_way() {
    let mut s = Script::open(&Start { window: 5000, ..Start::default() });
    s.write(10_000);
    assert_eq!(s.discard(), 5);
    let _ = s.inject(ack(1001).win(1000));
    s.silent();
    assert_eq!(s.connection.info().outstanding, 4000);
    // An acknowledgement of ours stays within the shrunk window.
    let _ = s.inject(data(1, 100).ack(1001).win(1000));
    s.run(50);
    s.expect(seg().seq(2001).ack(101));
    let _ = s.inject(seg().seq(101).ack(5001).win(5000));
    assert_eq!(s.discard(), 5);
}

#[test]
fn a_writer_is_woken_when_there_is_room_worth_it() {
    let mut settings = Settings::default();
    settings.send_limit = 9000;
    let mut s = Script::open(&Start { settings, ..Start::default() });
    assert_eq!(s.connection.write(s.now, &[0; 20_000]), Ok(9000));
    assert_eq!(s.connection.write(s.now, &[0; 20_000]), Ok(0));
    s.flush();
    assert!(!s.inject(ack(2001)).events.contains(Events::WRITABLE));
    assert!(s.inject(ack(3001)).events.contains(Events::WRITABLE));
    assert!(!s.inject(ack(4001)).events.contains(Events::WRITABLE), "once");
}

#[test]
fn large_segments_are_multiples_of_the_mss() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    s.gso = 65_535;
    assert_eq!(s.connection.write(s.now, &[0; 5_500]), Ok(5_500));
    let budget = tcpv4::connection::Budget { mtu: 1500, gso_max_size: 3_500 };
    let transmit = s.connection.poll_transmit(s.now, &budget).unwrap();
    assert_eq!((transmit.len, transmit.gso_size.map(|size| size.get())), (3 * 988, Some(988)));
    let budget = tcpv4::connection::Budget { mtu: 1500, gso_max_size: 65_535 };
    let transmit = s.connection.poll_transmit(s.now, &budget).unwrap();
    assert_eq!(transmit.len, 5_500, "with its tail, for nothing small is under way");
}

#[test]
fn what_is_not_committed_comes_again() {
    let mut s = Script::established();
    assert_eq!(s.connection.write(s.now, &[0; 1500]), Ok(1500));
    let budget = tcpv4::connection::Budget { mtu: 1500, gso_max_size: 0 };
    let first = s.connection.poll_transmit(s.now, &budget).unwrap();
    assert_eq!(s.connection.poll_transmit(s.now, &budget), Some(first));
    s.flush();
    s.expect(seg().seq(1).len(1000));
}

#[test]
fn a_writer_is_woken_by_an_acknowledgement_on_data_that_is_dropped() {
    // Data that came before; and, after the peer's FIN, the FIN again.
    for closes in [false, true] {
        let mut settings = Settings::default();
        settings.send_limit = 2000;
        let mut s = Script::open(&Start { settings, ..Start::default() });
        let last = || if closes { data(1, 1000).fin() } else { data(1, 1000) };
        let _ = s.inject(last());
        assert_eq!(s.connection.write(s.now, &[7; 3000]), Ok(2000));
        s.flush();
        s.discard();
        let outcome = s.inject(last().ack(2001));
        assert_eq!(s.connection.info().outstanding, 0, "it is acknowledged");
        assert!(outcome.events.contains(Events::WRITABLE), "{outcome:?}");
    }
}

/// Data that comes early tells a window, too, with a number that is beyond that of
/// the acknowledgements after it. What acknowledges something new is newer all the
/// same (as Linux; RFC 9293 §3.10.7.4 goes by SND.WL1 alone).
#[test]
fn what_acknowledges_something_new_tells_the_window() {
    let mut s = Script::established();
    let _ = s.inject(data(1001, 10).win(1000));
    s.discard();
    s.write(3000);
    s.expect(seg().seq(1).len(988));
    s.silent();
    let _ = s.inject(seg().seq(1).ack(989).len(0).win(64_000));
    s.expect(seg().seq(989).len(988));
}
