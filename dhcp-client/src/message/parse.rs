//! Bytes to meaning: validated once, then read without failing.

use core::fmt;
use core::net::Ipv4Addr;

use zerocopy::FromBytes;

use super::header::{COOKIE, Header, Wire};
use super::options::{Code, Field, MessageType};

/// The longest message that is looked at, in bytes: nobody sends longer ones,
/// and it bounds the work that a message can cause.
pub const MESSAGE_MAX: usize = 4096;

/// Why bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// Shorter than the fixed part, or longer than [`MESSAGE_MAX`].
    Length,
    /// An unknown direction, or not about Ethernet.
    Header,
    /// No magic cookie: plain BOOTP.
    Cookie,
    /// An option runs past the end of its field.
    Option,
    /// No message type, or an unknown one.
    MessageType,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "too short or too long for a DHCP message",
            Self::Header => "not a DHCP message about Ethernet",
            Self::Cookie => "no magic cookie",
            Self::Option => "an option runs past the end",
            Self::MessageType => "no known message type",
        })
    }
}

impl core::error::Error for ParseError {}

/// A message whose every option was seen to lie within its bounds.
///
/// An option may come in pieces (RFC 3396): what this type returns is put
/// together from all of them, in the order options, `file`, `sname`. A
/// missing END is tolerated.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    header: Header,
    kind: MessageType,
    fields: [&'a [u8]; 3],
    boot_file: &'a [u8],
}

impl<'a> Message<'a> {
    /// Parses the payload of a datagram.
    ///
    /// # Errors
    ///
    /// See [`ParseError`]: the message is to be dropped.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if bytes.len() > MESSAGE_MAX {
            return Err(ParseError::Length);
        }
        let (wire, options) = Wire::ref_from_prefix(bytes).map_err(|_| ParseError::Length)?;
        let header = wire.header().ok_or(ParseError::Header)?;
        if wire.cookie.get() != COOKIE {
            return Err(ParseError::Cookie);
        }
        // RFC 2132 §9.3: bit 0 is for `file`, bit 1 for `sname`. An overload
        // option within one of these says nothing: there is no loop.
        let overload = overload(options)?;
        let file = if overload & 1 != 0 { wire.file.as_slice() } else { &[] };
        let sname = if overload & 2 != 0 { wire.sname.as_slice() } else { &[] };
        let boot_file = if overload & 1 == 0 { wire.file.as_slice() } else { &[] };
        let mut message =
            Self { header, kind: MessageType::Discover, fields: [options, file, sname], boot_file };
        for field in message.fields {
            Field::new(field).try_for_each(|option| option.map(|_| ())).map_err(|_| ParseError::Option)?;
        }
        message.kind = message
            .array(Code::MESSAGE_TYPE)
            .and_then(|[byte]| MessageType::from_byte(byte))
            .ok_or(ParseError::MessageType)?;
        Ok(message)
    }

    /// The fixed fields.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What it is for.
    pub const fn kind(&self) -> MessageType {
        self.kind
    }

    /// The `file` field, where it does not carry options: 128 bytes, the name
    /// ended by a zero.
    pub const fn boot_file(&self) -> &'a [u8] {
        self.boot_file
    }

    /// All options in the order in which they stand, pieces apart.
    pub fn options(&self) -> impl Iterator<Item = (Code, &'a [u8])> + use<'a> {
        self.fields.into_iter().flat_map(|field| Field::new(field).filter_map(Result::ok))
    }

    /// Whether an option is there at all.
    pub fn has(&self, code: Code) -> bool {
        self.options().any(|(each, _)| each == code)
    }

    /// The bytes of an option, put together; none when it is missing.
    pub fn bytes(&self, code: Code) -> impl Iterator<Item = u8> + use<'a> {
        self.options().filter(move |(each, _)| *each == code).flat_map(|(_, bytes)| bytes).copied()
    }

    /// An option of exactly `N` bytes; `None` when missing or of another
    /// length.
    pub fn array<const N: usize>(&self, code: Code) -> Option<[u8; N]> {
        let mut bytes = self.bytes(code);
        let array = next_array(&mut bytes)?;
        bytes.next().is_none().then_some(array)
    }

    /// An option that is an address.
    pub fn address(&self, code: Code) -> Option<Ipv4Addr> {
        self.array::<4>(code).map(Ipv4Addr::from)
    }

    /// An option that is a list of addresses; what is left over of a ragged
    /// one is ignored.
    pub fn addresses(&self, code: Code) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        let mut bytes = self.bytes(code);
        core::iter::from_fn(move || next_array::<4>(&mut bytes).map(Ipv4Addr::from))
    }

    /// An option that is a number of 16 bits.
    pub fn u16(&self, code: Code) -> Option<u16> {
        self.array(code).map(u16::from_be_bytes)
    }

    /// An option that is a number of 32 bits.
    pub fn u32(&self, code: Code) -> Option<u32> {
        self.array(code).map(u32::from_be_bytes)
    }
}

/// The next `N` bytes.
pub(crate) fn next_array<const N: usize>(bytes: &mut impl Iterator<Item = u8>) -> Option<[u8; N]> {
    let mut array = [0; N];
    for place in &mut array {
        *place = bytes.next()?;
    }
    Some(array)
}

/// The value of the overload option in the options field; an invalid one
/// counts as none.
fn overload(options: &[u8]) -> Result<u8, ParseError> {
    for option in Field::new(options) {
        if let (Code::OVERLOAD, bytes) = option.map_err(|_| ParseError::Option)? {
            return Ok(match bytes {
                [value @ 1..=3] => *value,
                _ => 0,
            });
        }
    }
    Ok(0)
}
