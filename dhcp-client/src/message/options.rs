//! Options: their numbers, and how they follow each other (RFC 2132 §2).

/// The number of an option.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Code(pub u8);

#[allow(missing_docs, reason = "the names are those of the RFCs given")]
impl Code {
    // RFC 2132 §3: vendor extensions of RFC 1497.
    pub const PAD: Self = Self(0);
    pub const SUBNET_MASK: Self = Self(1);
    pub const ROUTER: Self = Self(3);
    pub const DOMAIN_NAME_SERVER: Self = Self(6);
    pub const HOST_NAME: Self = Self(12);
    pub const DOMAIN_NAME: Self = Self(15);
    pub const END: Self = Self(255);
    // RFC 2132 §5: IP layer parameters per interface.
    pub const INTERFACE_MTU: Self = Self(26);
    pub const BROADCAST_ADDRESS: Self = Self(28);
    pub const STATIC_ROUTE: Self = Self(33);
    // RFC 2132 §8.3.
    pub const NTP_SERVERS: Self = Self(42);
    // RFC 2132 §9: DHCP extensions.
    pub const REQUESTED_ADDRESS: Self = Self(50);
    pub const LEASE_TIME: Self = Self(51);
    pub const OVERLOAD: Self = Self(52);
    pub const MESSAGE_TYPE: Self = Self(53);
    pub const SERVER_IDENTIFIER: Self = Self(54);
    pub const PARAMETER_REQUEST_LIST: Self = Self(55);
    pub const MESSAGE: Self = Self(56);
    pub const MAXIMUM_MESSAGE_SIZE: Self = Self(57);
    pub const RENEWAL_TIME: Self = Self(58);
    pub const REBINDING_TIME: Self = Self(59);
    pub const VENDOR_CLASS: Self = Self(60);
    pub const CLIENT_IDENTIFIER: Self = Self(61);
    // RFC 3397.
    pub const DOMAIN_SEARCH: Self = Self(119);
    // RFC 3442.
    pub const CLASSLESS_STATIC_ROUTE: Self = Self(121);
}

/// What a message is for (RFC 2132 §9.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageType {
    /// Client: who has an address for me?
    Discover,
    /// Server: I have this one.
    Offer,
    /// Client: I want that one, or want to keep it.
    Request,
    /// Client: the address is in use by another.
    Decline,
    /// Server: it is yours.
    Ack,
    /// Server: it is not, or no longer.
    Nak,
    /// Client: I need it no more.
    Release,
    /// Client: I have an address and want the rest.
    Inform,
}

impl MessageType {
    /// The number on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Discover => 1,
            Self::Offer => 2,
            Self::Request => 3,
            Self::Decline => 4,
            Self::Ack => 5,
            Self::Nak => 6,
            Self::Release => 7,
            Self::Inform => 8,
        }
    }

    /// The meaning of a number.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            _ => return None,
        })
    }
}

/// An option runs past the end of its field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PastEnd;

/// The options of one field, up to END or the field's end.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a>(&'a [u8]);

impl<'a> Field<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Field<'a> {
    type Item = Result<(Code, &'a [u8]), PastEnd>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&code, rest) = self.0.split_first()?;
            match Code(code) {
                Code::PAD => self.0 = rest,
                Code::END => {
                    self.0 = &[];
                    return None;
                }
                code => {
                    let option = rest.split_first().and_then(|(&len, rest)| rest.split_at_checked(len.into()));
                    let (result, rest) = match option {
                        Some((bytes, rest)) => (Ok((code, bytes)), rest),
                        None => (Err(PastEnd), Default::default()),
                    };
                    self.0 = rest;
                    return Some(result);
                }
            }
        }
    }
}
