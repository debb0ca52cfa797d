//! A capture that was read.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use pcap_file::pcap::PcapParser;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::{Block, PcapNgParser};
use pcap_file::{DataLink, PcapError, TsResolution};
use traits::Instant;
use wire::MacAddr;

use crate::{Format, Recorder};

/// Which way a frame went, as seen by the machine that captured it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// Received.
    Inbound,
    /// Sent.
    Outbound,
}

impl Direction {
    /// The lowest two bits of `epb_flags` (pcapng §4.3.1).
    pub(crate) const fn to_flags(self) -> u32 {
        match self {
            Self::Inbound => 0b01,
            Self::Outbound => 0b10,
        }
    }

    const fn from_flags(flags: u32) -> Option<Self> {
        match flags & 0b11 {
            0b01 => Some(Self::Inbound),
            0b10 => Some(Self::Outbound),
            _ => None,
        }
    }
}

/// A frame of a recording.
#[derive(Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When, from the first frame on, unless
    /// [said otherwise](Recording::starting_at).
    pub at: Instant,
    /// Which way, where the file says so.
    pub direction: Option<Direction>,
    /// The interface in its section of the file.
    pub interface: u32,
    /// The frame, as much of it as was captured.
    pub bytes: Vec<u8>,
    /// How long it was, in bytes.
    pub original_len: usize,
}

impl Recorded {
    /// Who sent it.
    pub fn src(&self) -> Option<MacAddr> {
        self.bytes.get(6..).and_then(<[u8]>::first_chunk).map(|octets| MacAddr(*octets))
    }

    /// Whether only its beginning was captured.
    pub fn is_shortened(&self) -> bool {
        self.bytes.len() < self.original_len
    }

    /// Whom it is for.
    pub fn dst(&self) -> Option<MacAddr> {
        self.bytes.first_chunk().map(|octets| MacAddr(*octets))
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {}", self.at, self.direction, crate::summary(&self.bytes))
    }
}

/// A capture file in memory: pcapng or pcap, of Ethernet.
///
/// Frames are in order of their times; the first is at [`Instant::ZERO`].
/// All of the file is held.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recording {
    frames: Vec<Recorded>,
    epoch: Duration,
    cut_off: bool,
    skipped: u64,
}

/// Why a file can't be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// It is no capture file.
    NotACapture,
    /// It is a capture of something else than Ethernet, of this link type.
    NotEthernet(u32),
    /// It is damaged.
    Malformed {
        /// Frames read before.
        frames: usize,
        /// What is wrong.
        reason: String,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACapture => f.write_str("neither a pcapng nor a pcap file"),
            Self::NotEthernet(link) => write!(f, "a capture of link type {link}, not of Ethernet"),
            Self::Malformed { frames, reason } => write!(f, "damaged after {frames} frames: {reason}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl Recording {
    /// Reads a capture file.
    ///
    /// A file that ends in the middle of a frame, as one does whose writer was
    /// interrupted, counts up to there
    /// ([`is_cut_off`](Recording::is_cut_off)).
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub fn read(file: &[u8]) -> Result<Self, ReadError> {
        let mut recording = Self::default();
        let mut frames = match file.first_chunk() {
            Some([0x0a, 0x0d, 0x0d, 0x0a]) => recording.read_pcapng(file)?,
            Some(
                [0xa1, 0xb2, 0xc3, 0xd4]
                | [0xd4, 0xc3, 0xb2, 0xa1]
                | [0xa1, 0xb2, 0x3c, 0x4d]
                | [0x4d, 0x3c, 0xb2, 0xa1],
            ) => recording.read_pcap(file)?,
            _ => return Err(ReadError::NotACapture),
        };
        // Several interfaces of a file need not be in step.
        frames.sort_by_key(|(at, _)| *at);
        recording.epoch = frames.first().map_or(Duration::ZERO, |(at, _)| *at);
        recording.frames = frames
            .into_iter()
            .map(|(at, frame)| Recorded { at: Instant::ZERO + at.saturating_sub(recording.epoch), ..frame })
            .collect();
        Ok(recording)
    }

    /// A recording of these frames, which are put in order of their times; the
    /// zero of those is the beginning of 1970.
    pub fn new(mut frames: Vec<Recorded>) -> Self {
        frames.sort_by_key(|frame| frame.at);
        let epoch = frames.first().map_or(Duration::ZERO, |first| first.at.duration_since(Instant::ZERO));
        Self { frames, epoch, ..Self::default() }
    }

    /// Writes it as a capture file, with one interface. Frames without a
    /// direction are written as received.
    ///
    /// # Errors
    ///
    /// The file's own.
    pub fn write(&self, file: impl Write, format: Format) -> io::Result<()> {
        let recorder = Recorder::new(file, format);
        let first = self.frames.first().map_or(Instant::ZERO, |frame| frame.at);
        recorder.set_epoch(self.epoch);
        recorder.set_origin(first);
        let interface = recorder.add_interface("fata0");
        for frame in &self.frames {
            recorder.record_again(interface, frame);
        }
        recorder.flush()
    }

    /// The same with the first frame at `start`.
    ///
    /// A capture without an epoch, such as those of simulations, has the times
    /// of its device's clock since 1970 began: it starts at
    /// [`epoch`](Recording::epoch), and then timers that were set before the
    /// first frame run as they did.
    #[must_use]
    pub fn starting_at(mut self, start: Instant) -> Self {
        let first = self.frames.first().map_or(start, |frame| frame.at);
        for frame in &mut self.frames {
            frame.at = start + frame.at.duration_since(first);
        }
        self
    }

    /// The frames, in order of their times.
    pub fn frames(&self) -> &[Recorded] {
        &self.frames
    }

    /// The wall-clock time of the first frame, since 1970-01-01T00:00:00Z.
    pub const fn epoch(&self) -> Duration {
        self.epoch
    }

    /// The time of the last frame.
    pub fn end(&self) -> Instant {
        self.frames.last().map_or(Instant::ZERO, |frame| frame.at)
    }

    /// Whether the file ends in the middle of a frame.
    pub const fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// Frames left out because the file does not say when they were.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    fn read_pcapng(&mut self, file: &[u8]) -> Result<Vec<(Duration, Recorded)>, ReadError> {
        let mut frames = Vec::new();
        let (mut rest, mut parser) = PcapNgParser::new(file).map_err(|error| malformed(0, error))?;
        while !rest.is_empty() {
            let (after, block) = match parser.next_block(rest) {
                Ok(parsed) => parsed,
                Err(PcapError::IncompleteBuffer) => {
                    self.cut_off = true;
                    break;
                }
                Err(error) => return Err(malformed(frames.len(), error)),
            };
            rest = after;
            match block {
                Block::EnhancedPacket(packet) => {
                    let missing =
                        || malformed(frames.len(), PcapError::InvalidInterfaceId(packet.interface_id));
                    let interface =
                        parser.interfaces().get(packet.interface_id as usize).ok_or_else(missing)?;
                    frames.push((timestamp(&packet, interface), enhanced(&packet, interface)?));
                }
                Block::SimplePacket(_) | Block::Packet(_) => self.skipped += 1,
                _ => {}
            }
        }
        Ok(frames)
    }

    fn read_pcap(&mut self, file: &[u8]) -> Result<Vec<(Duration, Recorded)>, ReadError> {
        let mut frames = Vec::new();
        let (mut rest, parser) = PcapParser::new(file).map_err(|error| malformed(0, error))?;
        ethernet(parser.header().datalink)?;
        let fraction = match parser.header().ts_resolution {
            TsResolution::MicroSecond => 1000,
            TsResolution::NanoSecond => 1,
        };
        while !rest.is_empty() {
            let (after, packet) = match parser.next_raw_packet(rest) {
                Ok(parsed) => parsed,
                Err(PcapError::IncompleteBuffer) => {
                    self.cut_off = true;
                    break;
                }
                Err(error) => return Err(malformed(frames.len(), error)),
            };
            rest = after;
            let at = Duration::from_secs(packet.ts_sec.into())
                + Duration::from_nanos(u64::from(packet.ts_frac) * fraction);
            frames.push((at, recorded(0, None, packet.data, packet.orig_len)));
        }
        Ok(frames)
    }
}

