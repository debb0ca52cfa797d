//! Segments by their meaning.

use core::num::NonZeroU16;

use bitflags::bitflags;

use crate::wire::Options;
use crate::{SeqNum, Window};

/// What a segment does besides carrying data.
///
/// A segment with two of them has no meaning in RFC 9293 (or, with RST, that
/// of RST alone), and none can be built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Opens: takes one sequence number before the data.
    Syn,
    /// Ends its sender's stream: takes one sequence number after the data.
    Fin,
    /// Ends the connection.
    Rst,
}

bitflags! {
    /// The flags that change nothing about what a segment is.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Marks: u8 {
        /// The sender has no more to send at the moment.
        const PSH = 0x08;
        /// Urgent data; ignored (RFC 6093).
        const URG = 0x20;
        /// Congestion was experienced (RFC 3168).
        const ECE = 0x40;
        /// The congestion window was reduced (RFC 3168).
        const CWR = 0x80;
    }
}

/// The ECN field of the IPv4 header (RFC 3168 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ecn {
    /// The sender does not take part.
    #[default]
    NotCapable,
    /// The sender takes part, codepoint ECT(1).
    Capable1,
    /// The sender takes part, codepoint ECT(0).
    Capable0,
    /// A router was congested.
    Congested,
}

impl Ecn {
    /// From the lower two bits of the TOS byte.
    pub const fn from_tos(tos: u8) -> Self {
        match tos & 3 {
            0 => Self::NotCapable,
            1 => Self::Capable1,
            2 => Self::Capable0,
            _ => Self::Congested,
        }
    }

    /// The lower two bits of the TOS byte.
    pub const fn tos(self) -> u8 {
        self as u8
    }
}

/// A segment that was received, checked and parsed.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// SEG.SEQ: of SYN if there is one, else of the first byte of payload.
    pub seq: SeqNum,
    /// SEG.ACK, if the flag is set.
    pub ack: Option<SeqNum>,
    /// SEG.WND as it stands in the header.
    pub window: Window,
    /// SYN, FIN or RST.
    pub control: Option<Control>,
    /// The other flags.
    pub marks: Marks,
    /// What the options say.
    pub options: Options,
    /// What the IPv4 header says of congestion.
    pub ecn: Ecn,
    /// The data.
    pub payload: &'a [u8],
    /// The payload is that of several segments of this many bytes, of which
    /// the last may be shorter (large receive).
    pub segment_size: Option<NonZeroU16>,
}

impl<'a> Segment<'a> {
    /// SEG.LEN: sequence numbers taken, SYN and FIN counted.
    #[inline]
    pub fn len(&self) -> u32 {
        let control = match self.control {
            Some(Control::Syn | Control::Fin) => 1,
            Some(Control::Rst) | None => 0,
        };
        self.payload.len() as u32 + control
    }

    /// Whether it takes no sequence number.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sequence number after the segment.
    #[inline]
    pub fn end(&self) -> SeqNum {
        self.seq + self.len()
    }

    /// Whether a SYN offers ECN: RFC 3168 §6.1.1, in a packet that is not capable
    /// itself.
    pub(crate) fn offers_ecn(&self) -> bool {
        self.marks.contains(Marks::ECE.union(Marks::CWR)) && self.ecn == Ecn::NotCapable
    }

    /// Whether an answer to it is owed twice a second at most where it is out of
    /// place: a SYN, or what brings neither data nor a FIN. Two hosts could answer
    /// each other's for ever.
    #[inline]
    pub(crate) fn is_answered_seldom(&self) -> bool {
        self.is_empty() || self.control == Some(Control::Syn)
    }

    /// How many segments it was on the wire.
    #[inline]
    pub fn count(&self) -> u32 {
        match self.segment_size {
            None => 1,
            Some(size) => (self.payload.len() as u32).div_ceil(u32::from(size.get())).max(1),
        }
    }

    /// The reset that answers a segment to a connection that does not exist
    /// (RFC 9293 §3.10.7.1); `None` for a reset.
    pub fn reset(&self) -> Option<Transmit> {
        if self.control == Some(Control::Rst) {
            return None;
        }
        Some(match self.ack {
            Some(ack) => Transmit::control(Control::Rst, ack, None),
            None => Transmit::control(Control::Rst, SeqNum::new(0), Some(self.end())),
        })
    }
}

