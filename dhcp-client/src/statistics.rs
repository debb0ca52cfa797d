//! Counters.

/// What came in and what was made of it. Counters wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Messages sent.
    pub tx_messages: u64,
    /// Messages that the layers below refused; the next retransmission tries
    /// again.
    pub tx_failed: u64,
    /// Messages received that had an effect.
    pub rx_messages: u64,
    /// Dropped: no DHCP message
    /// ([`ParseError`](crate::message::ParseError)).
    pub rx_malformed: u64,
    /// Dropped: for another client, or from one.
    pub rx_other_client: u64,
    /// Dropped: of no exchange under way (wrong xid, or too late).
    pub rx_other_exchange: u64,
    /// Dropped: not what the state waits for, or not from the server asked.
    pub rx_unexpected: u64,
    /// Dropped: an offer or confirmation of no use
    /// ([`LeaseError`](crate::LeaseError)).
    pub rx_invalid: u64,
    /// Leases begun.
    pub bound: u64,
    /// Leases renewed.
    pub renewed: u64,
    /// Addresses refused by a server.
    pub naks: u64,
    /// Addresses declined because another host had them.
    pub declined: u64,
    /// Leases that ended because nobody renewed them.
    pub expired: u64,
    /// Entries left out of the lists of leases because of their bounds.
    pub cut: u64,
}

impl Statistics {
    /// All counters by name, in the order of the struct.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("tx_messages", self.tx_messages),
            ("tx_failed", self.tx_failed),
            ("rx_messages", self.rx_messages),
            ("rx_malformed", self.rx_malformed),
            ("rx_other_client", self.rx_other_client),
            ("rx_other_exchange", self.rx_other_exchange),
            ("rx_unexpected", self.rx_unexpected),
            ("rx_invalid", self.rx_invalid),
            ("bound", self.bound),
            ("renewed", self.renewed),
            ("naks", self.naks),
            ("declined", self.declined),
            ("expired", self.expired),
            ("cut", self.cut),
        ]
        .into_iter()
    }
}
