//! The fixed part of a message (RFC 2131 §2, figure 1).

use core::net::Ipv4Addr;

use wire::MacAddr;
use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The flag that asks the server to answer by broadcast (RFC 2131 §2,
/// figure 2).
const BROADCAST: u16 = 0x8000;

/// Ethernet, as ARP numbers it.
const HTYPE_ETHERNET: u8 = 1;

/// Bytes of `sname`.
pub(crate) const SNAME_LEN: usize = 64;
/// Bytes of `file`.
pub(crate) const FILE_LEN: usize = 128;

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// From client to server (BOOTREQUEST).
    Request,
    /// From server to client (BOOTREPLY).
    Reply,
}

/// The fixed fields of a message, but for `sname` and `file`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Which way it goes.
    pub op: Op,
    /// Relays passed.
    pub hops: u8,
    /// What ties a reply to its request.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// The reply is to be broadcast.
    pub broadcast: bool,
    /// The client's address, where it has one and answers ARP.
    pub ciaddr: Ipv4Addr,
    /// The address for the client.
    pub yiaddr: Ipv4Addr,
    /// The server to boot from next.
    pub siaddr: Ipv4Addr,
    /// The relay.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address.
    pub chaddr: MacAddr,
}

impl Header {
    /// A message of the client with `chaddr`, all else zero.
    pub const fn request(xid: u32, chaddr: MacAddr) -> Self {
        let none = Ipv4Addr::UNSPECIFIED;
        Self {
            op: Op::Request,
            hops: 0,
            xid,
            secs: 0,
            broadcast: false,
            ciaddr: none,
            yiaddr: none,
            siaddr: none,
            giaddr: none,
            chaddr,
        }
    }
}

/// The fixed part as it stands on the wire.
///
/// ```text
///  0                   1                   2                   3
/// +---------------+---------------+---------------+---------------+
/// |     op (1)    |   htype (1)   |   hlen (1)    |   hops (1)    |
/// +---------------+---------------+---------------+---------------+
/// |                            xid (4)                            |
/// +-------------------------------+-------------------------------+
/// |           secs (2)            |           flags (2)           |
/// +-------------------------------+-------------------------------+
/// |  ciaddr (4)  yiaddr (4)  siaddr (4)  giaddr (4)               |
/// +---------------------------------------------------------------+
/// |  chaddr (16)  sname (64)  file (128)                          |
/// +---------------------------------------------------------------+
/// |  magic cookie (4)                                             |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Wire {
    op: u8,
    htype: u8,
    hlen: u8,
    hops: u8,
    xid: U32,
    secs: U16,
    flags: U16,
    ciaddr: [u8; 4],
    yiaddr: [u8; 4],
    siaddr: [u8; 4],
    giaddr: [u8; 4],
    chaddr: MacAddr,
    chaddr_rest: [u8; 10],
    pub(crate) sname: [u8; SNAME_LEN],
    pub(crate) file: [u8; FILE_LEN],
    pub(crate) cookie: U32,
}

/// What follows the BOOTP fields when options do (RFC 2131 §3).
pub(crate) const COOKIE: u32 = 0x6382_5363;

impl Wire {
    /// The meaning of the fields; `None` when they are not about Ethernet, or
    /// of an unknown direction.
    pub(crate) fn header(&self) -> Option<Header> {
        let op = match self.op {
            1 => Op::Request,
            2 => Op::Reply,
            _ => return None,
        };
        if self.htype != HTYPE_ETHERNET || usize::from(self.hlen) != size_of::<MacAddr>() {
            return None;
        }
        Some(Header {
            op,
            hops: self.hops,
            xid: self.xid.get(),
            secs: self.secs.get(),
            broadcast: self.flags.get() & BROADCAST != 0,
            ciaddr: self.ciaddr.into(),
            yiaddr: self.yiaddr.into(),
            siaddr: self.siaddr.into(),
            giaddr: self.giaddr.into(),
            chaddr: self.chaddr,
        })
    }
}

impl From<&Header> for Wire {
    fn from(header: &Header) -> Self {
        let Header { op, hops, xid, secs, broadcast, ciaddr, yiaddr, siaddr, giaddr, chaddr } = *header;
        Self {
            op: match op {
                Op::Request => 1,
                Op::Reply => 2,
            },
            htype: HTYPE_ETHERNET,
            hlen: size_of::<MacAddr>() as u8,
            hops,
            xid: xid.into(),
            secs: secs.into(),
            flags: if broadcast { BROADCAST } else { 0 }.into(),
            ciaddr: ciaddr.octets(),
            yiaddr: yiaddr.octets(),
            siaddr: siaddr.octets(),
            giaddr: giaddr.octets(),
            chaddr,
            chaddr_rest: [0; 10],
            sname: [0; SNAME_LEN],
            file: [0; FILE_LEN],
            cookie: COOKIE.into(),
        }
    }
}
