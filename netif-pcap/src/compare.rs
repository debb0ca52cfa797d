//! What a stack sent against what a host sent in a recording.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use traits::{Instant, Time};
use wire::EtherType;

use crate::renumber::packet::{change, get, put_word, word};
use crate::summary::{Hex, field, summary};
use crate::{Recorded, Replay, Sent};

/// How to compare; frames are compared byte by byte, padding left out, and
/// times not at all unless asked for.
#[derive(Default)]
pub struct Comparison<'a> {
    tolerance: Option<Duration>,
    ignores_identification: bool,
    normalise: Option<Box<Normalise<'a>>>,
}

type Normalise<'a> = dyn Fn(&mut Vec<u8>) + 'a;

impl fmt::Debug for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let normalised = self.normalise.is_some();
        f.debug_struct("Comparison")
            .field("tolerance", &self.tolerance)
            .field("ignores_identification", &self.ignores_identification)
            .field("normalised", &normalised)
            .finish()
    }
}

/// How what was sent differs from what was expected. As text, for a person:
/// `-` stands before what was expected, `+` before what was sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Differences {
    /// Frames that are the same.
    pub same: usize,
    /// The differences, in order.
    pub differences: Vec<Difference>,
    /// Whether the frames that differ were too many to look for what is common
    /// to them: each was compared with the one at the same place.
    pub by_position: bool,
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Difference {
    /// Expected and not sent.
    Missing(Recorded),
    /// Sent and not expected.
    Unexpected(Sent),
    /// Sent, but not as expected.
    Changed {
        /// As it should be.
        expected: Recorded,
        /// As it was.
        sent: Sent,
        /// The bytes that differ, after normalising; of unequal lengths, the
        /// rest of the longer frame is one such range.
        ranges: Vec<Range<usize>>,
    },
    /// The same at another time.
    Moved {
        /// When it should be.
        expected: Recorded,
        /// When it was.
        sent: Sent,
    },
}

impl<'a> Comparison<'a> {
    /// Compares bytes, not times.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares times too: no frame may be off by more than `tolerance`. What a
    /// [`Player`](crate::Player)'s slack moves is told only beyond that.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// Leaves the identification of IPv4 packets out, which hosts draw at
    /// random. The header's checksum is corrected by as much, so that a wrong
    /// one stays wrong; fragments are told apart from such as do not have
    /// the identification of the first one before them.
    #[must_use]
    pub const fn without_identification(mut self) -> Self {
        self.ignores_identification = true;
        self
    }

    /// Has `normalise` blank out what may differ, such as identifications, in
    /// a copy of each frame of either side.
    #[must_use]
    pub fn normalised_by(mut self, normalise: impl Fn(&mut Vec<u8>) + 'a) -> Self {
        self.normalise = Some(Box::new(normalise));
        self
    }

    /// Compares what a stack over `replay` sent with what its host sent.
    pub fn compare<T: Time>(&self, replay: &Replay<'_, T>) -> Differences {
        let expected: Vec<_> = replay.expected().cloned().collect();
        self.compare_frames(&expected, &replay.sent())
    }

    /// Compares frames, each list in order.
    pub fn compare_frames(&self, expected: &[Recorded], sent: &[Sent]) -> Differences {
        let left = self.all_normalised(expected.iter().map(|frame| &frame.bytes[..]));
        let right = self.all_normalised(sent.iter().map(|frame| &frame.bytes[..]));
        let mut differences = Differences::default();
        let (mut i, mut j) = (0, 0);
        let (places, by_position) = common(&left, &right);
        differences.by_position = by_position;
        for (same_left, same_right) in places.into_iter().chain([(left.len(), right.len())]) {
            let gap =
                (left.get(i..same_left).unwrap_or_default(), right.get(j..same_right).unwrap_or_default());
            let frames = (expected.get(i..same_left), sent.get(j..same_right));
            differ(
                &mut differences.differences,
                gap,
                frames.0.unwrap_or_default(),
                frames.1.unwrap_or_default(),
            );
            if let (Some(expected), Some(sent)) = (expected.get(same_left), sent.get(same_right)) {
                differences.same += 1;
                if self.tolerance.is_some_and(|tolerance| apart(expected.at, sent.at) > tolerance) {
                    differences.same -= 1;
                    let (expected, sent) = (expected.clone(), sent.clone());
                    differences.differences.push(Difference::Moved { expected, sent });
                }
            }
            (i, j) = (same_left + 1, same_right + 1);
        }
        differences
    }

