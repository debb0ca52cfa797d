//! What the machine wants sent.

use core::net::Ipv4Addr;

use traits::Instant;
use wire::MacAddr;

use crate::message::{Code, Header, MessageType, NoRoom, Writer};
use crate::options::Options;

/// A message to send: a plain value, made into bytes by [`Transmit::write`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Transmit {
    /// What it is for.
    pub kind: MessageType,
    /// The server to send it to; `None` is everybody.
    pub to: Option<Ipv4Addr>,
    /// The own address, in the message (`ciaddr`) and as its source;
    /// 0.0.0.0 while there is none.
    pub ciaddr: Ipv4Addr,
    /// The transaction.
    pub xid: u32,
    /// Seconds since it began.
    pub secs: u16,
    /// The address wanted (option 50).
    pub requested: Option<Ipv4Addr>,
    /// The server meant (option 54).
    pub server: Option<Ipv4Addr>,
}

/// What is asked for (option 55). Classless routes stand before routers
/// (RFC 3442).
const PARAMETERS: [Code; 14] = [
    Code::SUBNET_MASK,
    Code::CLASSLESS_STATIC_ROUTE,
    Code::ROUTER,
    Code::STATIC_ROUTE,
    Code::DOMAIN_NAME_SERVER,
    Code::HOST_NAME,
    Code::DOMAIN_NAME,
    Code::DOMAIN_SEARCH,
    Code::INTERFACE_MTU,
    Code::BROADCAST_ADDRESS,
    Code::NTP_SERVERS,
    Code::LEASE_TIME,
    Code::RENEWAL_TIME,
    Code::REBINDING_TIME,
];

impl Transmit {
    pub(super) const fn new(kind: MessageType, xid: u32, secs: u16) -> Self {
        let ciaddr = Ipv4Addr::UNSPECIFIED;
        Self { kind, to: None, ciaddr, xid, secs, requested: None, server: None }
    }

    pub(super) const fn with_requested(mut self, address: Option<Ipv4Addr>) -> Self {
        self.requested = address;
        self
    }

    pub(super) const fn with_server(mut self, server: Ipv4Addr) -> Self {
        self.server = Some(server);
        self
    }

    pub(super) const fn with_ciaddr(mut self, ciaddr: Ipv4Addr) -> Self {
        self.ciaddr = ciaddr;
        self
    }

    pub(super) const fn to_server(mut self, server: Ipv4Addr) -> Self {
        self.to = Some(server);
        self
    }

    /// Writes the message of the host `mac` into `buffer`, at most 300 bytes
    /// unless options are long, and returns its length (RFC 2131 §4.4.1,
    /// table 5).
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when `buffer` is too short; 576 bytes are always enough.
    pub fn write(
        &self,
        mac: MacAddr,
        mtu: usize,
        options: &Options,
        buffer: &mut [u8],
    ) -> Result<usize, NoRoom> {
        let header = Header {
            ciaddr: self.ciaddr,
            secs: self.secs,
            // Without an address, the IP layer takes broadcasts only.
            broadcast: self.ciaddr.is_unspecified() && self.is_answered(),
            ..Header::request(self.xid, mac)
        };
        let mut writer = Writer::new(buffer, &header, self.kind);
        options.write_client_id(mac, &mut writer);
        if let Some(requested) = self.requested {
            writer.address(Code::REQUESTED_ADDRESS, requested);
        }
        if let Some(server) = self.server {
            writer.address(Code::SERVER_IDENTIFIER, server);
        }
        if self.is_answered() {
            let size = u16::try_from(mtu).unwrap_or(u16::MAX).clamp(576, 1500);
            writer.option(Code::MAXIMUM_MESSAGE_SIZE, &size.to_be_bytes());
            writer.collected(Code::PARAMETER_REQUEST_LIST, PARAMETERS.map(|code| code.0));
            options.write_names(&mut writer);
        }
        writer.finish()
    }

    const fn is_answered(&self) -> bool {
        match self.kind {
            MessageType::Discover | MessageType::Request | MessageType::Inform => true,
            MessageType::Decline
            | MessageType::Release
            | MessageType::Offer
            | MessageType::Ack
            | MessageType::Nak => false,
        }
    }
}

/// Whole seconds from `began` to `now`, as `secs` has them.
pub(super) fn secs(began: Instant, now: Instant) -> u16 {
    u16::try_from(now.duration_since(began).as_secs()).unwrap_or(u16::MAX)
}
