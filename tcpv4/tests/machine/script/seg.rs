//! Segments as scripts describe them.

use tcpv4::segment::{Control, Marks, Segment};
use tcpv4::wire::Timestamps;
use tcpv4::{Mss, SeqNum, WindowScale};

use super::{IRS, ISS};
use crate::harness::describe;

/// A segment to inject, or what is expected of one: only what is said counts.
#[derive(Clone, Debug, Default)]
pub struct Seg {
    pub seq: Option<u32>,
    pub ack: Option<u32>,
    pub no_ack: bool,
    pub len: Option<u32>,
    pub win: Option<u16>,
    pub control: Option<Control>,
    pub marks: Marks,
    pub exact_marks: bool,
    pub mss: Option<u16>,
    pub scale: Option<u8>,
    pub sack_permitted: bool,
    pub ts: Option<(u32, u32)>,
    pub sack: Option<Vec<(u32, u32)>>,
    pub gso: Option<u16>,
    pub ce: bool,
}

pub fn seg() -> Seg {
    Seg::default()
}

/// An acknowledgement to inject.
pub fn ack(ack: u32) -> Seg {
    seg().seq(1).ack(ack)
}

/// Data to inject.
pub fn data(seq: u32, len: u32) -> Seg {
    seg().seq(seq).ack(1).len(len)
}

macro_rules! setters {
    ($($name:ident: $ty:ty => $set:expr;)*) => {
        impl Seg { $(pub fn $name(mut self, value: $ty) -> Self { let set: fn(&mut Seg, $ty) = $set; set(&mut self, value); self })* }
    };
}

setters! {
    seq: u32 => |s, v| s.seq = Some(v);
    ack: u32 => |s, v| s.ack = Some(v);
    len: u32 => |s, v| s.len = Some(v);
    win: u16 => |s, v| s.win = Some(v);
    mss: u16 => |s, v| s.mss = Some(v);
    scale: u8 => |s, v| s.scale = Some(v);
    ts: (u32, u32) => |s, v| s.ts = Some(v);
    sack: &[(u32, u32)] => |s, v| s.sack = Some(v.to_vec());
    gso: u16 => |s, v| s.gso = Some(v);
    mark: Marks => |s, v| s.marks |= v;
}

impl Seg {
    pub fn syn(mut self) -> Self {
        self.control = Some(Control::Syn);
        self
    }

    pub fn fin(mut self) -> Self {
        self.control = Some(Control::Fin);
        self
    }

    pub fn rst(mut self) -> Self {
        self.control = Some(Control::Rst);
        self
    }

    pub fn no_ack(mut self) -> Self {
        self.no_ack = true;
        self
    }

    pub fn sack_permitted(mut self) -> Self {
        self.sack_permitted = true;
        self
    }

    /// No other marks than those said.
    pub fn exactly(mut self) -> Self {
        self.exact_marks = true;
        self
    }

    pub fn ce(mut self) -> Self {
        self.ce = true;
        self
    }
}

impl Seg {
    /// Fails unless the segment is as described.
    pub fn check(&self, segment: &Segment<'_>) {
        let wanted = self;
        let what = format!("{}\nwanted {wanted:?}", describe(segment));
        let relative = |seq: SeqNum, isn: u32| seq.value().wrapping_sub(isn);
        if let Some(seq) = wanted.seq {
            assert_eq!(relative(segment.seq, ISS), seq, "seq of {what}");
        }
        if let Some(ack) = wanted.ack {
            assert_eq!(segment.ack.map(|ack| relative(ack, IRS)), Some(ack), "ack of {what}");
        }
        if wanted.no_ack {
            assert_eq!(segment.ack, None, "ack of {what}");
        }
        if let Some(len) = wanted.len {
            assert_eq!(segment.payload.len() as u32, len, "len of {what}");
        }
        if let Some(win) = wanted.win {
            assert_eq!(segment.window.0, win, "window of {what}");
        }
        assert_eq!(segment.control, wanted.control, "control of {what}");
        assert!(segment.marks.contains(wanted.marks), "marks {:?} of {what}", segment.marks);
        if wanted.exact_marks {
            assert_eq!(segment.marks, wanted.marks, "marks of {what}");
        }
        if let Some(mss) = wanted.mss {
            assert_eq!(segment.options.mss, Some(Mss::new(mss)), "mss of {what}");
        }
        if let Some(scale) = wanted.scale {
            assert_eq!(segment.options.window_scale, Some(WindowScale::new(scale)), "scale of {what}");
        }
        if wanted.sack_permitted {
            assert!(segment.options.sack_permitted, "{what}");
        }
        if let Some((value, echo)) = wanted.ts {
            assert_eq!(segment.options.timestamps, Some(Timestamps { value, echo }), "timestamps of {what}");
        }
        if let Some(blocks) = &wanted.sack {
            let sent: Vec<(u32, u32)> = segment
                .options
                .sack
                .as_slice()
                .iter()
                .map(|block| (relative(block.start, IRS), relative(block.end, IRS)))
                .collect();
            assert_eq!(&sent, blocks, "SACK of {what}");
        }
    }
}