/// A segment as nearly all of an established connection are: it acknowledges,
/// may bring data, and has no option but timestamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plain<'a> {
    /// SEG.SEQ.
    pub(crate) seq: SeqNum,
    /// SEG.ACK.
    pub(crate) ack: SeqNum,
    /// SEG.WND as it stands in the header.
    pub(crate) window: Window,
    /// TSval, where there are timestamps.
    pub(crate) ts_value: Option<u32>,
    /// PSH: the sender had no more to send.
    pub(crate) is_last: bool,
    /// The data.
    pub(crate) payload: &'a [u8],
    /// As in [`Segment`].
    pub(crate) segment_size: Option<NonZeroU16>,
}

impl<'a> Segment<'a> {
    /// The same, where the segment is a plain one.
    pub(crate) fn plain(&self) -> Option<Plain<'a>> {
        let alone = Options { timestamps: self.options.timestamps, ..Options::NONE };
        let is_plain = self.control.is_none()
            && self.ecn != Ecn::Congested
            && (self.marks | Marks::PSH) == Marks::PSH
            && self.options == alone;
        let ack = self.ack.filter(|_| is_plain)?;
        Some(Plain {
            seq: self.seq,
            ack,
            window: self.window,
            ts_value: self.options.timestamps.map(|timestamps| timestamps.value),
            is_last: self.marks.contains(Marks::PSH),
            payload: self.payload,
            segment_size: self.segment_size,
        })
    }
}

/// A segment to be sent: everything but ports, addresses and the bytes
/// themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Transmit {
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK; the flag is set with it.
    pub ack: Option<SeqNum>,
    /// SEG.WND as it goes into the header.
    pub window: Window,
    /// SYN, FIN or RST.
    pub control: Option<Control>,
    /// The other flags.
    pub marks: Marks,
    /// The options.
    pub options: Options,
    /// What goes into the ECN field of the IPv4 header.
    pub ecn: Ecn,
    /// Where the data begins in the send queue, in bytes from SND.UNA.
    pub offset: u32,
    /// Bytes of data, 0 for none.
    pub len: u32,
    /// The data is to be cut into segments of this many bytes, the last may
    /// be shorter: by the device, or one by one. `None` for a single segment.
    pub gso_size: Option<NonZeroU16>,
    /// Why it is sent, for the commit.
    pub(crate) purpose: Purpose,
}

/// Why a segment is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// SYN, first time or again.
    Handshake,
    /// Sequence numbers never sent before.
    New,
    /// The same, of data alone, in one segment with nothing else due.
    Plain,
    /// Data that was deemed lost.
    Retransmission,
    /// A tail loss probe with old data (RFC 8985 §7.3).
    TailProbe,
    /// Asks for an acknowledgement: window probe, keepalive.
    Probe,
    /// Acknowledges.
    Ack,
    /// Says that it is over.
    Reset,
}

impl Transmit {
    /// How many segments it becomes.
    #[inline]
    pub(crate) fn pieces(&self) -> u32 {
        self.gso_size.map_or(1, |size| self.len.div_ceil(u32::from(size.get())))
    }

    /// Whether its data was sent before.
    #[inline]
    pub(crate) fn is_again(&self) -> bool {
        match self.purpose {
            Purpose::Retransmission | Purpose::TailProbe => true,
            Purpose::Handshake
            | Purpose::New
            | Purpose::Plain
            | Purpose::Probe
            | Purpose::Ack
            | Purpose::Reset => false,
        }
    }

    /// Leaves the first `len` bytes of data; less than there are take what
    /// comes at the end with them.
    pub(crate) fn truncate(&mut self, len: u32) {
        if len < self.len {
            self.len = len;
            self.control = None;
            self.marks.remove(Marks::PSH);
        }
    }

    /// A segment without data.
    pub(crate) const fn control(control: Control, seq: SeqNum, ack: Option<SeqNum>) -> Self {
        Self {
            seq,
            ack,
            window: Window(0),
            control: Some(control),
            marks: Marks::empty(),
            options: Options::NONE,
            ecn: Ecn::NotCapable,
            offset: 0,
            len: 0,
            gso_size: None,
            purpose: match control {
                Control::Rst => Purpose::Reset,
                Control::Syn => Purpose::Handshake,
                Control::Fin => Purpose::New,
            },
        }
    }

    /// The sequence number after the segment.
    pub fn end(&self) -> SeqNum {
        let control = match self.control {
            Some(Control::Syn | Control::Fin) => 1,
            Some(Control::Rst) | None => 0,
        };
        self.seq + self.len + control
    }

    /// Bytes of the TCP header, options included.
    pub fn header_len(&self) -> usize {
        crate::wire::HEADER_LEN + self.options.encoded_len()
    }
}
