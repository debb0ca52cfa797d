//! Arbitrary segments, commands and times: nothing panics, and what has to
//! hold holds.

use std::time::Duration;

use proptest::prelude::*;

use crate::script::*;
use tcpv4::buffer::{Backing, Fixed, Growing};
use tcpv4::connection::{Budget, Buffers, Connection, Open, Settings, State};
use tcpv4::segment::{Control, Ecn, Marks, Segment};
use tcpv4::wire::{Options, SackBlock, SackBlocks, Timestamps};
use tcpv4::{Mss, SeqNum, Window, WindowScale};
use traits::{IcmpErrorKind, Instant, UnreachableCode};

#[derive(Clone, Debug)]
enum Step {
    Segment(Box<Wild>),
    Write(usize),
    Static(usize),
    Read(usize),
    Close,
    Abort,
    Detach,
    Wait(u64),
    Transmit(usize, usize),
    Icmp(u32, u16),
}

/// A segment around what is expected.
#[derive(Clone, Debug)]
struct Wild {
    seq: i32,
    ack: Option<i32>,
    window: u16,
    control: Option<Control>,
    marks: u8,
    len: usize,
    ts: Option<(i32, i32)>,
    sack: Vec<(i32, i32)>,
    syn_options: (Option<u16>, Option<u8>, bool),
    segment_size: Option<u16>,
    ce: bool,
}

fn near() -> impl Strategy<Value = i32> {
    prop_oneof![8 => -3i32..3, 4 => -3000i32..3000, 1 => any::<i32>()]
}

fn wild() -> impl Strategy<Value = Wild> {
    let control = prop_oneof![
        12 => Just(None),
        2 => Just(Some(Control::Syn)),
        2 => Just(Some(Control::Fin)),
        1 => Just(Some(Control::Rst)),
    ];
    let len = prop_oneof![3 => Just(0usize), 3 => 1usize..20, 2 => 1usize..3000];
    let sack = proptest::collection::vec((near(), near()), 0..5);
    let window = prop_oneof![2 => Just(0u16), 2 => 0u16..50, 4 => any::<u16>()];
    (
        (near(), proptest::option::weighted(0.9, near()), window, control, any::<u8>(), len),
        (proptest::option::of((near(), near())), sack, any::<(Option<u16>, Option<u8>, bool)>()),
        (proptest::option::weighted(0.2, any::<u16>()), any::<bool>()),
    )
        .prop_map(
            |((seq, ack, window, control, marks, len), (ts, sack, syn_options), (segment_size, ce))| Wild {
                seq,
                ack,
                window,
                control,
                marks,
                len,
                ts,
                sack,
                syn_options,
                segment_size,
                ce,
            },
        )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => wild().prop_map(|wild| Step::Segment(Box::new(wild))),
        4 => (0usize..5000).prop_map(Step::Write),
        2 => (0usize..5000).prop_map(Step::Static),
        3 => (0usize..5000).prop_map(Step::Read),
        1 => Just(Step::Close),
        1 => prop_oneof![9 => Just(Step::Close), 1 => Just(Step::Abort), 1 => Just(Step::Detach)],
        6 => prop_oneof![0u64..50, 0u64..2_000, 0u64..200_000].prop_map(Step::Wait),
        10 => (0usize..9_000, prop_oneof![Just(0usize), 0usize..70_000]).prop_map(|(mtu, gso)| Step::Transmit(mtu, gso)),
        1 => any::<(u32, u16)>().prop_map(|(seq, mtu)| Step::Icmp(seq, mtu)),
    ];
    proptest::collection::vec(step, 0..120)
}

struct Chaos<B: Backing> {
    connection: Connection<B>,
    now: Instant,
    /// Where the peer's and the own numbers are, as far as is known.
    peer_nxt: SeqNum,
    own_nxt: SeqNum,
    payload: Vec<u8>,
}

fn offset(from: SeqNum, by: i32) -> SeqNum {
    SeqNum::new(from.value().wrapping_add_signed(by))
}

