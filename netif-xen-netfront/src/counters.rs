//! Counters of what went wrong, by reason.

/// What was dropped or broken off, by reason. Counters wrap.
///
/// All of them but [`tx_refused`](Counters::tx_refused) and
/// [`connections`](Counters::connections) stand still with a backend that
/// works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Connections to a backend, the first included.
    pub connections: u64,
    /// Events sent to the backend.
    pub events_sent: u64,
    /// Times that an event channel had something.
    pub events_received: u64,
    /// Frames received that the backend has marked as failed.
    pub rx_failed: u64,
    /// Frames received with a piece of no bytes, or that ends past its page.
    pub rx_bad_piece: u64,
    /// Frames received in more than 18 pieces.
    pub rx_too_many_pieces: u64,
    /// Frames received that are longer than the buffer.
    pub rx_too_long: u64,
    /// Frames received that are shorter than an Ethernet header.
    pub rx_runt: u64,
    /// Frames received with extra info that was not asked for, or that says
    /// nothing possible.
    pub rx_bad_extra: u64,
    /// Frames that the backend did not take: it has answered with an error.
    pub tx_failed: u64,
    /// Frames that can't be sent: shorter than an Ethernet header, or with a
    /// request that does not fit them.
    pub tx_refused: u64,
    /// Connections given up: more responses than requests.
    pub broken_producer: u64,
    /// Connections given up: a response to something that was not sent.
    pub broken_tx_id: u64,
    /// Connections given up: more answers to extra info than there was.
    pub broken_tx_null: u64,
    /// Connections given up: a response with another id than that of the
    /// request in its slot.
    pub broken_rx_id: u64,
    /// Connections given up: a frame that goes on past all pages there are.
    pub broken_rx_endless: u64,
}

/// What a backend does that ends the use of its rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Breach {
    ProducerJumped,
    TxId,
    TxNull,
    RxId,
    RxEndless,
}

/// Why a frame received is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RxDrop {
    Failed,
    BadPiece,
    TooManyPieces,
    TooLong,
    Runt,
    BadExtra,
}

impl Counters {
    pub(crate) const ZERO: Self = Self {
        connections: 0,
        events_sent: 0,
        events_received: 0,
        rx_failed: 0,
        rx_bad_piece: 0,
        rx_too_many_pieces: 0,
        rx_too_long: 0,
        rx_runt: 0,
        rx_bad_extra: 0,
        tx_failed: 0,
        tx_refused: 0,
        broken_producer: 0,
        broken_tx_id: 0,
        broken_tx_null: 0,
        broken_rx_id: 0,
        broken_rx_endless: 0,
    };

    pub(crate) fn dropped(&mut self, reason: RxDrop) {
        increment(match reason {
            RxDrop::Failed => &mut self.rx_failed,
            RxDrop::BadPiece => &mut self.rx_bad_piece,
            RxDrop::TooManyPieces => &mut self.rx_too_many_pieces,
            RxDrop::TooLong => &mut self.rx_too_long,
            RxDrop::Runt => &mut self.rx_runt,
            RxDrop::BadExtra => &mut self.rx_bad_extra,
        });
    }

    pub(crate) fn broken(&mut self, breach: Breach) {
        increment(match breach {
            Breach::ProducerJumped => &mut self.broken_producer,
            Breach::TxId => &mut self.broken_tx_id,
            Breach::TxNull => &mut self.broken_tx_null,
            Breach::RxId => &mut self.broken_rx_id,
            Breach::RxEndless => &mut self.broken_rx_endless,
        });
    }
}

pub(crate) fn increment(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}
