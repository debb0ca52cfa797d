//! What only memory from the allocator does: it comes when there is data, grows
//! with the path, and is given back.

use tcpv4::connection::{Connection, Settings};

use crate::script::*;

/// An idle connection is small; what is beyond is given back.
#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Connection<crate::Memory>>() <= 248, "{}", size_of::<Connection<crate::Memory>>());
}

#[test]
fn what_may_be_queued_is_twice_the_window_and_little_ahead() {
    let mut s = Script::open(&Start { window: 60_000, scale: Some(7), ..Start::default() });
    assert_eq!(s.connection.info().send_limit, 128 << 10);
    let mut next = 1;
    for _ in 0..5 {
        let bytes = vec![0; s.connection.writable()];
        assert_eq!(s.connection.write(s.now, &bytes), Ok(bytes.len()));
        s.flush();
        next += 1000 * s.discard() as u32;
        s.run(100);
        let _ = s.inject(ack(next));
    }
    let info = s.connection.info();
    assert!(info.cwnd > 200_000, "{info:?}");
    assert!(2 * info.cwnd > info.outstanding + 261_120, "{info:?}");
    assert_eq!(info.send_limit, info.outstanding + 261_120);
    // There is room again as soon as it was sent, acknowledged or not.
    let bytes = vec![0; s.connection.writable()];
    assert_eq!(s.connection.write(s.now, &bytes), Ok(bytes.len()));
    assert_eq!(s.connection.writable(), 0);
    s.flush();
    let sent = s.connection.info().outstanding - info.outstanding;
    assert!(sent > 100_000);
    assert_eq!(s.connection.writable(), sent as usize);
}

#[test]
fn idle_connections_hold_no_memory() {
    let mut s = Script::established();
    let _ = s.inject(data(1, 5000));
    assert!(s.connection.held() >= 5000);
    s.run(10_000);
    assert!(s.connection.held() >= 5000, "it is not read");
    assert_eq!(s.read_from(0), 5000);
    s.run(3_000);
    assert_eq!(s.connection.held(), 0);
    s.discard();
    s.write(10);
    let _ = s.inject(data(5001, 10).ack(11));
    assert_eq!(s.read_from(5000), 10);
}

#[test]
fn a_larger_window_comes_with_fast_reading() {
    let mut settings = Settings::default();
    settings.receive_limit = 1 << 20;
    let mut s = Script::open(&Start { settings, scale: Some(5), ..Start::default() });
    assert_eq!(s.connection.info().receive_window, 65_536);
    let mut seq = 1;
    for _ in 0..10 {
        for _ in 0..40 {
            let _ = s.inject(data(seq, 1000));
            seq += 1000;
        }
        s.read_from(u64::from(seq) - 40_001);
        // A little more than a round trip, so that each of them counts alone.
        s.run(101);
    }
    let _ = s.inject(data(seq, 1000));
    let _ = s.inject(data(seq + 1000, 1000));
    assert!(s.connection.info().receive_window > 90_000, "{:?}", s.connection.info());
    assert!(s.connection.info().receive_window < 200_000, "{:?}", s.connection.info());
}

#[test]
fn what_was_acknowledged_is_given_back() {
    let mut s = flying(&Start::default(), 3);
    assert!(s.connection.held() > 3000);
    let _ = s.inject(ack(3001));
    s.run(3_000);
    assert_eq!(s.connection.held(), 0);
}
