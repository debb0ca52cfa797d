//! A small server made of the client's parts, for tests and simulations.
//!
//! It is pure like the client: messages in, messages out. It gives addresses
//! of one network to up to `N` clients and remembers them by hardware
//! address.

use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::Vec;
use traits::Instant;
use wire::MacAddr;

use crate::lease::{Lease, List, OtherOptions, SearchList, Term};
use crate::message::{Code, Header, Message, MessageType, NoRoom, Op, Writer};

/// A server with a pool of `N` addresses.
#[derive(Clone, Debug)]
pub struct Server<const N: usize> {
    template: Lease,
    entries: Vec<Entry, N>,
    declined: Vec<Ipv4Addr, N>,
    /// Refuses every REQUEST with a NAK.
    pub refuses: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    mac: MacAddr,
    address: Ipv4Addr,
    /// Until when the address is the client's, or kept for it.
    until: Option<Instant>,
    /// The client has asked for it and was told that it is its.
    confirmed: bool,
}

/// How long an address that was offered is kept for the client.
const OFFER_KEPT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Bytes written to the buffer.
    pub len: usize,
    /// Whom it is for: an address, or everybody.
    pub to: Ipv4Addr,
}

impl<const N: usize> Server<N> {
    /// A server at `server` that gives the `N` addresses after `first`, under
    /// `netmask`, for `length`.
    pub fn new(server: Ipv4Addr, first: Ipv4Addr, netmask: Ipv4Addr, length: Duration) -> Self {
        let template = Lease {
            address: first,
            netmask,
            server,
            since: Instant::ZERO,
            term: Some(Term { length, t1: length / 2, t2: length * 7 / 8 }),
            routers: core::iter::once(server).collect(),
            routes: List::default(),
            classless: false,
            dns: core::iter::once(server).collect(),
            ntp: List::default(),
            hostname: None,
            domain: None,
            search: SearchList::default(),
            mtu: None,
            broadcast: None,
            next_server: None,
            boot_file: None,
            other: OtherOptions::default(),
        };
        Self { template, entries: Vec::new(), declined: Vec::new(), refuses: false }
    }

    /// What is told to every client, to be changed at will; the address is
    /// the first of the pool.
    pub const fn template(&mut self) -> &mut Lease {
        &mut self.template
    }

    /// Forgets all clients.
    pub fn forget(&mut self) {
        self.entries.clear();
        self.declined.clear();
    }

    /// Who has a confirmed lease at `now`.
    pub fn leases(&self, now: Instant) -> impl Iterator<Item = (MacAddr, Ipv4Addr)> {
        self.entries
            .iter()
            .filter(move |entry| entry.confirmed && entry.until.is_none_or(|until| until > now))
            .map(|entry| (entry.mac, entry.address))
    }

    /// Answers the payload of a datagram to port 67 (RFC 2131 §4.3), into
    /// `buffer`.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the buffer is too short.
    pub fn handle(&mut self, now: Instant, payload: &[u8], buffer: &mut [u8]) -> Result<Option<Reply>, NoRoom> {
        let Ok(message) = Message::parse(payload) else { return Ok(None) };
        let header = *message.header();
        if header.op != Op::Request {
            return Ok(None);
        }
        let kind = match message.kind() {
            MessageType::Discover => self.discover(now, &message),
            MessageType::Request => self.request(now, &message),
            MessageType::Inform => Some((MessageType::Ack, Ipv4Addr::UNSPECIFIED)),
            MessageType::Decline => {
                self.end(header.chaddr);
                if let Some(address) = message.address(Code::REQUESTED_ADDRESS) {
                    let _ = self.declined.push(address);
                }
                None
            }
            MessageType::Release => {
                self.end(header.chaddr);
                None
            }
            MessageType::Offer | MessageType::Ack | MessageType::Nak => None,
        };
        kind.map(|(kind, yiaddr)| self.reply(&header, kind, yiaddr, buffer)).transpose()
    }

