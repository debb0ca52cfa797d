//! The kernel's end of the cable: address, MTU, up and down.
//!
//! What `ip address add` and `ip link set` do, in the network namespace that
//! the calling thread is in, for demonstrations and tests. It takes root, or a
//! namespace of one's own ([`namespace::enter`](crate::namespace::enter)).

use std::io;

use rustix::io::Errno;
use wire::{Cidr, MacAddr};

use crate::ioctl::{self, InterfaceRequest};

/// Gives the kernel's end of `name` an address and brings it up. An address
/// that it had is replaced.
///
/// # Errors
///
/// The system's: no such interface, no permission.
pub fn bring_up(name: &str, cidr: Cidr) -> io::Result<()> {
    let about = about(name)?;
    let socket = ioctl::control_socket()?;
    ioctl::set_address(&socket, about, cidr.address())?;
    ioctl::set_netmask(&socket, about, cidr.netmask())?;
    set_up(name, true)
}

/// Brings an interface up or down; `lo` of a new namespace is down, too.
///
/// # Errors
///
/// The system's: no such interface, no permission.
pub fn set_up(name: &str, up: bool) -> io::Result<()> {
    let about = about(name)?;
    let socket = ioctl::control_socket()?;
    let flags = ioctl::interface_flags(&socket, about)?;
    let flags = if up { flags | ioctl::IFF_UP } else { flags & !ioctl::IFF_UP };
    Ok(ioctl::set_interface_flags(&socket, about, flags)?)
}

/// Sets an interface's MTU. A [`Tap`](crate::Tap) learns it when it is opened.
///
/// # Errors
///
/// The system's: no such interface, no permission, out of range.
pub fn set_mtu(name: &str, mtu: usize) -> io::Result<()> {
    let about = about(name)?;
    Ok(ioctl::set_mtu(ioctl::control_socket()?, about, mtu)?)
}

/// The hardware address of the kernel's end.
///
/// # Errors
///
/// The system's: no such interface.
pub fn mac(name: &str) -> io::Result<MacAddr> {
    let about = about(name)?;
    Ok(ioctl::mac(ioctl::control_socket()?, about)?)
}

fn about(name: &str) -> io::Result<InterfaceRequest> {
    InterfaceRequest::new(name).ok_or_else(|| Errno::INVAL.into())
}
