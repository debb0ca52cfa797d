//! Which of tshark's remarks on TCP have a reason in the capture itself.
//!
//! A sender whose peer has been silent for as long as its timer runs at least
//! is right to send again, though nothing was lost: under load, either end may
//! be without a core for that long. So is its peer to say that it has that
//! already.

use std::time::Duration;

/// A segment in a capture.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// The number of its frame.
    pub number: u32,
    /// Since the capture began.
    pub at: Duration,
    /// Its connection.
    pub stream: u32,
    /// Whether the stack sent it; else the kernel did.
    pub by_stack: bool,
    /// Bytes of data.
    pub len: u32,
    /// Whether its receiver, with nothing to say itself, may delay the
    /// acknowledgement, as it does of a small segment.
    pub may_be_delayed: bool,
    /// What was remarked on it.
    pub remark: Option<Remark>,
}

/// What may have a reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remark {
    /// It was sent before.
    Again,
    /// It acknowledges once more what the one before it did.
    DuplicateAck,
    /// Nothing that a timer explains.
    Other,
}

/// The shortest time after which each end's timers send again: the stack's
/// tail probe has a floor of 10 ms, the kernel's timers one tick of 4 ms.
const fn patience(by_stack: bool) -> Duration {
    Duration::from_millis(if by_stack { 10 } else { 4 })
}

/// How long the stack delays an acknowledgement at most; the kernel probes for it
/// sooner.
const DELAYED: Duration = Duration::from_millis(40);

/// How long after a needless segment the word comes that it was, at the latest: who says
/// it may be without a core for long.
const ANSWER: Duration = Duration::from_secs(2);

/// What a capture comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Judgement {
    /// Frames with a remark that nothing explains.
    pub unexplained: Vec<u32>,
    /// How long the kernel waited for the stack, where its timers went off, in
    /// all; but for the time for which an acknowledgement may be delayed.
    pub waited: Duration,
    /// How often the kernel probed for an acknowledgement that was delayed.
    pub delayed: usize,
}

/// Looks at the remarks on segments in the order of the capture.
pub fn judge(segments: &[Segment]) -> Judgement {
    let mut judgement = Judgement::default();
    // Sent again with a reason, and not yet said to be needless.
    let mut needless: Vec<Segment> = Vec::new();
    for (place, segment) in segments.iter().enumerate() {
        let explained = match segment.remark {
            None => continue,
            Some(Remark::Again) => {
                let silence = silence(segment, &segments[..place]);
                let waited = silence.filter(|silence| *silence >= patience(segment.by_stack));
                if let Some(waited) = waited {
                    needless.push(*segment);
                    match (segment.by_stack, segment.may_be_delayed) {
                        (true, _) => {}
                        (false, false) => judgement.waited += waited,
                        (false, true) => {
                            judgement.waited += waited.saturating_sub(DELAYED);
                            judgement.delayed += 1;
                        }
                    }
                }
                waited.is_some()
            }
            Some(Remark::DuplicateAck) => {
                let answered = needless.iter().position(|again| {
                    again.stream == segment.stream
                        && again.by_stack != segment.by_stack
                        && segment.at - again.at <= ANSWER
                });
                answered.map(|place| needless.remove(place)).is_some()
            }
            Some(Remark::Other) => false,
        };
        if !explained {
            judgement.unexplained.push(segment.number);
        }
    }
    judgement
}

/// How long nothing had happened that starts its sender's timer anew: no word
/// of the other end, no data of its own.
fn silence(segment: &Segment, before: &[Segment]) -> Option<Duration> {
    let starts = |other: &&Segment| {
        other.stream == segment.stream && (other.by_stack != segment.by_stack || other.len > 0)
    };
    before.iter().rev().find(starts).map(|last| segment.at - last.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64, by_stack: bool, len: u32, remark: Option<Remark>) -> Segment {
        let number = micros as u32;
        let at = Duration::from_micros(micros);
        Segment { number, at, stream: 0, by_stack, len, may_be_delayed: false, remark }
    }

    const AGAIN: Option<Remark> = Some(Remark::Again);

    #[test]
    fn a_probe_after_silence_and_its_answer_have_a_reason() {
        let segments = [
            at(0, true, 100, None),
            at(12_000, true, 100, AGAIN),
            at(12_100, false, 0, Some(Remark::DuplicateAck)),
        ];
        assert_eq!(judge(&segments), Judgement::default());
        // Once.
        let twice = [&segments[..], &[at(12_200, false, 0, Some(Remark::DuplicateAck))]].concat();
        assert_eq!(judge(&twice).unexplained, [12_200]);
    }

    #[test]
    fn a_segment_sent_again_too_early_has_none() {
        // The peer has just spoken; or the segment was just sent; and a timer of
        // 10 ms does not go off after 9.
        for (micros, by_stack, len) in [(8000, false, 0), (8000, true, 50), (3000, false, 0)] {
            let segments =
                [at(0, true, 100, None), at(micros, by_stack, len, None), at(12_000, true, 100, AGAIN)];
            assert_eq!(judge(&segments).unexplained, [12_000]);
        }
        // Another connection is no sign of life.
        let other = Segment { stream: 1, ..at(8000, false, 0, None) };
        let segments = [at(0, true, 100, None), other, at(12_000, true, 100, AGAIN)];
        assert_eq!(judge(&segments), Judgement::default());
    }

    #[test]
    fn what_the_kernel_waited_is_counted() {
        let segments = [at(0, false, 100, None), at(5000, false, 100, AGAIN)];
        let waited = Duration::from_millis(5);
        assert_eq!(judge(&segments), Judgement { waited, ..Judgement::default() });
    }

    #[test]
    fn a_probe_for_what_may_be_delayed_is_counted_apart() {
        let probed = |micros| {
            let probe = Segment { may_be_delayed: true, ..at(micros, false, 50, AGAIN) };
            judge(&[at(0, false, 50, None), probe])
        };
        assert_eq!(probed(12_000), Judgement { delayed: 1, ..Judgement::default() });
        let waited = Duration::from_millis(3);
        assert_eq!(probed(43_000), Judgement { delayed: 1, waited, ..Judgement::default() });
        // Too early is too early.
        assert_eq!(probed(3000).unexplained, [3000]);
    }

    #[test]
    fn nothing_else_has_a_reason() {
        let segments = [at(0, true, 100, None), at(50_000, true, 100, Some(Remark::Other))];
        assert_eq!(judge(&segments).unexplained, [50_000]);
    }
}
