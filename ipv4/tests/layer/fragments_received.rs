//! Fragments made whole, and what is done with those that can't be.

use crate::common::*;
use ipv4::REASSEMBLY_TIMEOUT;
use std::time::Duration;
use traits::*;

#[test]
fn in_order_reversed_and_mixed() {
    let link = Link::default();
    let i = layer(&link);
    let whole = pattern(4_000);
    let forward = parts(1, &whole, 1_480);
    let mut backward = parts(2, &whole, 1_480);
    backward.reverse();
    let mut mixed = parts(3, &whole, 800);
    mixed.swap(0, 2);
    mixed.swap(1, 4);
    for fragments in [forward, backward, mixed] {
        let (last, first) = fragments.split_last().unwrap();
        for fragment in first {
            assert_eq!(feed(&i, fragment), []);
        }
        assert_eq!(whole_of(&feed(&i, last)), whole);
    }
    let s = i.statistics();
    assert_eq!((s.rx_reassembled, s.rx_fragments, s.rx_delivered), (3, 11, 3));
    assert_eq!(poll(&i), None, "nothing is left");
}

#[test]
fn the_largest_packet() {
    let link = Link::default();
    let i = layer(&link);
    let whole = pattern(65_515);
    for fragment in parts(1, &whole, 1_480) {
        let got = feed(&i, &fragment);
        if !got.is_empty() {
            assert_eq!(whole_of(&got), whole);
        }
    }
    assert_eq!(i.statistics().rx_reassembled, 1);
}

#[test]
fn header_and_meta_of_the_whole() {
    let link = Link::default();
    let i = layer(&link);
    let whole = pattern(64);
    let mut fragments = parts(1, &whole, 32);
    fragments[0].options = vec![1, 1, 1, 0];
    fragments[0].ttl = 9;
    fragments[0].tos = 0xb8;
    let verified = RxMeta::NONE.with_checksum(ChecksumVerdict::Verified);
    feed_meta(&i, &fragments[1].bytes(), verified);
    let got = feed_meta(&i, &fragments[0].bytes(), verified);
    let [Got::Packet { meta, header, ttl, tos, cast, .. }] = &got[..] else { panic!("{got:?}") };
    assert_eq!(meta.checksum, ChecksumVerdict::Unchecked);
    assert_eq!(header[..], fragments[0].bytes()[..24]);
    assert_eq!((*ttl, *tos, *cast), (9, 0xb8, Cast::Unicast));
}

#[test]
fn packets_are_told_apart() {
    let (a, b) = (pattern(64), vec![7; 64]);
    let other = |f: fn(&mut Make)| part(1, &b, 32, 64).with(f);
    for stranger in [other(|p| p.id = 2), other(|p| p.src = GATEWAY), other(|p| p.protocol = 6)] {
        let link = Link::default();
        let i = layer(&link);
        feed(&i, &part(1, &a, 0, 32));
        assert_eq!(feed(&i, &stranger), []);
        assert_eq!(whole_of(&feed(&i, &part(1, &a, 32, 64))), a);
    }
}

#[test]
fn exact_duplicates_are_tolerated() {
    let link = Link::default();
    let i = layer(&link);
    let whole = pattern(100);
    feed(&i, &part(1, &whole, 0, 32));
    feed(&i, &part(1, &whole, 64, 100));
    for (start, end) in [(0, 32), (64, 100), (0, 32), (8, 24)] {
        drops(&i, &part(1, &whole, start, end), |s| s.rx_fragment_duplicate);
    }
    assert_eq!(whole_of(&feed(&i, &part(1, &whole, 32, 64))), whole);
}