fn malformed(frames: usize, error: PcapError) -> ReadError {
    ReadError::Malformed { frames, reason: error.to_string() }
}

fn ethernet(link: DataLink) -> Result<(), ReadError> {
    match link {
        DataLink::ETHERNET => Ok(()),
        other => Err(ReadError::NotEthernet(other.into())),
    }
}

fn recorded(interface: u32, direction: Option<Direction>, data: Cow<'_, [u8]>, len: u32) -> Recorded {
    // A frame that claims to have been shorter than what was captured of it was
    // not.
    let original_len = data.len().max(len as usize);
    Recorded { at: Instant::ZERO, direction, interface, bytes: data.into_owned(), original_len }
}

fn enhanced(
    packet: &EnhancedPacketBlock<'_>,
    interface: &InterfaceDescriptionBlock<'_>,
) -> Result<Recorded, ReadError> {
    ethernet(interface.linktype)?;
    let direction = packet.options.iter().find_map(|option| match option {
        EnhancedPacketOption::Flags(flags) => Direction::from_flags(*flags),
        _ => None,
    });
    Ok(recorded(packet.interface_id, direction, Cow::Borrowed(&packet.data), packet.original_len))
}

/// The time of a frame: the library hands the file's own units over as if
/// they were nanoseconds, whatever they are.
fn timestamp(packet: &EnhancedPacketBlock<'_>, interface: &InterfaceDescriptionBlock<'_>) -> Duration {
    let units = packet.timestamp.as_nanos();
    // Microseconds unless said otherwise (pcapng §4.2).
    let mut per_second = 1_000_000;
    let mut offset = 0i64;
    for option in &interface.options {
        match option {
            InterfaceDescriptionOption::IfTsResol(resolution) => {
                let exponent = u32::from(resolution & 0x7f);
                let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
                per_second = base.saturating_pow(exponent);
            }
            // Of two's complement (pcapng §4.2).
            InterfaceDescriptionOption::IfTsOffset(seconds) => offset = seconds.cast_signed(),
            _ => {}
        }
    }
    let seconds = units / per_second;
    // Fewer than `per_second` units are left: below 2^64, as all of them are.
    let nanos = (units % per_second).saturating_mul(1_000_000_000) / per_second;
    let at = Duration::new(u64::try_from(seconds).unwrap_or(u64::MAX), 0)
        .saturating_add(Duration::from_nanos(nanos as u64));
    let seconds = Duration::from_secs(offset.unsigned_abs());
    if offset < 0 { at.saturating_sub(seconds) } else { at.saturating_add(seconds) }
}
