//! A path to the peer of a script: a delay, a bottleneck, and a peer that
//! acknowledges each segment.

use std::collections::VecDeque;
use std::time::Duration;

use tcpv4::congestion::Algorithm;
use tcpv4::connection::Settings;
use tcpv4::recovery::Phase;
use traits::Instant;

use super::*;
use crate::harness::decode;

/// A sender that always has more to send, to a window that never limits it.
pub struct Path {
    pub script: Script,
    /// From a segment to its acknowledgement, in microseconds.
    pub rtt: u64,
    /// Between two acknowledgements at least, in microseconds.
    pub gap: u64,
    /// The segments under way: their ends, and when they are acknowledged.
    flight: VecDeque<(u32, Instant)>,
    next: u32,
}

impl Path {
    pub fn new(congestion: Algorithm, rtt: u64) -> Self {
        Self::narrow(congestion, rtt, 0)
    }

    /// One with a bottleneck.
    pub fn narrow(congestion: Algorithm, rtt: u64, gap: u64) -> Self {
        let mut settings = Settings::default();
        settings.congestion = congestion;
        let start = Start { settings, scale: Some(7), window: 60_000, rtt: rtt / 1000, ..Start::default() };
        let mut path = Self { script: Script::open(&start), rtt, gap, flight: VecDeque::new(), next: 1 };
        path.fill();
        path
    }

    /// Writes, and puts what is sent on its way.
    fn fill(&mut self) {
        let s = &mut self.script;
        let bytes = vec![0; s.connection.writable()];
        assert_eq!(s.connection.write(s.now, &bytes), Ok(bytes.len()));
        s.flush();
        for sent in s.out.drain(..) {
            let segment = decode(&sent.bytes);
            let end = segment.end().value().wrapping_sub(ISS);
            let after =
                self.flight.back().map_or(Instant::ZERO, |(_, at)| *at + Duration::from_micros(self.gap));
            self.flight.push_back((end, after.max(sent.at + Duration::from_micros(self.rtt))));
        }
    }

    /// Goes to the time of the next acknowledgement; what that is of.
    fn advance(&mut self) -> u32 {
        let (end, at) = self.flight.pop_front().expect("something is under way");
        let wait = at.duration_since(self.script.now);
        self.script.run_micros(wait.as_micros() as u64);
        end
    }

    /// Until all is acknowledged that is under way now. Returns how many segments
    /// that were.
    pub fn round(&mut self) -> usize {
        let count = self.flight.len();
        for _ in 0..count {
            self.next = self.advance();
            let _ = self.script.inject(ack(self.next));
            self.fill();
        }
        count
    }

    /// The first of what is under way is lost, and sent again. Until that is
    /// acknowledged, and the recovery over; returns the window before, in bytes.
    pub fn lose_one(&mut self) -> u32 {
        let before = self.cwnd();
        let (first, _) = self.flight.pop_front().expect("something is under way");
        let (mut end, mut repaired) = (first, Instant::ZERO);
        for _ in 0..self.flight.len() {
            end = self.advance();
            let _ = self.script.inject(ack(self.next).sack(&[(first, end)]));
            self.fill();
            if let Some(at) = self.flight.iter().position(|(end, _)| *end == first) {
                (_, repaired) = self.flight.remove(at).expect("it is there");
            }
        }
        self.script.run_micros(repaired.duration_since(self.script.now).as_micros() as u64);
        self.next = end;
        let _ = self.script.inject(ack(self.next));
        self.fill();
        // What limited transmit sent before the loss was noticed ends it, and
        // all that comes at the same time.
        while self.script.connection.info().phase != Phase::Open
            || self.flight.front().is_some_and(|(_, at)| *at <= self.script.now)
        {
            self.next = self.advance();
            let _ = self.script.inject(ack(self.next));
            self.fill();
        }
        before
    }

    pub fn cwnd(&self) -> u32 {
        self.script.connection.info().cwnd
    }

    pub fn ssthresh(&self) -> Option<u32> {
        self.script.connection.info().ssthresh
    }
}
