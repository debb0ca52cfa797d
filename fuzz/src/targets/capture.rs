//! The reader of capture files.

use std::time::Duration;

use netif_pcap::{Comparison, Direction, Format, Recorded, Recording, Sent, summary};

/// The longest frame that a file may have, in bytes.
const LONGEST: usize = 262_144;

/// Captures: files of any content are read or refused; what was read can be
/// told and compared, and written to either kind of file it is read again the
/// same.
pub fn capture(data: &[u8]) {
    let Ok(recording) = Recording::read(data) else {
        return;
    };
    let sent: Vec<_> =
        recording.frames().iter().map(|frame| Sent { at: frame.at, bytes: frame.bytes.clone() }).collect();
    for frame in recording.frames() {
        let _ = summary(&frame.bytes);
    }
    let same = Comparison::new().with_tolerance(Duration::ZERO).compare_frames(recording.frames(), &sent);
    assert!(same.is_same() && same.same == sent.len(), "{same}");
    for format in [Format::PcapNg, Format::Pcap] {
        write_and_read(&recording, format);
    }
}

/// Writes a recording as a file and reads that.
fn write_and_read(recording: &Recording, format: Format) {
    let ends = recording.epoch().saturating_add(recording.end().duration_since(traits::Instant::ZERO));
    // Nanoseconds in 64 bits, seconds in 32.
    let fits = match format {
        Format::PcapNg => ends.as_nanos() <= u64::MAX.into(),
        Format::Pcap => ends.as_secs() <= u32::MAX.into(),
    };
    let mut file = Vec::new();
    let written = recording.write(&mut file, format);
    if !fits || recording.frames().iter().any(|frame| frame.bytes.len() > LONGEST) {
        return;
    }
    written.expect("does not write what it read");
    let again = Recording::read(&file).expect("does not read what it wrote");
    assert!(!again.is_cut_off() && again.skipped() == 0);
    let essence = |frame: &Recorded| (frame.at, frame.bytes.clone());
    assert!(again.frames().iter().map(essence).eq(recording.frames().iter().map(essence)), "frames changed");
    if let Some(first) = recording.frames().first() {
        assert_eq!(again.epoch(), recording.epoch(), "times moved: {:?}", first.at);
    }
    if format == Format::PcapNg {
        let directions = |recording: &Recording| -> Vec<_> {
            recording.frames().iter().map(|frame| frame.direction.unwrap_or(Direction::Inbound)).collect()
        };
        assert_eq!(directions(&again), directions(recording));
    }
}
