//! Captures: written while traffic passes, read, replayed and compared.
//!
//! - [`Capture`] is a [`Network`](traits::Network) over another that writes
//!   what passes to a pcapng or pcap file, with nanoseconds.
//! - [`Recording`] is a capture that was read.
//! - [`Replay`] is a [`Network`](traits::Network) that plays a host of a
//!   recording: it hands up what that host received, at the recording's own
//!   times, and collects what the stack sends.
//! - [`Renumber`] stands between a replay and a stack that draws other random
//!   numbers than the host did; [`Player`] runs such a tower.
//! - [`Comparison`] says how that differs from what the host sent then, for a
//!   person to read.
//!
//! It needs std: captures are files, written and read through [`std::io`], and
//! `pcap-file`, which knows their formats, needs it too.
//!
//! ```
//! use std::pin::pin;
//!
//! use netif_memory::{Link, Settings, Simulator, VirtualClock};
//! use netif_pcap::{Capture, Comparison, Recording, Replay, Side};
//! use traits::{Instant, Network, Time, TxMeta};
//!
//! // Capture: the file is a `Vec<u8>` here.
//! let clock = VirtualClock::new();
//! let link = Link::new(&clock, Settings::new());
//! let [a, _] = link.ports();
//! let capture = Capture::new(a, Vec::new());
//! clock.advance(Instant::from_millis(5));
//! capture.write(TxMeta::NONE, 60, |buffer| buffer.len())?;
//! let file = capture.into_writer().ok_or("shared")?;
//!
//! // Replay: a stack over `replay` sends nothing, and that is the difference.
//! let recording = Recording::read(&file)?;
//! let clock = VirtualClock::new();
//! let replay = Replay::new(&clock, &recording, Side::Inbound);
//! Simulator::new(&clock).run_until(pin!(replay.listen(|_frame| ())), recording.end())?;
//! let comparison = Comparison::new().compare(&replay);
//! assert!(!comparison.is_same());
//! assert!(comparison.to_string().contains("- "));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod capture;
mod compare;
mod player;
mod recorder;
mod recording;
mod renumber;
mod replay;
mod side;
mod summary;

pub use capture::Capture;
pub use compare::{Comparison, Difference, Differences};
pub use player::Player;
pub use recorder::{CaptureStatistics, Format, Recorder};
pub use recording::{Direction, ReadError, Recorded, Recording};
pub use renumber::Renumber;
pub use replay::{Replay, Sent};
pub use side::Side;
pub use summary::summary;
