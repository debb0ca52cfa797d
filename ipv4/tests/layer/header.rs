//! A header that is written is read the same, by the layer and by code of its
//! own.

use std::net::Ipv4Addr;

use crate::common::*;
use ipv4::{Fragmentation, HEADER_LEN, HeaderFields, MAX_HEADER_LEN, MAX_PACKET_LEN};
use proptest::prelude::*;
use traits::RxMeta;
use wire::Protocol;

prop_compose! {
    fn fields()(
        tos: u8,
        identification: u16,
        fragmentation in prop_oneof![
            Just(Fragmentation::NONE),
            Just(Fragmentation::FORBIDDEN),
            (0u16..=65_528, any::<bool>()).prop_map(|(offset, more)| Fragmentation::new(offset, more)),
        ],
        ttl in 1u8..,
        protocol: u8,
        src: u32,
        dst: u32,
    ) -> HeaderFields {
        let mut fields = HeaderFields::new(Ipv4Addr::from(src), Ipv4Addr::from(dst), Protocol(protocol));
        (fields.tos, fields.identification, fields.fragmentation, fields.ttl) =
            (tos, identification, fragmentation, ttl);
        fields
    }
}

/// Options that are well formed: kind, length, anything; padded to words.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let one =
        (prop_oneof![Just(7u8), Just(68), Just(148), 150u8..250], prop::collection::vec(any::<u8>(), 0..10));
    prop::collection::vec(one, 0..4).prop_map(|list| {
        let mut bytes = Vec::new();
        for (kind, value) in list {
            if bytes.len() + value.len() + 2 <= 40 {
                bytes.extend([kind, value.len() as u8 + 2]);
                bytes.extend(value);
            }
        }
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(fields in fields(), options in options(), payload: Vec<u8>) {
        let mut packet = vec![0xa5; 200 + payload.len()];
        let len = fields.encode(&mut packet, &options, payload.len()).expect("room");
        prop_assert_eq!(len, HEADER_LEN + options.len());
        packet.truncate(len);
        packet.extend(&payload);
        let seen = Seen::read(&packet);
        prop_assert_eq!((seen.tos, seen.id, seen.ttl), (fields.tos, fields.identification, fields.ttl));
        prop_assert_eq!(seen.df, fields.fragmentation.dont_fragment());
        prop_assert_eq!(seen.mf, fields.fragmentation.more_fragments());
        prop_assert_eq!(seen.offset, fields.fragmentation.offset());
        prop_assert_eq!((seen.src, seen.dst, seen.protocol), (fields.src, fields.dst, fields.protocol.0));
        prop_assert_eq!((seen.options, seen.payload), (options, payload));
    }

    #[test]
    fn the_layer_reads_what_is_written(fields in fields(), options in options(), payload: Vec<u8>, padding in 0usize..40) {
        let mut fields = fields;
        (fields.src, fields.dst, fields.protocol) = (PEER, ME, Protocol::UDP);
        if fields.fragmentation.is_fragment() {
            fields.fragmentation = Fragmentation::FORBIDDEN;
        }
        let mut packet = vec![0; 100];
        let len = fields.encode(&mut packet, &options, payload.len()).expect("room");
        packet.truncate(len);
        let header = packet.clone();
        packet.extend(&payload);
        packet.extend(vec![0xee; padding]);
        let link = Link::default();
        let got = feed_meta(&layer(&link), &packet, RxMeta::NONE);
        let [Got::Packet { tos, ttl, header: read, payload: carried, .. }] = &got[..] else {
            panic!("{got:?}");
        };
        prop_assert_eq!((*tos, *ttl, read, carried), (fields.tos, fields.ttl, &header, &payload));
    }

    /// No bit of a header can change unnoticed.
    #[test]
    fn a_changed_bit_is_noticed(options in options(), at: prop::sample::Index, bit in 0u8..8) {
        let mut packet = vec![0; 100];
        let len = HeaderFields::new(PEER, ME, Protocol::UDP).encode(&mut packet, &options, 0).expect("room");
        packet.truncate(len);
        packet[at.index(len)] ^= 1 << bit;
        let link = Link::default();
        let got = feed_meta(&layer(&link), &packet, RxMeta::NONE);
        prop_assert!(got.is_empty(), "{got:?}");
        prop_assert_eq!(link.take().len(), 0, "nothing is said of it");
    }

    #[test]
    fn what_has_no_place_is_refused(fields in fields(), room in 0usize..80, options_len in 0usize..60, len in 0usize..70_000) {
        let mut out = vec![0; room];
        let options = vec![1; options_len];
        let header_len = HEADER_LEN + options_len;
        let fits = options_len % 4 == 0
            && header_len <= MAX_HEADER_LEN.min(room)
            && header_len + len <= MAX_PACKET_LEN;
        prop_assert_eq!(fields.encode(&mut out, &options, len), fits.then_some(header_len));
    }
}
