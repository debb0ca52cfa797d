//! What is said outside of a connection.

use crate::segment::{Control, Purpose, Transmit};
use crate::table::Tuple;
use crate::wire::Timestamps;
use crate::{SeqNum, Window};

/// A segment that is owed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) tuple: Tuple,
    pub(crate) transmit: Transmit,
}

/// An acknowledgement and no more.
pub(crate) fn acknowledgement(
    seq: SeqNum,
    ack: SeqNum,
    window: Window,
    timestamps: Option<Timestamps>,
) -> Transmit {
    let mut transmit = Transmit::control(Control::Syn, seq, Some(ack));
    transmit.control = None;
    transmit.purpose = Purpose::Ack;
    transmit.window = window;
    transmit.options.timestamps = timestamps;
    transmit
}
