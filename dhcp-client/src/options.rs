//! What a client says of itself, and how it goes about.

use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::{String, Vec};
use wire::{Cidr, MacAddr};

use crate::message::{Code, Writer};

/// Settings of a client.
///
/// ```
/// # use core::net::Ipv4Addr;
/// use dhcp_client::{Check, Options};
///
/// let options = Options::new()
///     .hostname("fata")?
///     .remembered(Ipv4Addr::new(10, 0, 0, 7))
///     .check(Check::Full);
/// # Ok::<(), dhcp_client::OptionTooLong>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    hostname: Option<String<63>>,
    client_id: Option<Vec<u8, 64>>,
    vendor_class: Option<String<64>>,
    pub(crate) start: Start,
    pub(crate) check: Check,
}

/// What to begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Start {
    /// Any address.
    #[default]
    Any,
    /// Any address, but rather this.
    Prefer(Ipv4Addr),
    /// An address that was leased before (INIT-REBOOT).
    Remembered(Ipv4Addr),
    /// A fixed address: only the rest is wanted (INFORM).
    Inform(Cidr),
}

/// How the client looks whether another host has the address that it was
/// given, before it uses it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Check {
    /// Not at all.
    None,
    /// One ARP query, whose answer is awaited for 300 ms: most conflicts are
    /// found, and nobody notices the wait. What is missed is found later by
    /// the layer's own defence.
    #[default]
    Quick,
    /// As RFC 5227 §2.1.1 says, for 4 to 7 seconds.
    Full,
}

impl Check {
    pub(crate) const QUICK_WAIT: Duration = Duration::from_millis(300);
}

/// A text is longer than its option takes here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionTooLong;

impl fmt::Display for OptionTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too long for a DHCP option of the client")
    }
}

impl core::error::Error for OptionTooLong {}

impl Options {
    /// No host name, no vendor class, the hardware address as client
    /// identifier, any address, the quick check.
    pub fn new() -> Self {
        Self::default()
    }

    /// The own host name (option 12).
    ///
    /// # Errors
    ///
    /// [`OptionTooLong`] over 63 bytes.
    pub fn hostname(mut self, name: &str) -> Result<Self, OptionTooLong> {
        self.hostname = Some(name.try_into().map_err(|_| OptionTooLong)?);
        Ok(self)
    }

    /// Who the client is (option 61): a type byte, then what identifies it.
    /// Without, that is type 1 and the hardware address.
    ///
    /// # Errors
    ///
    /// [`OptionTooLong`] over 64 bytes; under 2 as well (RFC 2132 §9.14).
    pub fn client_id(mut self, id: &[u8]) -> Result<Self, OptionTooLong> {
        let id = Vec::from_slice(id).map_err(|_| OptionTooLong)?;
        if id.len() < 2 {
            return Err(OptionTooLong);
        }
        self.client_id = Some(id);
        Ok(self)
    }

    /// What kind of client it is (option 60).
    ///
    /// # Errors
    ///
    /// [`OptionTooLong`] over 64 bytes.
    pub fn vendor_class(mut self, class: &str) -> Result<Self, OptionTooLong> {
        self.vendor_class = Some(class.try_into().map_err(|_| OptionTooLong)?);
        Ok(self)
    }

    /// Asks for this address in particular, but takes any.
    #[must_use]
    pub const fn requested(mut self, address: Ipv4Addr) -> Self {
        self.start = Start::Prefer(address);
        self
    }

    /// Begins with an address leased before, in INIT-REBOOT: one exchange
    /// instead of two. Where no server confirms it, any address will do.
    #[must_use]
    pub const fn remembered(mut self, address: Ipv4Addr) -> Self {
        self.start = Start::Remembered(address);
        self
    }

    /// Keeps a fixed address and asks only for the rest (INFORM).
    #[must_use]
    pub const fn inform(mut self, address: Cidr) -> Self {
        self.start = Start::Inform(address);
        self
    }

    /// How to look whether the address is in use.
    #[must_use]
    pub const fn check(mut self, check: Check) -> Self {
        self.check = check;
        self
    }

    pub(crate) fn write_client_id(&self, mac: MacAddr, writer: &mut Writer<'_>) {
        match &self.client_id {
            Some(id) => writer.option(Code::CLIENT_IDENTIFIER, id),
            None => writer.collected(Code::CLIENT_IDENTIFIER, [1].into_iter().chain(mac.0)),
        }
    }

    pub(crate) fn write_names(&self, writer: &mut Writer<'_>) {
        for (code, text) in
            [(Code::HOST_NAME, self.hostname.as_deref()), (Code::VENDOR_CLASS, self.vendor_class.as_deref())]
        {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                writer.option(code, text.as_bytes());
            }
        }
    }
}
