//! Routes in options: classless (RFC 3442) and by class (RFC 2132 §5.8).

use core::net::Ipv4Addr;

use traits::RouteEntry;
use wire::Cidr;

use super::read::is_host;
use super::{List, ROUTES_MAX};
use crate::message::next_array;

/// Reads option 121: prefix, as many bytes of the destination as the prefix
/// covers, router; again and again. What can't be read counts as one cut,
/// with all that follows it.
pub(super) fn read_classless(mut bytes: impl Iterator<Item = u8>) -> List<RouteEntry, ROUTES_MAX> {
    let mut routes = List::default();
    while let Some(prefix) = bytes.next() {
        match read_one(prefix, &mut bytes) {
            Some(RouteEntry { gateway: Some(router), .. }) if !is_host(router) => routes.leave_out(),
            Some(route) => routes.push(route),
            None => {
                routes.leave_out();
                break;
            }
        }
    }
    routes
}

fn read_one(prefix: u8, bytes: &mut impl Iterator<Item = u8>) -> Option<RouteEntry> {
    if prefix > 32 {
        return None;
    }
    let mut destination = [0; 4];
    for place in destination.iter_mut().take(covered(prefix)) {
        *place = bytes.next()?;
    }
    let router = Ipv4Addr::from(next_array::<4>(bytes)?);
    // Bits beyond the prefix count as zero (RFC 3442).
    let destination = Cidr::new(Cidr::new(destination.into(), prefix).network(), prefix);
    // A router of 0.0.0.0: the destination is on the link.
    Some(RouteEntry { destination, gateway: (!router.is_unspecified()).then_some(router) })
}

/// Writes option 121.
pub(super) fn write_classless(routes: &[RouteEntry]) -> impl Iterator<Item = u8> + use<'_> {
    routes.iter().flat_map(|route| {
        let RouteEntry { destination, gateway } = *route;
        let prefix = destination.prefix();
        let network = destination.network().octets().into_iter().take(covered(prefix));
        let router = gateway.unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
        [prefix].into_iter().chain(network).chain(router)
    })
}

/// Reads option 33: destination and router, again and again. The mask is
/// that of the destination's class, or of a host where host bits are set; a
/// default route is not allowed here and left out.
pub(super) fn read_classful(mut addresses: impl Iterator<Item = Ipv4Addr>) -> List<RouteEntry, ROUTES_MAX> {
    let mut routes = List::default();
    while let (Some(destination), Some(router)) = (addresses.next(), addresses.next()) {
        if destination.is_unspecified() || !is_host(router) {
            routes.leave_out();
            continue;
        }
        let network = Cidr::new(destination, class_prefix(destination));
        let destination = if network.network() == destination { network } else { Cidr::new(destination, 32) };
        routes.push(RouteEntry { destination, gateway: Some(router) });
    }
    routes
}

/// Writes option 33.
pub(super) fn write_classful(routes: &[RouteEntry]) -> impl Iterator<Item = u8> + use<'_> {
    routes.iter().flat_map(|route| {
        let router = route.gateway.unwrap_or(Ipv4Addr::UNSPECIFIED);
        route.destination.network().octets().into_iter().chain(router.octets())
    })
}

/// The prefix of an address's class (RFC 791 §3.2).
pub(super) const fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        192..=255 => 24,
    }
}

const fn covered(prefix: u8) -> usize {
    prefix.div_ceil(8) as usize
}
