//! Acknowledgements that a reader or a pause brings about (as Linux:
//! `tcp_cleanup_rbuf`, `tcp_event_data_recv`).

use crate::script::*;
use tcpv4::segment::Marks;

/// Uses the quick acknowledgements up. Returns the next number.
fn settled(s: &mut Script) -> u32 {
    let mut seq = 1;
    for _ in 0..17 {
        let _ = s.inject(data(seq, 1000));
        seq += 1000;
        s.run(50);
    }
    s.read_from(0);
    s.discard();
    seq
}

/// A dialogue: the last quick acknowledgement went with data.
fn in_dialogue(s: &mut Script) -> u32 {
    let _ = s.inject_only(data(1, 100));
    s.write(5);
    s.read_from(0);
    s.discard();
    101
}

/// A sender with Nagle's algorithm waits for it.
#[test]
fn a_small_segment_that_was_read_is_acknowledged() {
    let mut s = Script::established();
    let mut seq = settled(&mut s);
    for _ in 0..20 {
        let _ = s.inject(data(seq, 100).mark(Marks::PSH));
        s.silent();
        assert_eq!(s.read_from(u64::from(seq) - 1), 100);
        seq += 100;
        s.expect(seg().ack(seq).len(0));
        s.run(100);
        s.silent();
    }
}

#[test]
fn not_before_all_is_read() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq, 100).mark(Marks::PSH));
    assert_eq!(s.connection.read(s.now, &mut [0; 99]), 99);
    s.flush();
    s.silent();
    assert_eq!(s.connection.read(s.now, &mut [0; 99]), 1);
    s.flush();
    s.expect(seg().ack(seq + 100));
}

/// A full segment has another behind it, most likely.
#[test]
fn a_full_segment_that_was_read_waits() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let at = s.time();
    let _ = s.inject(data(seq, 1000));
    s.read_from(u64::from(seq) - 1);
    s.silent();
    s.run(40);
    s.expect_at(at + 40, seg().ack(seq + 1000));
}

#[test]
fn more_than_a_full_segment_does_not_wait_for_the_rest() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq, 1000));
    let _ = s.inject(data(seq + 1000, 500));
    s.silent();
    assert_eq!(s.connection.read(s.now, &mut [0; 10]), 10);
    s.flush();
    s.expect(seg().ack(seq + 1500));
}

/// The reader is about to answer, and the acknowledgement goes with that; one
/// request in two pieces is no dialogue.
#[test]
fn a_dialogue_waits_for_the_answer_but_not_twice() {
    let mut s = Script::established();
    let seq = in_dialogue(&mut s);
    let _ = s.inject(data(seq, 100).mark(Marks::PSH).ack(6));
    s.read_from(100);
    s.silent();
    let _ = s.inject(data(seq + 100, 100).mark(Marks::PSH).ack(6));
    s.silent();
    s.read_from(200);
    s.expect(seg().ack(seq + 200));
}

/// Whether the request was acknowledged before is all one.
#[test]
fn an_answer_to_what_was_acknowledged_begins_a_dialogue() {
    for (pause, is_dialogue) in [(39, true), (40, false)] {
        let mut s = Script::established();
        let _ = s.inject(data(1, 100));
        s.expect(seg().ack(101));
        assert_eq!(s.read_from(0), 100);
        s.run(pause);
        s.write(10);
        s.expect(seg().ack(101).len(10));
        let _ = s.inject(data(101, 100).ack(11));
        if is_dialogue {
            s.silent();
        } else {
            s.expect(seg().ack(201));
        }
    }
}

/// An answer that does not come in time is none.
#[test]
fn a_dialogue_ends_with_a_late_answer() {
    let mut s = Script::established();
    let seq = in_dialogue(&mut s);
    let _ = s.inject(data(seq, 100).mark(Marks::PSH).ack(6));
    s.read_from(100);
    s.silent();
    s.run(40);
    s.expect(seg().ack(seq + 100));
    let _ = s.inject(data(seq + 100, 100).mark(Marks::PSH).ack(6));
    s.silent();
    s.read_from(200);
    s.expect(seg().ack(seq + 200));
}

/// The sender is in slow start again.
#[test]
fn quick_ones_come_back_after_a_pause() {
    let mut s = Script::established();
    let mut seq = settled(&mut s);
    let rto = s.rto();
    // The last came 50 ms ago.
    s.run(rto - 60);
    let _ = s.inject(data(seq, 1000));
    s.silent();
    s.run(60_000);
    s.discard();
    for _ in 0..16 {
        seq += 1000;
        let _ = s.inject(data(seq, 1000));
        s.expect(seg().ack(seq + 1000));
    }
    let _ = s.inject(data(seq + 1000, 1000));
    s.silent();
}

/// The sender lacks acknowledgements.
#[test]
fn quick_ones_come_back_with_a_duplicate() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq - 100, 100));
    s.expect(seg().ack(seq));
    let _ = s.inject(data(seq, 1000));
    s.expect(seg().ack(seq + 1000));
}