impl<B: Backing> Chaos<B> {
    fn new(settings: &Settings, buffers: Buffers<B>, open: bool) -> Self {
        let now = Instant::from_secs(5);
        let iss = SeqNum::new(ISS);
        let start = Open { iss, ts_offset: TS_OFFSET, mtu: 1500 };
        let connection = Connection::connect(now, &start, settings, buffers);
        let mut chaos =
            Self { connection, now, peer_nxt: SeqNum::new(IRS), own_nxt: iss, payload: vec![7; 3000] };
        if open {
            chaos.transmit(1500, 0);
            let wild = Wild {
                seq: 0,
                ack: Some(0),
                window: 60_000,
                control: Some(Control::Syn),
                marks: 0,
                len: 0,
                ts: Some((0, 0)),
                sack: vec![],
                syn_options: (Some(1000), Some(3), true),
                segment_size: None,
                ce: false,
            };
            chaos.segment(&wild);
            assert_eq!(chaos.connection.state(), State::Established);
        }
        chaos
    }

    fn segment(&mut self, wild: &Wild) {
        let mut sack = SackBlocks::NONE;
        for &(start, end) in &wild.sack {
            sack.push(SackBlock::new(offset(self.own_nxt, start), offset(self.own_nxt, end)));
        }
        let (mss, scale, sack_permitted) = wild.syn_options;
        let ts_now = (self.now.as_millis() as u32).wrapping_add(TS_OFFSET);
        let segment = Segment {
            seq: offset(self.peer_nxt, wild.seq),
            ack: wild.ack.map(|ack| offset(self.own_nxt, ack)),
            window: Window(wild.window),
            control: wild.control,
            marks: Marks::from_bits_truncate(wild.marks),
            options: Options {
                mss: mss.map(Mss::new),
                window_scale: scale.map(WindowScale::new),
                sack_permitted,
                timestamps: wild.ts.map(|(value, echo)| Timestamps {
                    value: (self.now.as_millis() as u32).wrapping_add_signed(value),
                    echo: ts_now.wrapping_add_signed(echo),
                }),
                sack,
            },
            ecn: if wild.ce { Ecn::Congested } else { Ecn::NotCapable },
            payload: &self.payload[..wild.len],
            segment_size: wild.segment_size.and_then(std::num::NonZeroU16::new),
        };
        let before = self.connection.readable();
        let outcome = self.connection.handle_segment(self.now, &segment);
        assert!(self.connection.readable() >= before, "nothing readable is lost to a segment");
        if outcome.reset_owed {
            assert!(segment.reset().is_some());
        }
    }

    fn transmit(&mut self, mtu: usize, gso: usize) {
        let budget = Budget { mtu, gso_max_size: gso };
        let mut count = 0;
        while let Some(transmit) = self.connection.poll_transmit(self.now, &budget) {
            count += 1;
            assert!(count < 20_000, "never silent: {transmit:?}");
            let mut data = vec![0; transmit.len as usize];
            assert!(transmit.len == 0 || self.connection.copy_payload(&transmit, &mut data));
            if let Some((first, second)) = self.connection.payload(&transmit) {
                assert_eq!([first, second].concat(), data);
            }
            let header = transmit.header_len();
            assert!(header <= 60);
            let size = transmit.gso_size.map_or(transmit.len, |size| u32::from(size.get()));
            assert!(20 + header + size as usize <= mtu.max(128), "{transmit:?} in {mtu}");
            if transmit.gso_size.is_some() {
                assert!(header + transmit.len as usize <= gso.max(20));
            }
            self.own_nxt = self.own_nxt.later(transmit.end());
            if let Some(ack) = transmit.ack {
                self.peer_nxt = ack;
            }
            self.connection.transmitted(self.now, &transmit);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Segment(wild) => self.segment(wild),
            Step::Write(len) => {
                let writable = self.connection.writable();
                match self.connection.write(self.now, &self.payload[..(*len).min(3000)]) {
                    Ok(count) => assert_eq!(count, writable.min((*len).min(3000))),
                    Err(_) => assert!(self.connection.failure().is_some() || writable == 0),
                }
            }
            Step::Static(len) => {
                static CONSTANT: [u8; 5000] = [9; 5000];
                let writable = self.connection.writable();
                match self.connection.write_static(self.now, &CONSTANT[..(*len).min(5000)]) {
                    Ok(count) => assert!(count == (*len).min(5000) && writable > 0 || count == 0),
                    Err(_) => assert!(self.connection.failure().is_some() || writable == 0),
                }
            }
            Step::Read(len) => {
                let mut buffer = vec![0; *len];
                let readable = self.connection.readable();
                let count = self.connection.read(self.now, &mut buffer);
                assert_eq!(count, readable.min(*len));
            }
            Step::Close => {
                let _ = self.connection.close(self.now);
            }
            Step::Abort => self.connection.abort(),
            Step::Detach => self.connection.detach(self.now),
            Step::Wait(millis) => self.wait(*millis),
            Step::Transmit(mtu, gso) => self.transmit(*mtu, *gso),
            Step::Icmp(seq, mtu) => {
                let seq = SeqNum::new(ISS.wrapping_add(seq % 5000));
                let kind = if mtu % 2 == 0 {
                    IcmpErrorKind::FragmentationNeeded { mtu: *mtu }
                } else {
                    IcmpErrorKind::Unreachable(UnreachableCode::Host)
                };
                let _ = self.connection.handle_icmp(self.now, kind, seq);
            }
        }
    }