#[test]
fn overlap_drops_the_packet_and_what_still_comes_of_it() {
    let (a, b) = (pattern(96), vec![0xcc; 96]);
    // Teardrop; a different byte in the same place; one that bridges; one that
    // swallows.
    for bad in [part(1, &b, 24, 40), part(1, &b, 0, 32), part(1, &a, 24, 72), part(1, &b, 0, 88)] {
        let link = Link::default();
        let i = layer(&link);
        feed(&i, &part(1, &a, 0, 32));
        feed(&i, &part(1, &a, 64, 80));
        drops(&i, &bad, |s| s.rx_fragment_overlap);
        for (start, end) in [(0, 32), (32, 64), (64, 80), (80, 96)] {
            assert_eq!(feed(&i, &part(1, &a, start, end)), [], "a broken packet came to life");
        }
        // Silently: RFC 5722.
        link.pass(REASSEMBLY_TIMEOUT);
        poll(&i);
        assert!(link.take().is_empty());
        // Afterwards its number is free again.
        feed(&i, &part(1, &a, 0, 48));
        assert_eq!(whole_of(&feed(&i, &part(1, &a, 48, 96))), a);
    }
}

#[test]
fn the_same_bytes_are_not_both_last_and_not_last() {
    let (a, long) = (pattern(64), pattern(128));
    let link = Link::default();
    let i = layer(&link);
    feed(&i, &part(1, &long, 32, 64));
    drops(&i, &part(1, &a, 32, 64), |s| s.rx_fragment_overlap);
}

#[test]
fn one_fragment_in_a_frame_for_all_marks_the_whole() {
    let link = Link::default();
    let i = layer(&link);
    let whole = pattern(96);
    for (start, cast) in [(0, LinkCast::Host), (32, LinkCast::Broadcast), (64, LinkCast::Host)] {
        let fragment = part(1, &whole, start, start + 32).with(|p| p.dst = ALL);
        let got = feed_meta(&i, &fragment.bytes(), RxMeta::NONE.with_link(cast));
        if let [Got::Packet { meta, .. }] = &got[..] {
            assert_eq!((start, meta.link), (64, LinkCast::Broadcast));
        }
    }
    assert_eq!(i.statistics().rx_delivered, 1);
}

#[test]
fn fragments_that_disagree_on_the_end_drop_the_packet() {
    let (a, long) = (pattern(64), pattern(128));
    let last_at = |end: usize| part(1, &long[..end], 32, end);
    for bad in [
        // A second end, nearer and further.
        last_at(56),
        last_at(72),
        // Beyond the end.
        part(1, &long, 64, 72),
        part(1, &long, 96, 104),
    ] {
        let link = Link::default();
        let i = layer(&link);
        feed(&i, &part(1, &a, 32, 64));
        drops(&i, &bad, |s| s.rx_fragment_mismatch);
        assert_eq!(feed(&i, &part(1, &a, 0, 32)), []);
    }
    // An end before what has come already.
    let link = Link::default();
    let i = layer(&link);
    feed(&i, &part(1, &long, 64, 96));
    drops(&i, &part(1, &a, 32, 64), |s| s.rx_fragment_mismatch);
}

#[test]
fn lengths_that_cannot_be() {
    let link = Link::default();
    let i = layer(&link);
    let fragment = |field: u16, len: usize| make(PEER, ME, 17, pattern(len)).with(|p| p.fragment = field);
    drops(&i, &fragment(MF, 0), |s| s.rx_fragment_length);
    drops(&i, &fragment(4, 0), |s| s.rx_fragment_length);
    for len in [1, 7, 9, 1_479] {
        drops(&i, &fragment(MF | 4, len), |s| s.rx_fragment_length);
    }
    assert_eq!(poll(&i), None, "such fragments take no buffer");
}

#[test]
fn offset_and_length_beyond_65535() {
    let link = Link::default();
    let i = layer(&link);
    let fragment = |field: u16, len: usize| make(PEER, ME, 17, pattern(len)).with(|p| p.fragment = field);
    // Ping of death.
    drops(&i, &fragment(8_191, 1_000), |s| s.rx_fragment_too_long);
    drops(&i, &fragment(8_189, 4), |s| s.rx_fragment_too_long);
    drops(&i, &fragment(8_189 | MF, 8), |s| s.rx_fragment_too_long);
    // 65,512 + 3 + 20 is the very last.
    assert_eq!(feed(&i, &fragment(8_189, 3)), []);
    assert_eq!(i.statistics().rx_fragment_too_long, 3);
    // With options in its header, the whole would be too long after all.
    let whole = pattern(65_515);
    let mut fragments = parts(9, &whole, 32_752);
    fragments[0].options = vec![1, 1, 1, 0];
    feed(&i, &fragments[2]);
    feed(&i, &fragments[1]);
    drops(&i, &fragments[0], |s| s.rx_fragment_too_long);
}

