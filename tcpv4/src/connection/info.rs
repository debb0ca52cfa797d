//! What a user may want to know.

use core::time::Duration;

use super::{Connection, State, Totals};
use crate::buffer::{Backing, Side};
use crate::congestion::{Algorithm, Cwnd};
use crate::recovery::Phase;

/// A connection at a glance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Info {
    /// The state.
    pub state: State,
    /// The smoothed round-trip time; `None` before a sample.
    pub rtt: Option<Duration>,
    /// Its mean deviation.
    pub rtt_variation: Duration,
    /// The retransmission timeout.
    pub rto: Duration,
    /// The congestion control.
    pub congestion: Algorithm,
    /// The congestion window, in bytes.
    pub cwnd: u32,
    /// The slow start threshold, in bytes; `None` before the first congestion.
    pub ssthresh: Option<u32>,
    /// The peer's window, in bytes.
    pub send_window: u32,
    /// The own window as told, in bytes.
    pub receive_window: u32,
    /// Data in a full segment, in bytes.
    pub mss: u16,
    /// Bytes sent and not acknowledged.
    pub outstanding: u32,
    /// Bytes deemed lost and not sent again yet.
    pub lost: u32,
    /// Bytes written and not sent.
    pub unsent: u32,
    /// Where loss recovery stands.
    pub phase: Phase,
    /// Timeouts in a row.
    pub timeouts: u8,
    /// What it has sent and received so far.
    pub totals: Totals,
    /// The largest packet that the path takes, in bytes.
    pub mtu: u16,
    /// The most that may be written and unacknowledged at present, in bytes.
    pub send_limit: u32,
    /// The most that is offered to the peer at present, in bytes.
    pub receive_space: u32,
    /// Bytes that wait to be read.
    pub readable: u32,
}

impl<B: Backing> Connection<B> {
    /// The connection at a glance.
    pub fn info(&self) -> Info {
        let busy = self.busy.get();
        Info {
            state: self.state,
            rtt: self.rtt.srtt(),
            rtt_variation: self.rtt.rttvar(),
            rto: self.rtt.rto(),
            congestion: self.algorithm,
            cwnd: self.window.cwnd,
            ssthresh: (self.window.ssthresh != Cwnd::UNKNOWN).then_some(self.window.ssthresh),
            send_window: self.snd.wnd,
            receive_window: self.rcv.wnd(),
            mss: self.mss,
            outstanding: self.snd.outstanding(),
            lost: busy.map_or(0, |busy| busy.scoreboard.lost()),
            unsent: self.unsent(),
            phase: busy.map_or(Phase::Open, |busy| busy.recovery.phase),
            timeouts: self.retries,
            totals: self.totals(),
            mtu: self.mtu,
            send_limit: self.send_limit(),
            receive_space: self.limits.space,
            readable: self.readable() as u32,
        }
    }
}