    fn discover(&mut self, now: Instant, message: &Message<'_>) -> Option<(MessageType, Ipv4Addr)> {
        let mac = message.header().chaddr;
        let wanted = message.address(Code::REQUESTED_ADDRESS);
        let address = self.find(now, mac, wanted)?;
        let confirmed = self.of(mac).is_some_and(|entry| entry.confirmed && entry.address == address);
        let until = if confirmed { self.of(mac)?.until } else { Some(now + OFFER_KEPT) };
        self.set(Entry { mac, address, until, confirmed }).then_some((MessageType::Offer, address))
    }

    /// RFC 2131 §4.3.2.
    fn request(&mut self, now: Instant, message: &Message<'_>) -> Option<(MessageType, Ipv4Addr)> {
        let header = message.header();
        let nak = Some((MessageType::Nak, Ipv4Addr::UNSPECIFIED));
        if let Some(server) = message.address(Code::SERVER_IDENTIFIER)
            && server != self.template.server
        {
            // The client takes another server's offer.
            if self.of(header.chaddr).is_some_and(|entry| !entry.confirmed) {
                self.end(header.chaddr);
            }
            return None;
        }
        if self.refuses {
            return nak;
        }
        let wanted = message.address(Code::REQUESTED_ADDRESS).unwrap_or(header.ciaddr);
        if self.find(now, header.chaddr, Some(wanted)) != Some(wanted) {
            return nak;
        }
        let until = self.template.term.map(|term| now + term.length);
        let entry = Entry { mac: header.chaddr, address: wanted, until, confirmed: true };
        if self.set(entry) { Some((MessageType::Ack, wanted)) } else { nak }
    }

    /// The address for a client: its own, the one it wants, or a free one.
    fn find(&self, now: Instant, mac: MacAddr, wanted: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let free = |address: &Ipv4Addr| {
            !self.declined.contains(address)
                && !self.entries.iter().any(|entry| {
                    entry.address == *address && entry.mac != mac && entry.until.is_none_or(|until| until > now)
                })
        };
        let own = self.of(mac).map(|entry| entry.address).filter(free);
        own.or(wanted.filter(|wanted| self.pool().any(|each| each == *wanted)).filter(free))
            .or_else(|| self.pool().find(free))
    }

    fn pool(&self) -> impl Iterator<Item = Ipv4Addr> + use<N> {
        let first = self.template.address.to_bits();
        (0..N as u32).map(move |n| Ipv4Addr::from_bits(first.wrapping_add(n)))
    }

    fn of(&self, mac: MacAddr) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.mac == mac)
    }

    fn end(&mut self, mac: MacAddr) {
        self.entries.retain(|entry| entry.mac != mac);
    }

    /// Remembers a client instead of whoever had its address.
    fn set(&mut self, new: Entry) -> bool {
        self.entries.retain(|entry| entry.mac != new.mac && entry.address != new.address);
        self.entries.push(new).is_ok()
    }

    fn reply(
        &self,
        request: &Header,
        kind: MessageType,
        yiaddr: Ipv4Addr,
        buffer: &mut [u8],
    ) -> Result<Reply, NoRoom> {
        let is_nak = kind == MessageType::Nak;
        let header = Header {
            op: Op::Reply,
            hops: 0,
            secs: 0,
            yiaddr,
            siaddr: if is_nak {
                Ipv4Addr::UNSPECIFIED
            } else {
                self.template.next_server.unwrap_or(Ipv4Addr::UNSPECIFIED)
            },
            ciaddr: if is_nak { Ipv4Addr::UNSPECIFIED } else { request.ciaddr },
            ..*request
        };
        let mut writer = Writer::new(buffer, &header, kind);
        if is_nak {
            writer.address(Code::SERVER_IDENTIFIER, self.template.server);
        } else {
            self.template.write_options(&mut writer);
        }
        // RFC 2131 §4.1: a NAK goes to everybody.
        let to = if is_nak || request.ciaddr.is_unspecified() { Ipv4Addr::BROADCAST } else { request.ciaddr };
        writer.finish().map(|len| Reply { len, to })
    }
}
