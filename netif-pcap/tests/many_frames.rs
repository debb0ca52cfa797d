//! Long captures are compared: by what is common while that can be searched,
//! by position beyond, which the text says.

use netif_pcap::{Comparison, Recorded, Sent};
use traits::Instant;

fn frame(n: usize) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    bytes[40..48].copy_from_slice(&(n as u64).to_be_bytes());
    bytes
}

fn expected(n: usize) -> Recorded {
    let bytes = frame(n);
    Recorded { at: Instant::ZERO, direction: None, interface: 0, original_len: bytes.len(), bytes }
}

fn sent(n: usize) -> Sent {
    Sent { at: Instant::ZERO, bytes: frame(n) }
}

/// 10,000 frames, of which one is missing in the middle: one difference.
#[test]
fn what_both_begin_and_end_with_is_no_work() {
    let all: Vec<_> = (0..10_000).map(expected).collect();
    let but_one: Vec<_> = (0..10_000).filter(|n| *n != 5000).map(sent).collect();
    let differences = Comparison::new().compare_frames(&all, &but_one);
    assert_eq!((differences.same, differences.differences.len()), (9999, 1));
    assert!(!differences.by_position);
    assert!(differences.to_string().starts_with("9999 frames as expected, 1 difference\n- "), "{differences}");
}

/// 5000 frames that all differ are too many: the text says how they were compared.
#[test]
fn too_many_are_compared_by_position() {
    let all: Vec<_> = (0..5000).map(expected).collect();
    let others: Vec<_> = (10_000..15_000).map(sent).collect();
    let differences = Comparison::new().compare_frames(&all, &others);
    assert!(differences.by_position);
    assert_eq!((differences.same, differences.differences.len()), (0, 5000));
    assert!(differences.to_string().contains("at the same place"));
}