#[test]
fn a_first_fragment_in_vain_is_told() {
    let link = Link::default();
    let i = layer(&link);
    let whole = pattern(3_000);
    let first = part(1, &whole, 0, 1_480);
    feed(&i, &first);
    feed(&i, &part(1, &whole, 2_960, 3_000));
    let due = poll(&i).unwrap();
    assert_eq!(due, i.now() + REASSEMBLY_TIMEOUT);
    link.now.set(due - Duration::from_nanos(1));
    assert_eq!(poll(&i), Some(due));
    assert!(link.take().is_empty());
    link.now.set(due);
    assert_eq!(poll(&i), None);
    let error = link.one().packet();
    assert_eq!((error.src, error.dst, error.protocol, error.tos), (ME, PEER, 1, 0xc0));
    assert_eq!((error.payload[0], error.payload[1], sum(&error.payload)), (11, 1, 0));
    assert_eq!(error.payload[4..8], [0; 4]);
    // RFC 1812: as much as fits into 576 bytes.
    assert_eq!(error.payload.len(), 556);
    assert_eq!(error.payload[8..], first.bytes()[..548]);
    assert_eq!(i.statistics().rx_fragment_timeout, 1);
}

#[test]
fn without_a_first_fragment_nothing_is_told() {
    let link = Link::default();
    let i = layer(&link);
    feed(&i, &part(1, &pattern(64), 32, 64));
    link.pass(REASSEMBLY_TIMEOUT);
    assert_eq!(poll(&i), None);
    assert!(link.take().is_empty());
    assert_eq!(i.statistics().rx_fragment_timeout, 1);
}

#[test]
fn nothing_is_told_of_a_broadcast() {
    let link = Link::default();
    let i = layer(&link);
    feed(&i, &part(1, &pattern(64), 0, 32).with(|p| p.dst = DIRECTED));
    let by_link = RxMeta::NONE.with_link(LinkCast::Broadcast);
    feed_meta(&i, &part(2, &pattern(64), 0, 32).with(|p| p.dst = ALL).bytes(), by_link);
    link.pass(REASSEMBLY_TIMEOUT);
    poll(&i);
    assert!(link.take().is_empty());
    assert_eq!((i.statistics().rx_fragment_timeout, i.statistics().icmp_suppressed), (2, 2));
}

#[test]
fn a_number_that_comes_round_is_not_mixed_with_the_old() {
    let link = Link::default();
    let i = layer(&link);
    let (old, new) = (vec![1; 64], vec![2; 64]);
    feed(&i, &part(1, &old, 0, 32));
    // Overdue, and nobody has polled.
    link.pass(REASSEMBLY_TIMEOUT);
    assert_eq!(feed(&i, &part(1, &new, 32, 64)), []);
    assert_eq!(whole_of(&feed(&i, &part(1, &new, 0, 32))), new);
    assert_eq!(i.statistics().rx_fragment_timeout, 1);
}

#[test]
fn congestion_marks_of_fragments() {
    let mark = |marks: [u8; 2]| {
        let link = Link::default();
        let i = layer(&link);
        let whole = pattern(64);
        feed(&i, &part(1, &whole, 0, 32).with(|p| p.tos = 0x40 | marks[0]));
        let got = feed(&i, &part(1, &whole, 32, 64).with(|p| p.tos = 0x40 | marks[1]));
        match &got[..] {
            [Got::Packet { tos, .. }] => Some(*tos),
            _ => {
                assert_eq!(i.statistics().rx_fragment_ecn, 1);
                None
            }
        }
    };
    assert_eq!(mark([2, 2]), Some(0x42));
    assert_eq!(mark([2, 3]), Some(0x43));
    assert_eq!(mark([3, 1]), Some(0x43));
    assert_eq!(mark([0, 0]), Some(0x40));
    assert_eq!(mark([0, 3]), None);
    assert_eq!(mark([3, 0]), None);
}
