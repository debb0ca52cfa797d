//! The reader of capture files.

use netif_pcap::{Comparison, Recording, Sent, summary};

/// Captures: files of any content are read or refused, and what was read can
/// be told and compared.
pub fn capture(data: &[u8]) {
    let Ok(recording) = Recording::read(data) else {
        return;
    };
    let sent: Vec<_> =
        recording.frames().iter().map(|frame| Sent { at: frame.at, bytes: frame.bytes.clone() }).collect();
    for frame in recording.frames() {
        let _ = summary(&frame.bytes);
    }
    let same =
        Comparison::new().with_tolerance(std::time::Duration::ZERO).compare_frames(recording.frames(), &sent);
    assert!(same.is_same() && same.same == sent.len(), "{same}");
}
