//! What is written as a segment is read as the same segment.

use std::net::Ipv4Addr;

use proptest::prelude::*;
use tcpv4::segment::{Control, Marks, Segment, Transmit};
use tcpv4::wire::{
    CHECKSUM_OFFSET, HeaderError, Options, Ports, SackBlock, SackBlocks, Timestamps, emit, parse,
};
use tcpv4::{Mss, SeqNum, Window, WindowScale};
use traits::{ChecksumVerdict, RxMeta};
use wire::{Checksum, Protocol};

const SRC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const DST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

prop_compose! {
    fn options()(
        syn in prop::option::of((any::<u16>(), prop::option::of(0u8..=14), any::<bool>())),
        timestamps in prop::option::of(any::<(u32, u32)>()),
        blocks in prop::collection::vec(any::<(u32, u32)>(), 0..3),
    ) -> Options {
        let mut sack = SackBlocks::NONE;
        // No sender tells of holes in its first segment.
        for (start, end) in blocks.into_iter().filter(|_| syn.is_none()) {
            sack.push(SackBlock::new(SeqNum::new(start), SeqNum::new(end)));
        }
        Options {
            mss: syn.map(|(mss, _, _)| Mss::new(mss)),
            window_scale: syn.and_then(|(_, shift, _)| shift.map(WindowScale::new)),
            sack_permitted: syn.is_some_and(|(_, _, permitted)| permitted),
            timestamps: timestamps.map(|(value, echo)| Timestamps { value, echo }),
            sack,
        }
    }
}

fn control() -> impl Strategy<Value = Option<Control>> {
    prop::option::of(prop_oneof![Just(Control::Syn), Just(Control::Fin), Just(Control::Rst)])
}

prop_compose! {
    fn transmit()(
        numbers: (u32, Option<u32>, u16),
        control in control(),
        options in options(),
        marks: u8,
    ) -> Transmit {
        let nobody = Segment {
            seq: SeqNum::new(0),
            ack: None,
            window: Window(0),
            control: None,
            marks: Marks::empty(),
            options: Options::NONE,
            ecn: tcpv4::segment::Ecn::NotCapable,
            payload: &[],
            segment_size: None,
        };
        let mut transmit = nobody.reset().expect("it is no reset");
        (transmit.seq, transmit.ack) = (SeqNum::new(numbers.0), numbers.1.map(SeqNum::new));
        (transmit.window, transmit.control) = (Window(numbers.2), control);
        (transmit.options, transmit.marks) = (options, Marks::from_bits_truncate(marks));
        transmit
    }
}

/// The bytes of a segment with its checksum.
fn write(transmit: &Transmit, ports: Ports, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xa5; transmit.header_len() + data.len()];
    emit(transmit, ports, 0, &mut bytes).expect("room").copy_from_slice(data);
    let sum = Checksum::pseudo(SRC, DST, Protocol::TCP, bytes.len()).bytes(&bytes).finish();
    bytes[usize::from(CHECKSUM_OFFSET)..usize::from(CHECKSUM_OFFSET) + 2].copy_from_slice(&sum.to_be_bytes());
    bytes
}

proptest! {
    #[test]
    fn what_is_written_is_read(transmit in transmit(), src: u16, dst: u16, tos: u8, data: Vec<u8>) {
        let ports = Ports { src, dst };
        let bytes = write(&transmit, ports, &data);
        prop_assert_eq!(bytes.len(), usize::from(bytes[12] >> 4) * 4 + data.len());
        let (read, segment) = parse(SRC, DST, tos, &RxMeta::NONE, &bytes).expect("a segment");
        prop_assert_eq!(read, ports);
        prop_assert_eq!((segment.seq, segment.ack, segment.window), (transmit.seq, transmit.ack, transmit.window));
        prop_assert_eq!((segment.control, segment.marks), (transmit.control, transmit.marks));
        prop_assert_eq!(segment.options, transmit.options);
        prop_assert_eq!((segment.payload, segment.ecn.tos()), (&data[..], tos & 3));
        // The same again out of what was read.
        let mut again = transmit;
        (again.seq, again.ack, again.window) = (segment.seq, segment.ack, segment.window);
        (again.control, again.marks, again.options) = (segment.control, segment.marks, segment.options);
        prop_assert_eq!(write(&again, read, segment.payload), bytes);
    }

    /// No single changed bit goes unnoticed, unless the device vouches.
    #[test]
    fn a_changed_bit_is_noticed(transmit in transmit(), data: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = write(&transmit, Ports { src: 1, dst: 2 }, &data);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let result = parse(SRC, DST, 0, &RxMeta::NONE, &bytes).map(|_| ());
        prop_assert!(matches!(result, Err(HeaderError::Checksum | HeaderError::Truncated)), "{result:?}");
        let vouched = RxMeta::NONE.with_checksum(ChecksumVerdict::Verified);
        prop_assert!(parse(SRC, DST, 0, &vouched, &bytes).map(|_| ()) != Err(HeaderError::Checksum));
    }

    /// Cut short anywhere, nothing is read that is not there.
    #[test]
    fn a_cut_segment_is_none_or_shorter(transmit in transmit(), data: Vec<u8>, len: prop::sample::Index) {
        let bytes = write(&transmit, Ports { src: 1, dst: 2 }, &data);
        let len = len.index(bytes.len());
        let vouched = RxMeta::NONE.with_checksum(ChecksumVerdict::Verified);
        match parse(SRC, DST, 0, &vouched, &bytes[..len]) {
            Ok((_, segment)) => prop_assert_eq!(segment.payload.len() + transmit.header_len(), len),
            Err(error) => {
                prop_assert!(len < transmit.header_len());
                prop_assert_eq!(error, HeaderError::Truncated);
            }
        }
    }

    #[test]
    fn without_room_nothing_is_written(transmit in transmit(), len in 0usize..60) {
        let len = len.min(transmit.header_len() - 1);
        let mut bytes = vec![0xa5; len];
        let ports = Ports { src: 1, dst: 2 };
        prop_assert_eq!(emit(&transmit, ports, 0, &mut bytes), None);
        prop_assert!(bytes.iter().all(|byte| *byte == 0xa5));
    }
}