    fn all_normalised<'f>(&self, frames: impl Iterator<Item = &'f [u8]>) -> Vec<Vec<u8>> {
        let mut identifications = Identifications::default();
        let normalised = frames.map(|frame| {
            let mut frame = frame.get(..unpadded(frame)).unwrap_or(frame).to_vec();
            if self.ignores_identification {
                identifications.leave_out(&mut frame);
            }
            if let Some(normalise) = &self.normalise {
                normalise(&mut frame);
            }
            frame
        });
        normalised.collect()
    }
}

/// The identification of the first fragment seen last, with the source,
/// destination and protocol that it counts for.
#[derive(Default)]
struct Identifications {
    first: Option<([u8; 2], Ends)>,
}

/// Source and destination, and the protocol.
type Ends = ([u8; 8], u8);

impl Identifications {
    /// Makes the identification 0, or 1 in a fragment that belongs to another
    /// packet than the first one before it; checksums hold as they did.
    fn leave_out(&mut self, frame: &mut [u8]) {
        let Some(header) = header(frame) else {
            return;
        };
        let bytes = frame.get(header.clone()).unwrap_or_default();
        let (Some(id), Some(place), Some(ends), Some([protocol])) =
            (get::<2>(bytes, 4), word(bytes, 6), get::<8>(bytes, 12), get(bytes, 9))
        else {
            return;
        };
        let (offset, has_more) = (place & 0x1fff, place & 0x2000 != 0);
        let packet = (id, (ends, protocol));
        let is_other = offset > 0 && self.first != Some(packet);
        if offset == 0 && has_more {
            self.first = Some(packet);
        }
        change(frame, header, Some(10), |bytes| put_word(bytes, 4, u16::from(is_other)));
    }
}

/// Where the IPv4 header in a frame stands, if all of it is there.
fn header(frame: &[u8]) -> Option<Range<usize>> {
    let [first] = get(frame, 14)?;
    let end = 14 + usize::from(first & 0x0f) * 4;
    let is_ipv4 = word(frame, 12).map(EtherType) == Some(EtherType::IPV4);
    (is_ipv4 && end >= 34 && end <= frame.len()).then_some(14..end)
}

fn apart(a: Instant, b: Instant) -> Duration {
    a.duration_since(b).max(b.duration_since(a))
}

/// The length of a frame without the padding that Ethernet may add.
fn unpadded(frame: &[u8]) -> usize {
    let payload = match word(frame, 12).map(EtherType) {
        Some(EtherType::IPV4) => word(frame, 16).map(usize::from),
        Some(EtherType::ARP) => Some(28),
        Some(_) | None => None,
    };
    payload.map_or(frame.len(), |payload| (payload + 14).min(frame.len()))
}

/// Places of the frames that both have, and whether those in the middle were
/// compared by position: what both begin and end with needs no search.
fn common(left: &[Vec<u8>], right: &[Vec<u8>]) -> (Vec<(usize, usize)>, bool) {
    let before = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let (rest, other) = (left.get(before..).unwrap_or_default(), right.get(before..).unwrap_or_default());
    let after = rest.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let (ends, other_ends) = (rest.len() - after, other.len() - after);
    let (middle, by_position) =
        searched(rest.get(..ends).unwrap_or_default(), other.get(..other_ends).unwrap_or_default());
    let mut places: Vec<_> = (0..before).map(|place| (place, place)).collect();
    places.extend(middle.into_iter().map(|(i, j)| (before + i, before + j)));
    places.extend((0..after).map(|back| (before + ends + back, before + other_ends + back)));
    (places, by_position)
}

