//! Meaning to bytes.

use core::fmt;
use core::net::Ipv4Addr;

use zerocopy::IntoBytes;

use super::header::{Header, Wire};
use super::options::{Code, MessageType};

/// The shortest message that is sent, in bytes: relays and servers of BOOTP
/// drop shorter ones (RFC 1542 §2.1).
const MESSAGE_MIN: usize = 300;

/// The buffer is too short for the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room for the message")
    }
}

impl core::error::Error for NoRoom {}

/// Writes a message into a buffer, option after option.
///
/// ```
/// use dhcp_client::message::{Code, Header, Message, MessageType, Writer};
/// use wire::MacAddr;
///
/// let mut buffer = [0; 576];
/// let header = Header::request(0x1234, MacAddr([2, 0, 0, 0, 0, 1]));
/// let mut writer = Writer::new(&mut buffer, &header, MessageType::Discover);
/// writer.option(Code::HOST_NAME, b"fata");
/// let len = writer.finish().unwrap();
///
/// let message = Message::parse(&buffer[..len]).unwrap();
/// assert_eq!(message.header(), &header);
/// assert!(message.bytes(Code::HOST_NAME).eq(*b"fata"));
/// ```
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    used: usize,
    room: Result<(), NoRoom>,
}

impl<'b> Writer<'b> {
    /// A message with the fixed fields given.
    pub fn new(buffer: &'b mut [u8], header: &Header, kind: MessageType) -> Self {
        let mut writer = Self { buffer, used: 0, room: Ok(()) };
        writer.put(Wire::from(header).as_bytes());
        writer.option(Code::MESSAGE_TYPE, &[kind.to_byte()]);
        writer
    }

    /// Adds an option, in pieces where it is longer than 255 bytes
    /// (RFC 3396).
    pub fn option(&mut self, code: Code, bytes: &[u8]) {
        if bytes.is_empty() {
            self.put(&[code.0, 0]);
        }
        for piece in bytes.chunks(255) {
            self.put(&[code.0, piece.len() as u8]);
            self.put(piece);
        }
    }

    /// Adds an option that is an address.
    pub fn address(&mut self, code: Code, address: Ipv4Addr) {
        self.option(code, &address.octets());
    }

    /// Adds an option whose bytes come from an iterator, none where that is
    /// empty.
    pub fn collected(&mut self, code: Code, bytes: impl IntoIterator<Item = u8>) {
        let mut bytes = bytes.into_iter();
        let mut piece = heapless::Vec::<u8, 255>::new();
        loop {
            piece.extend(bytes.by_ref().take(255));
            if piece.is_empty() {
                return;
            }
            self.option(code, &piece);
            piece.clear();
        }
    }

    /// Adds an option that is a list of addresses, none where that is empty.
    pub fn addresses(&mut self, code: Code, addresses: &[Ipv4Addr]) {
        self.collected(code, addresses.iter().flat_map(Ipv4Addr::octets));
    }

    /// Ends the message, padded to what BOOTP wants, and returns its length.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when something did not fit.
    pub fn finish(mut self) -> Result<usize, NoRoom> {
        self.put(&[Code::END.0]);
        self.room?;
        let padded = self.used.max(MESSAGE_MIN);
        self.buffer.get_mut(self.used..padded).ok_or(NoRoom)?.fill(Code::PAD.0);
        Ok(padded)
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        match self.buffer.get_mut(self.used..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.used = end;
            }
            None => self.room = Err(NoRoom),
        }
    }
}
