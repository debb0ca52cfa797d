//! Marks of congestion: on ECN-capable IPv4 packets alone, and the checksum holds.

mod common;

use core::cell::RefCell;

use common::{NONE, cut, everything, listen, ms, pass, random, run_until, send};
use netif_faults::{Counts, Faults, Impairments, Probability};
use netif_memory::{Link, Settings, VirtualClock};

/// Not ECN-capable, capable both ways, marked already.
const FIELDS: [u8; 4] = [0b00, 0b01, 0b10, 0b11];

/// A segment in an IPv4 packet with this type of service.
fn frame(tos: u8, payload: &[u8]) -> Vec<u8> {
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let mut frame = Vec::new();
    let builder = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(a, b, 64);
    builder.tcp(4000, 80, 1_000_000, 500).write(&mut frame, payload).unwrap();
    frame[15] = tos;
    frame[24..26].fill(0);
    let sum = wire::checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

fn marked(mut frame: Vec<u8>) -> Vec<u8> {
    let tos = frame[15] | 0b11;
    frame[15] = tos;
    frame[24..26].fill(0);
    let sum = wire::checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// What arrives of `frames`, sent or received through faults.
fn through(set: Impairments, outwards: bool, frames: &[Vec<u8>]) -> (Vec<Vec<u8>>, Counts) {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let (out, inn) = if outwards { (set, NONE) } else { (NONE, set) };
    let (sender, receiver) = (Faults::new(a, random(1), out, NONE), Faults::new(b, random(2), NONE, inn));
    let received = RefCell::default();
    for (at, frame) in (1..).zip(frames) {
        send(&sender, frame).unwrap();
        let tasks = vec![listen(&receiver, &received), common::tower(&sender, &clock)];
        run_until(&clock, tasks, ms(at));
    }
    let counts = if outwards { sender.faults().transmit } else { receiver.faults().receive };
    (received.into_inner().into_iter().map(|(_, bytes, _)| bytes).collect(), counts)
}

#[test]
fn what_is_capable_is_marked_and_nothing_else() {
    let frames: Vec<_> = FIELDS.map(|field| frame(0xb8 | field, b"payload")).to_vec();
    let [plain, one, zero, already] = &frames[..] else { panic!() };
    for outwards in [true, false] {
        let (received, counts) = through(NONE.with_marking(Probability::ALWAYS), outwards, &frames);
        assert_eq!(received, [plain.clone(), marked(one.clone()), marked(zero.clone()), already.clone()]);
        assert_eq!((counts.frames, counts.marked), (4, 2));
    }
}

#[test]
fn what_is_no_ipv4_packet_passes_as_it_is() {
    let capable = frame(0b10, b"payload");
    let mut arp = capable.clone();
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let mut version = capable.clone();
    version[14] = 0x65;
    let short = capable[..33].to_vec();
    let frames = [arp, version, short, vec![8], capable[..34].to_vec()];
    for outwards in [true, false] {
        let (received, counts) = through(NONE.with_marking(Probability::ALWAYS), outwards, &frames);
        let [.., whole] = &frames;
        assert_eq!(received[..4], frames[..4]);
        assert_eq!((&received[4], counts.marked), (&marked(whole.clone()), 1));
    }
}

/// Whatever the header says; one whose checksum was wrong is wrong by as much.
#[test]
fn the_checksum_is_brought_up_to_date() {
    let mut frames = Vec::new();
    for identification in (0..=u16::MAX).step_by(7) {
        let mut frame = frame(0b01, b"");
        frame[18..20].copy_from_slice(&identification.to_be_bytes());
        frame[24..26].fill(0);
        let sum = wire::checksum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frames.push(frame);
    }
    let mut wrong = frames[0].clone();
    wrong[24] ^= 1;
    frames.push(wrong);
    let (received, _) = through(NONE.with_marking(Probability::ALWAYS), true, &frames);
    let (wrong, right) = received.split_last().unwrap();
    assert!(right.iter().all(|frame| frame[15] == 3 && wire::checksum(&frame[14..34]) == 0));
    assert_eq!(
        (wrong[15], wire::checksum(&wrong[14..34])),
        (3, wire::checksum(&frames.last().unwrap()[14..34]))
    );
}

#[test]
fn marks_are_as_likely_as_said_and_leave_the_others_where_they_were() {
    for outwards in [true, false] {
        let frames = vec![frame(0b10, b"payload"); 3000];
        let (received, counts) = through(NONE.with_marking(Probability::percent(20)), outwards, &frames);
        assert!((500..700).contains(&counts.marked), "{}", counts.marked);
        assert_eq!(received.iter().filter(|frame| frame[15] == 3).count() as u64, counts.marked);
        // Frames that are not IPv4's meet the same fates with it and without.
        let often = everything().with_marking(Probability::percent(50));
        assert_eq!(pass(often, outwards, 500, 3), pass(everything(), outwards, 500, 3));
    }
}

/// Lost, cut, held and sent twice: of those that come whole, the copies are alike.
#[test]
fn marks_come_beside_other_faults() {
    for outwards in [true, false] {
        let frames = vec![frame(0b10, b"payload"); 1000];
        let (received, counts) = through(everything().with_marking(Probability::ALWAYS), outwards, &frames);
        assert!(counts.lost > 50 && counts.duplicated > 50 && counts.truncated > 20, "{counts:?}");
        assert_eq!(counts.marked, counts.frames - counts.lost - counts.truncated);
        let whole = |bytes: &&Vec<u8>| bytes.len() == frames[0].len();
        let is_marked = |bytes: &&Vec<u8>| **bytes == marked(frames[0].clone());
        let (all, right) = (received.iter().filter(whole).count(), received.iter().filter(is_marked).count());
        // But for those with a bit wrong.
        assert!(right > all * 9 / 10 && right < all, "{right} of {all}");
    }
}

#[test]
fn each_piece_of_a_large_frame_is_marked_for_itself() {
    let (counts, received) = cut(NONE.with_marking(Probability::percent(30)), &frame(0b10, &[7; 5000]));
    let marks = received.iter().filter(|(_, bytes, _)| bytes[15] == 3).count() as u64;
    assert_eq!((received.len(), marks), (500, counts.marked));
    assert!((100..200).contains(&marks), "{marks}");
    assert!(received.iter().all(|(_, bytes, _)| wire::checksum(&bytes[14..34]) == 0));
}