/// Places of the longest common subsequence, or, where that would be too much
/// work, of the frames that are the same at the same place.
fn searched(left: &[Vec<u8>], right: &[Vec<u8>]) -> (Vec<(usize, usize)>, bool) {
    const MOST_CELLS: usize = 16 << 20;
    let width = right.len() + 1;
    let cells = width.saturating_mul(left.len() + 1);
    if cells > MOST_CELLS {
        let places = left.iter().zip(right).enumerate();
        return (places.filter(|(_, (a, b))| a == b).map(|(place, _)| (place, place)).collect(), true);
    }
    let mut lengths = vec![0u32; cells];
    let at = |lengths: &[u32], i: usize, j: usize| lengths.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in left.iter().enumerate().rev() {
        for (j, b) in right.iter().enumerate().rev() {
            let length = if a == b {
                at(&lengths, i + 1, j + 1) + 1
            } else {
                at(&lengths, i + 1, j).max(at(&lengths, i, j + 1))
            };
            if let Some(cell) = lengths.get_mut(i * width + j) {
                *cell = length;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut places = Vec::new();
    while let (Some(a), Some(b)) = (left.get(i), right.get(j)) {
        if a == b {
            places.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(&lengths, i + 1, j) >= at(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    (places, false)
}

/// Tells a run of frames without a counterpart: those of a kind at the same
/// place count as changed.
fn differ(
    into: &mut Vec<Difference>,
    (left, right): (&[Vec<u8>], &[Vec<u8>]),
    expected: &[Recorded],
    sent: &[Sent],
) {
    for place in 0..expected.len().max(sent.len()) {
        let texts = (left.get(place), right.get(place));
        match (expected.get(place), sent.get(place)) {
            (Some(expected), Some(sent)) if alike(texts) => into.push(Difference::Changed {
                expected: expected.clone(),
                sent: sent.clone(),
                ranges: ranges(texts.0.map_or(&[], Vec::as_slice), texts.1.map_or(&[], Vec::as_slice)),
            }),
            (expected, sent) => {
                into.extend(expected.cloned().map(Difference::Missing));
                into.extend(sent.cloned().map(Difference::Unexpected));
            }
        }
    }
}

/// Whether two frames are of a kind: the same EtherType and, in IPv4, the
/// same protocol.
fn alike((left, right): (Option<&Vec<u8>>, Option<&Vec<u8>>)) -> bool {
    let kind = |frame: &Vec<u8>| (frame.get(12..14).map(<[u8]>::to_vec), frame.get(23).copied());
    let (left, right) = (left.map(kind), right.map(kind));
    match (&left, &right) {
        (Some((Some(a), one)), Some((Some(b), other))) => a == b && (a != &[0x08, 0x00] || one == other),
        _ => false,
    }
}

/// Where two frames differ, field by field.
fn ranges(left: &[u8], right: &[u8]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, _) in left.iter().zip(right).enumerate().filter(|(_, (a, b))| a != b) {
        match ranges.last_mut() {
            Some(last) if last.end == at && field(left, at) == field(left, last.start) => last.end += 1,
            _ => ranges.push(at..at + 1),
        }
    }
    let (short, long) = (left.len().min(right.len()), left.len().max(right.len()));
    if short < long {
        ranges.push(short..long);
    }
    ranges
}

impl Differences {
    /// Whether there are none.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (same, others) = (number(self.same, "frame"), number(self.differences.len(), "difference"));
        writeln!(f, "{same} as expected, {others}")?;
        if self.by_position {
            writeln!(f, "(too many to align: each frame was compared with the one at the same place)")?;
        }
        self.differences.iter().try_for_each(|difference| write!(f, "{difference}"))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expects = |f: &mut fmt::Formatter<'_>, frame: &Recorded| {
            writeln!(f, "- {:?} {}", frame.at, summary(&frame.bytes))
        };
        let sends = |f: &mut fmt::Formatter<'_>, frame: &Sent| {
            writeln!(f, "+ {:?} {}", frame.at, summary(&frame.bytes))
        };
        match self {
            Self::Missing(expected) => expects(f, expected),
            Self::Unexpected(sent) => sends(f, sent),
            Self::Moved { expected, sent } => {
                expects(f, expected)?;
                sends(f, sent)?;
                let sign = if sent.at > expected.at { "later" } else { "earlier" };
                writeln!(f, "    the same, {:?} {sign}", apart(sent.at, expected.at))
            }
            Self::Changed { expected, sent, ranges } => {
                expects(f, expected)?;
                sends(f, sent)?;
                ranges.iter().try_for_each(|range| {
                    let shown = |bytes: &'_ [u8]| {
                        let end = range.end.min(bytes.len());
                        Hex(bytes.get(range.start..end).unwrap_or_default()).to_string()
                    };
                    let (was, is) = (shown(&expected.bytes), shown(&sent.bytes));
                    let name = field(&expected.bytes, range.start);
                    writeln!(f, "    @{} {name}: {was} -> {is}", range.start)
                })
            }
        }
    }
}