    fn wait(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        let mut count = 0;
        while let Some(at) = self.connection.next_timeout().filter(|&at| at <= end) {
            count += 1;
            assert!(count < 1000, "timers that never end");
            self.now = self.now.max(at);
            let _ = self.connection.handle_timeout(self.now);
            let next = self.connection.next_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timer due again at once");
        }
        self.now = end;
    }

    /// Without a word from the peer, the machine ends once it is aborted.
    fn finish(mut self) {
        self.transmit(1500, 0);
        self.connection.abort();
        self.transmit(1500, 0);
        assert!(self.connection.is_done());
        assert_eq!(self.connection.next_timeout(), None);
        assert_eq!(self.connection.held(), 0);
        let _ = self.connection.into_buffers();
    }
}

fn settings(limits: (u32, u32), nodelay: bool, cubic: bool) -> Settings {
    let mut settings = Settings::default();
    (settings.send_limit, settings.receive_limit) = limits;
    settings.nodelay = nodelay;
    if !cubic {
        settings.congestion = tcpv4::congestion::Algorithm::NewReno;
    }
    settings
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn growing(steps in steps(), limits in (1u32..100_000, 1u32..100_000), flags: (bool, bool, bool)) {
        let settings = settings(limits, flags.0, flags.1);
        let mut chaos = Chaos::<Growing>::new(&settings, Buffers::default(), flags.2);
        for step in &steps {
            chaos.step(step);
        }
        chaos.finish();
    }

    #[test]
    fn fixed(steps in steps(), limits in (1usize..4000, 1usize..4000), flags: (bool, bool, bool)) {
        let settings = settings((1 << 20, 1 << 20), flags.0, flags.1);
        let (mut send, mut receive) = (vec![0; limits.0], vec![0; limits.1]);
        let buffers = Buffers { send: &mut send[..], receive: &mut receive[..] };
        let mut chaos = Chaos::<Fixed<'_>>::new(&settings, buffers, flags.2);
        for step in &steps {
            chaos.step(step);
        }
        chaos.finish();
    }

    #[test]
    fn options_survive_the_wire(wild in wild(), mss: u16, ts: (u32, u32)) {
        let mut sack = SackBlocks::NONE;
        for &(start, end) in wild.sack.iter().take(if wild.ts.is_some() { 2 } else { 3 }) {
            sack.push(SackBlock::new(SeqNum::new(start as u32), SeqNum::new(end as u32)));
        }
        let options = Options {
            mss: wild.syn_options.0.map(|_| Mss::new(mss)),
            window_scale: wild.syn_options.1.map(WindowScale::new).filter(|_| sack.is_empty()),
            sack_permitted: wild.syn_options.2,
            timestamps: wild.ts.map(|_| Timestamps { value: ts.0, echo: ts.1 }),
            sack,
        };
        let len = options.encoded_len();
        prop_assert!(len <= 40 && len.is_multiple_of(4), "{len}");
        let mut bytes = vec![0xaa; len];
        options.emit(&mut bytes);
        prop_assert_eq!(Options::parse(&bytes), options);
    }

    #[test]
    fn arbitrary_bytes_are_options_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let options = Options::parse(&bytes);
        if let Some(mss) = options.mss {
            prop_assert!(mss >= Mss::FLOOR);
        }
    }

    #[test]
    fn arbitrary_bytes_are_a_segment_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..100), offset in 0u8..16) {
        let mut bytes = bytes;
        if let Some(byte) = bytes.get_mut(12) {
            *byte = offset << 4;
        }
        let src = std::net::Ipv4Addr::LOCALHOST;
        let trusted = traits::RxMeta::NONE.with_checksum(traits::ChecksumVerdict::Verified);
        if let Ok((_, segment)) = tcpv4::wire::parse(src, src, 0, &trusted, &bytes) {
            prop_assert!(segment.payload.len() + 20 <= bytes.len());
        }
        let _ = tcpv4::wire::parse(src, src, 0, &traits::RxMeta::NONE, &bytes);
    }
}
