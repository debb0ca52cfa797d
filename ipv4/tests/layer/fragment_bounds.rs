//! Reassembly at its bounds: floods, shares, buffers in use.

use crate::common::*;
use ipv4::{Ipv4, listeners};
use traits::*;
use wire::Cidr;

#[test]
fn one_source_has_half_of_the_buffers() {
    let link = Link::default();
    let i = layer(&link);
    let whole = pattern(64);
    let from = |src, id, start| part(id, &whole, start, start + 32).with(|p| p.src = src);
    feed(&i, &from(GATEWAY, 1, 0));
    for id in 1..=1_000 {
        assert_eq!(feed(&i, &from(PEER, id, 0)), []);
    }
    let s = i.statistics();
    assert_eq!((s.rx_fragment_source_bound, s.rx_fragment_evicted), (998, 0));
    // The other's is still there, and so are the last two of the flood.
    assert_eq!(whole_of(&feed(&i, &from(GATEWAY, 1, 32))), whole);
    assert_eq!(whole_of(&feed(&i, &from(PEER, 999, 32))), whole);
    assert_eq!(whole_of(&feed(&i, &from(PEER, 1_000, 32))), whole);
}

#[test]
fn a_flood_takes_the_place_of_what_is_idle_longest() {
    let link = Link::default();
    let i = layer(&link);
    let whole = pattern(1_600);
    // One that progresses beside a flood from everywhere.
    for (n, fragment) in parts(7, &whole, 32).iter().enumerate() {
        let got = feed(&i, fragment);
        if n == 49 {
            assert_eq!(whole_of(&got), whole);
        }
        for m in 0..3 {
            let src = [10, 0, 0, 100 + (n * 3 + m) as u8 % 100].into();
            assert_eq!(feed(&i, &part(n as u16, &whole, 0, 32).with(|p| p.src = src)), []);
        }
    }
    assert_eq!(i.statistics().rx_reassembled, 1);
    assert!(i.statistics().rx_fragment_evicted > 100);
}

#[test]
fn broken_packets_go_first() {
    let link = Link::default();
    let i = layer(&link);
    let (a, b) = (pattern(64), vec![9; 64]);
    let from = |last: u8, whole: &[u8], start| {
        part(1, whole, start, start + 32).with(|p| p.src = [10, 0, 0, last].into())
    };
    for source in 10..14 {
        feed(&i, &from(source, &a, 0));
    }
    feed(&i, &from(12, &b, 0));
    // The newest use does not save it.
    feed(&i, &from(14, &a, 0));
    assert_eq!(i.statistics().rx_fragment_evicted, 0);
    for source in [10, 11, 13, 14] {
        assert_eq!(whole_of(&feed(&i, &from(source, &a, 32))), a);
    }
}

#[test]
fn small_capacities() {
    let link = Link::default();
    let one = Box::new(Ipv4::<_, 1, 128, 2, 2>::with_capacity(&link));
    one.configure(&config(&[Cidr::new(ME, 24)], &[]));
    let whole = pattern(128);
    assert_eq!(feed(&*one, &part(1, &whole, 0, 64)), []);
    assert_eq!(whole_of(&feed(&*one, &part(1, &whole, 64, 128))), whole);
    // Larger than the buffer.
    let large = pattern(136);
    feed(&*one, &part(2, &large, 0, 64));
    assert_eq!(feed(&*one, &part(2, &large, 64, 136)), []);
    assert_eq!(one.statistics().rx_fragment_no_buffer, 1);

    let none = Box::new(Ipv4::<_, 0, 0, 2, 0>::with_capacity(&link));
    none.configure(&config(&[Cidr::new(ME, 24)], &[]));
    assert_eq!(feed(&*none, &part(1, &whole, 0, 64)), []);
    assert_eq!(none.statistics().rx_fragment_no_buffer, 1);
    assert_eq!(feed(&*none, &make(PEER, ME, 17, whole.clone())).len(), 1);
}

#[test]
fn a_label_may_receive_others_meanwhile() {
    let link = Link::default();
    let i = layer(&link);
    let (outer, inner) = (pattern(64), pattern(96));
    feed(&i, &part(1, &outer, 0, 32));
    let mut seen = vec![];
    let last = part(1, &outer, 32, 64).bytes();
    i.input(
        last.as_slice().into(),
        listeners().udp(|d| {
            // Fills every buffer there is left, many times.
            for id in 2..20 {
                feed(&i, &part(id, &inner, 0, 48).with(|p| p.src = [10, 0, 0, id as u8 + 20].into()));
            }
            feed(&i, &part(50, &inner, 0, 48));
            seen.push(feed(&i, &part(50, &inner, 48, 96))[0].payload().to_vec());
            if let Inbound::Packet(p) = d {
                seen.push(p.payload.to_vec());
            }
        }),
    );
    assert_eq!(seen, [inner, outer]);
}

#[test]
fn a_buffer_that_is_read_is_not_given_away() {
    let link = Link::default();
    let i = layer(&link);
    let (outer, inner) = (pattern(64), pattern(96));
    let from = |n: u8, start| part(1, &inner, start, start + 48).with(|p| p.src = [10, 0, 0, 20 + n].into());
    feed(&i, &part(1, &outer, 0, 32));
    let mut whole = 0;
    i.input(
        part(1, &outer, 32, 64).bytes().as_slice().into(),
        listeners().udp(|_| {
            (0..3).for_each(|n| assert_eq!(feed(&i, &from(n, 0)), []));
            whole = (0..3).map(|n| feed(&i, &from(n, 48)).len()).sum();
        }),
    );
    assert_eq!(whole, 3);
    // The only buffer, while it is read.
    let one = Box::new(Ipv4::<_, 1, 128, 2, 2>::with_capacity(&link));
    one.configure(&config(&[Cidr::new(ME, 24)], &[]));
    feed(&*one, &part(1, &outer, 0, 32));
    one.input(
        part(1, &outer, 32, 64).bytes().as_slice().into(),
        listeners().udp(|_| assert_eq!(feed(&*one, &from(0, 0)), [])),
    );
    assert_eq!(one.statistics().rx_fragment_no_buffer, 1);
}
