//! Types and codes, bytes to meaning and back.

use traits::{IcmpErrorKind, Prohibited, UnreachableCode};
use wire::Checksum;

/// Bytes of a message before its data.
pub(crate) const ICMP_HEADER_LEN: usize = 8;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

/// What a received message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    EchoRequest,
    /// An error about a packet of this host.
    Error(IcmpErrorKind),
    /// An error about a packet that was too long for a link of `mtu` bytes, 0
    /// from routers that do not tell.
    FragmentationNeeded {
        mtu: u16,
    },
    /// Not to be obeyed by a host: redirects, source quenches (RFC 6633),
    /// errors of codes unknown.
    Ignored,
    /// For whoever listens.
    Other,
}

/// The type and code of a message, and the lower half of the word after the
/// checksum.
pub(crate) fn classify(kind: u8, code: u8, low: u16) -> Kind {
    match kind {
        ECHO_REQUEST => Kind::EchoRequest,
        UNREACHABLE => match (code, unreachable(code)) {
            (4, _) => Kind::FragmentationNeeded { mtu: low },
            (_, Some(code)) => Kind::Error(IcmpErrorKind::Unreachable(code)),
            (_, None) => Kind::Ignored,
        },
        TIME_EXCEEDED => Kind::Error(IcmpErrorKind::TimeExceeded),
        PARAMETER_PROBLEM => Kind::Error(IcmpErrorKind::ParameterProblem),
        SOURCE_QUENCH | REDIRECT => Kind::Ignored,
        _ => Kind::Other,
    }
}

/// Whether a message of type `kind` is an error, about which no error is ever
/// sent.
pub(crate) fn is_error(kind: u8) -> bool {
    matches!(kind, UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM)
}

fn unreachable(code: u8) -> Option<UnreachableCode> {
    Some(match code {
        0 | 6 | 8 | 11 => UnreachableCode::Network,
        1 | 7 | 12 => UnreachableCode::Host,
        2 => UnreachableCode::Protocol,
        3 => UnreachableCode::Port,
        5 => UnreachableCode::SourceRoute,
        9 => UnreachableCode::Prohibited(Prohibited::Network),
        10 => UnreachableCode::Prohibited(Prohibited::Host),
        13..=15 => UnreachableCode::Prohibited(Prohibited::Communication),
        _ => return None,
    })
}

/// An error to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ErrorToSend {
    Unreachable(UnreachableCode),
    /// Fragments did not all come in time.
    ReassemblyTimeExceeded,
}

impl ErrorToSend {
    fn type_and_code(self) -> [u8; 2] {
        match self {
            Self::Unreachable(code) => [
                UNREACHABLE,
                match code {
                    UnreachableCode::Network => 0,
                    UnreachableCode::Host => 1,
                    UnreachableCode::Protocol => 2,
                    UnreachableCode::Port => 3,
                    UnreachableCode::SourceRoute => 5,
                    UnreachableCode::Prohibited(Prohibited::Network) => 9,
                    UnreachableCode::Prohibited(Prohibited::Host) => 10,
                    UnreachableCode::Prohibited(Prohibited::Communication) => 13,
                },
            ],
            Self::ReassemblyTimeExceeded => [TIME_EXCEEDED, 1],
        }
    }

    /// Writes the message into `out`, as long as its header and both parts of
    /// the quote: `header`, of an even length, and `data`.
    pub(crate) fn encode(self, out: &mut [u8], header: &[u8], data: &[u8]) -> Option<usize> {
        let [kind, code] = self.type_and_code();
        let sum = Checksum::new().word(u16::from_be_bytes([kind, code])).bytes(header).bytes(data);
        let [high, low] = sum.finish().to_be_bytes();
        let (head, quote) = out.split_first_chunk_mut::<ICMP_HEADER_LEN>()?;
        *head = [kind, code, high, low, 0, 0, 0, 0];
        let (quoted_header, rest) = quote.split_at_mut_checked(header.len())?;
        quoted_header.copy_from_slice(header);
        rest.get_mut(..data.len())?.copy_from_slice(data);
        Some(ICMP_HEADER_LEN + header.len() + data.len())
    }
}

