//! From a lease to the options of an OFFER or ACK: what a server does.

use core::time::Duration;

use super::Lease;
use super::routes::{write_classful, write_classless};
use crate::message::{Code, Writer, domain};

impl Lease {
    /// Adds everything that the lease says, but for `yiaddr`, `siaddr` and
    /// `file`, to a message.
    pub fn write_options(&self, writer: &mut Writer<'_>) {
        let Self {
            address: _,
            netmask,
            server,
            since: _,
            term,
            routers,
            routes,
            classless,
            dns,
            ntp,
            hostname,
            domain,
            search,
            mtu,
            broadcast,
            next_server: _,
            boot_file: _,
            other,
        } = self;
        writer.address(Code::SERVER_IDENTIFIER, *server);
        match term {
            Some(term) => {
                writer.option(Code::LEASE_TIME, &seconds(term.length));
                writer.option(Code::RENEWAL_TIME, &seconds(term.t1));
                writer.option(Code::REBINDING_TIME, &seconds(term.t2));
            }
            None => writer.option(Code::LEASE_TIME, &u32::MAX.to_be_bytes()),
        }
        writer.address(Code::SUBNET_MASK, *netmask);
        writer.addresses(Code::ROUTER, routers);
        if *classless {
            writer.collected(Code::CLASSLESS_STATIC_ROUTE, write_classless(routes));
        } else {
            writer.collected(Code::STATIC_ROUTE, write_classful(routes));
        }
        writer.addresses(Code::DOMAIN_NAME_SERVER, dns);
        writer.addresses(Code::NTP_SERVERS, ntp);
        for (code, name) in [(Code::HOST_NAME, hostname), (Code::DOMAIN_NAME, domain)] {
            if let Some(name) = name {
                writer.option(code, name.as_bytes());
            }
        }
        writer.collected(Code::DOMAIN_SEARCH, search.iter().flat_map(domain::wire_name));
        if let Some(mtu) = mtu {
            writer.option(Code::INTERFACE_MTU, &mtu.to_be_bytes());
        }
        if let Some(broadcast) = broadcast {
            writer.address(Code::BROADCAST_ADDRESS, *broadcast);
        }
        for (code, bytes) in other.iter() {
            writer.option(Code(code), bytes);
        }
    }
}

/// A time in whole seconds, one at least.
fn seconds(time: Duration) -> [u8; 4] {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX - 1).clamp(1, u32::MAX - 1).to_be_bytes()
}
