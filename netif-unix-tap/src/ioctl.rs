//! The system calls that a tap needs and no library wraps.
//!
//! All `unsafe` code of the crate is here, in [`namespace`](crate::namespace)
//! and where a `tun_tap::Iface` is taken over.

#![allow(unsafe_code)]

use core::ffi::{c_int, c_uint};
use core::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Result;
use rustix::ioctl::{Getter, Opcode, Setter, Updater, ioctl, opcode};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use wire::MacAddr;

// `linux/if_tun.h`.
const TUNSETIFF: Opcode = opcode::write::<c_int>(b'T', 202);
const TUNSETOFFLOAD: Opcode = opcode::write::<c_uint>(b'T', 208);
const TUNGETIFF: Opcode = opcode::read::<c_uint>(b'T', 210);
const TUNATTACHFILTER: Opcode = opcode::write::<FilterProgram<'_>>(b'T', 213);
const TUNDETACHFILTER: Opcode = opcode::write::<FilterProgram<'_>>(b'T', 214);
const TUNSETVNETHDRSZ: Opcode = opcode::write::<c_int>(b'T', 216);

// `linux/sockios.h`: numbers without direction or size.
const SIOCGIFFLAGS: Opcode = 0x8913;
const SIOCSIFFLAGS: Opcode = 0x8914;
const SIOCSIFADDR: Opcode = 0x8916;
const SIOCSIFNETMASK: Opcode = 0x891c;
const SIOCGIFMTU: Opcode = 0x8921;
const SIOCSIFMTU: Opcode = 0x8922;
const SIOCGIFHWADDR: Opcode = 0x8927;

/// Flags of [`TUNSETIFF`].
pub(crate) const IFF_TAP: u16 = 0x0002;
pub(crate) const IFF_MULTI_QUEUE: u16 = 0x0100;
pub(crate) const IFF_NO_PI: u16 = 0x1000;
pub(crate) const IFF_VNET_HDR: u16 = 0x4000;

/// Flags of an interface.
pub(crate) const IFF_UP: u16 = 0x0001;

/// Flags of [`TUNSETOFFLOAD`]: what the reader of the tap can take.
pub(crate) const TUN_F_CSUM: u32 = 0x01;
pub(crate) const TUN_F_TSO4: u32 = 0x02;
pub(crate) const TUN_F_TSO_ECN: u32 = 0x08;
/// Both at once or neither, says the kernel.
pub(crate) const TUN_F_USO: u32 = 0x20 | 0x40;

/// Bytes of an interface's name, the NUL at its end included.
const IFNAMSIZ: usize = 16;

/// `struct ifreq`: a name and a union of at most 24 bytes.
#[derive(Clone, Copy, Default)]
#[repr(C, align(8))]
pub(crate) struct InterfaceRequest {
    name: [u8; IFNAMSIZ],
    union: [u8; 24],
}

impl InterfaceRequest {
    /// A request about an interface; `None` for what can't be a name.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let mut request = Self::default();
        let bytes = name.as_bytes();
        let is_bad = |byte: &u8| *byte == b'/' || *byte == b':' || !byte.is_ascii_graphic();
        if bytes.iter().any(is_bad) || matches!(name, "." | "..") {
            return None;
        }
        // One byte at least stays NUL.
        request.name.get_mut(..IFNAMSIZ - 1)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(request)
    }

    /// The name, as the kernel has set it.
    pub(crate) fn name(&self) -> String {
        let end = self.name.iter().position(|&byte| byte == 0).unwrap_or(IFNAMSIZ);
        String::from_utf8_lossy(self.name.get(..end).unwrap_or_default()).into_owned()
    }

    /// The union's first member, a `short`.
    pub(crate) fn flags(&self) -> u16 {
        let [a, b, ..] = self.union;
        u16::from_ne_bytes([a, b])
    }

    pub(crate) fn with_flags(mut self, flags: u16) -> Self {
        let [a, b, ..] = &mut self.union;
        [*a, *b] = flags.to_ne_bytes();
        self
    }

    fn int(&self) -> i32 {
        let [a, b, c, d, ..] = self.union;
        i32::from_ne_bytes([a, b, c, d])
    }

    fn with_int(mut self, value: i32) -> Self {
        let [a, b, c, d, ..] = &mut self.union;
        [*a, *b, *c, *d] = value.to_ne_bytes();
        self
    }

    /// As a `struct sockaddr_in`.
    fn with_ipv4(self, address: Ipv4Addr) -> Self {
        let mut request = self.with_flags(AddressFamily::INET.as_raw());
        let [_, _, _, _, a, b, c, d, ..] = &mut request.union;
        [*a, *b, *c, *d] = address.octets();
        request
    }
}

/// Makes the descriptor the end of a tap: attaches to one, or creates it.
pub(crate) fn set_interface(tun: impl AsFd, request: &mut InterfaceRequest) -> Result<()> {
    // SAFETY: `TUNSETIFF` reads and writes one `struct ifreq`.
    unsafe { ioctl(tun, Updater::<TUNSETIFF, _>::new(request)) }
}