/// Turns a copy of an echo request, its checksum verified, into the reply.
pub(crate) fn make_echo_reply(message: &mut [u8]) {
    if let Some([kind, code, high, low]) = message.first_chunk_mut::<4>() {
        // RFC 1624 §3, equation 3: HC' = ~(~HC + ~m + m').
        let old = u16::from_be_bytes([*kind, *code]);
        let new = u16::from_be_bytes([ECHO_REPLY, *code]);
        let sum = Checksum::new().word(!u16::from_be_bytes([*high, *low])).word(!old).word(new);
        [*high, *low] = sum.finish().to_be_bytes();
        *kind = ECHO_REPLY;
    }
    // An update can't tell the two zeros apart: of a message that is all zero
    // the checksum is the other one.
    if message.iter().all(|byte| *byte == 0)
        && let Some(field) = message.get_mut(2..4)
    {
        field.fill(0xff);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn errors() -> impl Strategy<Value = ErrorToSend> {
        use UnreachableCode::{Host, Network, Port, Protocol, SourceRoute};
        let prohibited = [Prohibited::Network, Prohibited::Host, Prohibited::Communication];
        let codes = [Network, Host, Protocol, Port, SourceRoute].into_iter();
        let codes = codes.chain(prohibited.map(UnreachableCode::Prohibited));
        let errors = codes.map(ErrorToSend::Unreachable).chain([ErrorToSend::ReassemblyTimeExceeded]);
        prop::sample::select(errors.collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn an_error_that_is_written_is_read(
            error in errors(),
            words in 0usize..=15,
            content: [u8; 60],
            data: Vec<u8>,
            spare in 0usize..40,
        ) {
            let header = &content[..words * 4];
            let mut out = vec![0xa5; ICMP_HEADER_LEN + header.len() + data.len() + spare];
            let len = error.encode(&mut out, header, &data).expect("room");
            prop_assert_eq!(len + spare, out.len());
            let (message, rest) = out.split_at(len);
            prop_assert!(rest.iter().all(|byte| *byte == 0xa5), "written past its end");
            prop_assert_eq!(wire::checksum(message), 0);
            prop_assert_eq!(&message[4..ICMP_HEADER_LEN], &[0; 4]);
            prop_assert_eq!(&message[ICMP_HEADER_LEN..], &[header, &data].concat());
            prop_assert!(is_error(message[0]));
            let meant = match error {
                ErrorToSend::Unreachable(code) => IcmpErrorKind::Unreachable(code),
                ErrorToSend::ReassemblyTimeExceeded => IcmpErrorKind::TimeExceeded,
            };
            prop_assert_eq!(classify(message[0], message[1], 0), Kind::Error(meant));
        }

        #[test]
        fn what_has_no_place_is_not_written(error in errors(), words in 0usize..=15, data: Vec<u8>, room in 0usize..400) {
            let header = vec![7; words * 4];
            let needed = ICMP_HEADER_LEN + header.len() + data.len();
            let written = error.encode(&mut vec![0; room], &header, &data);
            prop_assert_eq!(written, (needed <= room).then_some(needed));
        }

        /// The reply is the request but for its type, and its checksum is what
        /// a sum over all of it would be.
        #[test]
        fn a_reply_is_read_as_what_was_asked(code: u8, rest: [u8; 4], data: Vec<u8>) {
            let mut request = [&[ECHO_REQUEST, code, 0, 0][..], &rest, &data].concat();
            let sum = wire::checksum(&request).to_be_bytes();
            request[2..4].copy_from_slice(&sum);
            let mut reply = request.clone();
            make_echo_reply(&mut reply);
            prop_assert_eq!(wire::checksum(&reply), 0);
            prop_assert_eq!(&reply[..2], &[ECHO_REPLY, code]);
            prop_assert_eq!(&reply[4..], &request[4..]);
            prop_assert_eq!(classify(reply[0], reply[1], 0), Kind::Other);
        }
    }

    /// A receiver's sum over the whole message must be 0xffff, which that of
    /// zeros alone is not.
    #[test]
    fn the_reply_of_nothing_but_zeros_has_a_checksum_that_verifies() {
        let mut message = [ECHO_REQUEST, 0, 0xf7, 0xff, 0, 0, 0, 0, 0, 0];
        assert_eq!(wire::checksum(&message), 0);
        make_echo_reply(&mut message);
        assert_eq!(message, [0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0]);
        assert_eq!(wire::checksum(&message), 0);
    }
}