/// Which interface the descriptor belongs to, and with which flags.
pub(crate) fn interface(tun: impl AsFd) -> Result<InterfaceRequest> {
    // SAFETY: `TUNGETIFF` writes one whole `struct ifreq`.
    unsafe { ioctl(tun, Getter::<TUNGETIFF, InterfaceRequest>::new()) }
}

/// `struct sock_fprog` (`linux/filter.h`).
#[repr(C)]
struct FilterProgram<'a> {
    len: u16,
    filter: &'a FilterInstruction,
}

/// `struct sock_filter`.
#[repr(C)]
struct FilterInstruction {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    operand: u32,
}

/// Whether the descriptor, a tap's, has no packet information before each
/// frame.
///
/// In what [`interface`] returns, the bit means that, or that no filter is
/// attached, for the kernel has given both the same number. So the question is
/// asked while a filter is attached, one that lets everything pass.
pub(crate) fn is_without_packet_information(tun: impl AsFd) -> Result<bool> {
    if interface(&tun)?.flags() & IFF_NO_PI == 0 {
        return Ok(false);
    }
    // BPF_RET | BPF_K: as many bytes as there are.
    let pass = FilterInstruction { code: 0x06, jump_true: 0, jump_false: 0, operand: u32::MAX };
    let program = || FilterProgram { len: 1, filter: &pass };
    // SAFETY: `TUNATTACHFILTER` reads one `struct sock_fprog` and the one
    // instruction that it points to, which lives until the end of this
    // function; the kernel keeps a copy.
    unsafe { ioctl(&tun, Setter::<TUNATTACHFILTER, _>::new(program()))? };
    let flags = interface(&tun).map(|request| request.flags());
    // SAFETY: `TUNDETACHFILTER` reads nothing beyond its argument.
    unsafe { ioctl(&tun, Setter::<TUNDETACHFILTER, _>::new(program()))? };
    Ok(flags? & IFF_NO_PI != 0)
}

/// Sets the bytes of the header before each frame.
pub(crate) fn set_header_len(tun: impl AsFd, len: usize) -> Result<()> {
    let len = c_int::try_from(len).map_err(|_| rustix::io::Errno::INVAL)?;
    // SAFETY: `TUNSETVNETHDRSZ` reads one `int`.
    unsafe { ioctl(tun, Setter::<TUNSETVNETHDRSZ, c_int>::new(len)) }
}

/// Says what the kernel may hand over unfinished.
pub(crate) fn set_offload(tun: impl AsFd, flags: u32) -> Result<()> {
    // SAFETY: `TUNSETOFFLOAD` takes its flags by value and touches no memory.
    unsafe { ioctl(tun, rustix::ioctl::IntegerSetter::<TUNSETOFFLOAD>::new_usize(flags as usize)) }
}

/// A socket to ask about interfaces with, of the network namespace that the
/// thread is in.
pub(crate) fn control_socket() -> Result<OwnedFd> {
    socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

/// One of the requests about an interface.
fn request<const OPCODE: Opcode>(socket: impl AsFd, request: &mut InterfaceRequest) -> Result<()> {
    // SAFETY: only called with the numbers above that begin with `SIOC`, all
    // of which read and write one `struct ifreq`.
    unsafe { ioctl(socket, Updater::<OPCODE, _>::new(request)) }
}

pub(crate) fn interface_flags(socket: impl AsFd, mut about: InterfaceRequest) -> Result<u16> {
    request::<SIOCGIFFLAGS>(socket, &mut about)?;
    Ok(about.flags())
}

pub(crate) fn set_interface_flags(socket: impl AsFd, about: InterfaceRequest, flags: u16) -> Result<()> {
    request::<SIOCSIFFLAGS>(socket, &mut about.with_flags(flags))
}

pub(crate) fn mtu(socket: impl AsFd, mut about: InterfaceRequest) -> Result<usize> {
    request::<SIOCGIFMTU>(socket, &mut about)?;
    usize::try_from(about.int()).map_err(|_| rustix::io::Errno::RANGE)
}

pub(crate) fn set_mtu(socket: impl AsFd, about: InterfaceRequest, mtu: usize) -> Result<()> {
    let mtu = i32::try_from(mtu).map_err(|_| rustix::io::Errno::INVAL)?;
    request::<SIOCSIFMTU>(socket, &mut about.with_int(mtu))
}

pub(crate) fn mac(socket: impl AsFd, mut about: InterfaceRequest) -> Result<MacAddr> {
    request::<SIOCGIFHWADDR>(socket, &mut about)?;
    // A `struct sockaddr`, with the address after the family.
    let [_, _, a, b, c, d, e, f, ..] = about.union;
    Ok(MacAddr([a, b, c, d, e, f]))
}

pub(crate) fn set_address(socket: impl AsFd, about: InterfaceRequest, address: Ipv4Addr) -> Result<()> {
    request::<SIOCSIFADDR>(socket, &mut about.with_ipv4(address))
}

pub(crate) fn set_netmask(socket: impl AsFd, about: InterfaceRequest, netmask: Ipv4Addr) -> Result<()> {
    request::<SIOCSIFNETMASK>(socket, &mut about.with_ipv4(netmask))
}
