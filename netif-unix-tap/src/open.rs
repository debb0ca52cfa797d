//! Opening and adopting taps.

use core::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use os::unix::Reactor;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use traits::Offload;
use wire::MacAddr;

use crate::device::{Link, Tap};
use crate::header::HEADER_LEN;
use crate::ioctl::{self, InterfaceRequest};

const DEVICE: &str = "/dev/net/tun";

/// How to open a tap.
#[derive(Clone, Copy, Debug)]
#[must_use = "options do nothing until they open a tap"]
pub struct Options {
    mac: Option<MacAddr>,
    offload: Offload,
    vnet_header: bool,
    multi_queue: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// All offloads that the kernel has, one queue, an address of the
    /// driver's choice.
    pub const fn new() -> Self {
        Self { mac: None, offload: Offload::all(), vnet_header: true, multi_queue: false }
    }

    /// The own address on the cable, which is not the one that the kernel
    /// shows for the tap: that is the kernel's end.
    ///
    /// Otherwise it is derived from the kernel's, and so the same for all
    /// queues of a tap and for as long as the tap exists.
    pub const fn mac(mut self, mac: MacAddr) -> Self {
        self.mac = Some(mac);
        self
    }

    /// Begins with these offloads, as far as the kernel has them.
    pub const fn offload(mut self, offload: Offload) -> Self {
        self.offload = offload;
        self
    }

    /// Whether frames come with the header that offloads need. Without it, the
    /// kernel does all that work itself and none can be switched on later.
    pub const fn vnet_header(mut self, vnet_header: bool) -> Self {
        self.vnet_header = vnet_header;
        self
    }

    /// Opens one queue of a tap that has several. Each opening of the same
    /// name makes another queue; the kernel sends the packets of a flow to the
    /// queue that the flow's own packets came from.
    pub const fn multi_queue(mut self, multi_queue: bool) -> Self {
        self.multi_queue = multi_queue;
        self
    }

    /// Attaches to the tap `name`, or creates it. A `%d` in the name stands
    /// for the first number that is free.
    ///
    /// A tap that this creates goes away with the [`Tap`].
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open<R: Reactor>(self, reactor: R, name: &str) -> Result<Tap<R>, OpenError> {
        let mut request = InterfaceRequest::new(name).ok_or_else(|| OpenError::InvalidName(name.into()))?;
        let mut flags = ioctl::IFF_TAP | ioctl::IFF_NO_PI;
        if self.vnet_header {
            flags |= ioctl::IFF_VNET_HDR;
        }
        if self.multi_queue {
            flags |= ioctl::IFF_MULTI_QUEUE;
        }
        request = request.with_flags(flags);
        let open_flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = rustix::fs::open(DEVICE, open_flags, Mode::empty()).map_err(OpenError::of_device)?;
        ioctl::set_interface(&fd, &mut request).map_err(|errno| OpenError::of_interface(errno, name))?;
        self.attach(reactor, fd, &request.name(), self.vnet_header)
    }

    /// Takes over a descriptor that is the end of a tap already, from a
    /// program with more privileges for example. The interface must be in the
    /// network namespace that the thread is in.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn adopt<R: Reactor>(self, reactor: R, fd: OwnedFd) -> Result<Tap<R>, OpenError> {
        let request = ioctl::interface(&fd).map_err(|_| OpenError::NotATap("the descriptor".into()))?;
        let name = request.name();
        if request.flags() & ioctl::IFF_TAP == 0 {
            return Err(OpenError::NotATap(name));
        }
        let bare = ioctl::is_without_packet_information(&fd)
            .map_err(|errno| OpenError::io("ask for packet information", errno))?;
        if !bare {
            return Err(OpenError::PacketInformation(name));
        }
        set_nonblocking(&fd)?;
        self.attach(reactor, fd, &name, request.flags() & ioctl::IFF_VNET_HDR != 0)
    }

    /// Takes over an interface of the crate `tun-tap`. It has no header for
    /// offloads.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    #[cfg(feature = "tun-tap")]
    pub fn adopt_iface<R: Reactor>(self, reactor: R, iface: tun_tap::Iface) -> Result<Tap<R>, OpenError> {
        use std::os::fd::{FromRawFd, IntoRawFd};
        // SAFETY: `into_raw_fd` gives up a descriptor that is open and that
        // nobody else closes.
        #[allow(unsafe_code)]
        let fd = unsafe { OwnedFd::from_raw_fd(iface.into_raw_fd()) };
        self.adopt(reactor, fd)
    }

    /// Takes any descriptor that carries one frame with each read and write (a
    /// socket pair of the kind `SOCK_SEQPACKET`, for example) for a tap with
    /// the address and MTU given. [`Options::vnet_header`] says whether each
    /// frame comes after a `struct virtio_net_hdr` of 10 bytes; whoever is at
    /// the other end has to live up to it.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn over<R: Reactor>(
        self,
        reactor: R,
        fd: OwnedFd,
        mac: MacAddr,
        mtu: usize,
    ) -> Result<Tap<R>, OpenError> {
        set_nonblocking(&fd)?;
        let source = reactor.register(fd).map_err(|error| OpenError::io("watch the descriptor", error))?;
        Ok(Tap::new(reactor, source, None, mac, mtu, self.vnet_header, self.offload))
    }

    fn attach<R: Reactor>(
        self,
        reactor: R,
        fd: OwnedFd,
        name: &str,
        vnet_header: bool,
    ) -> Result<Tap<R>, OpenError> {
        let gone = || OpenError::InvalidName(name.into());
        let about = InterfaceRequest::new(name).ok_or_else(gone)?;
        if vnet_header {
            ioctl::set_header_len(&fd, HEADER_LEN)
                .map_err(|errno| OpenError::io("set the header's length", errno))?;
        }
        let socket = ioctl::control_socket().map_err(|errno| OpenError::io("open a socket", errno))?;
        let mtu = ioctl::mtu(&socket, about).map_err(|errno| OpenError::io("ask for the MTU", errno))?;
        let kernels =
            ioctl::mac(&socket, about).map_err(|errno| OpenError::io("ask for the address", errno))?;
        let mac = self.mac.unwrap_or_else(|| opposite(kernels));
        let source = reactor.register(fd).map_err(|error| OpenError::io("watch the descriptor", error))?;
        let link = Link { socket, about };
        Ok(Tap::new(reactor, source, Some(link), mac, mtu, vnet_header, self.offload))
    }
}

/// The address for this end of the cable, locally administered.
fn opposite(kernels: MacAddr) -> MacAddr {
    let MacAddr([a, b, c, d, e, f]) = kernels;
    MacAddr([a & 0xfe | 0x02, b, c, d ^ 0xfa, e ^ 0x7a, f ^ 0x01])
}

fn set_nonblocking(fd: impl AsFd) -> Result<(), OpenError> {
    rustix::io::ioctl_fionbio(fd, true)
        .map_err(|errno| OpenError::io("make the descriptor non-blocking", errno))
}

/// Why there is no tap.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// What can't be the name of an interface.
    InvalidName(String),
    /// The system has no tap devices: the file or its driver is missing.
    NoDriver,
    /// This user may not open the file of the tap devices.
    DeviceDenied,
    /// This user may not create the interface, or not attach to it.
    Denied(String),
    /// Another program is attached to the interface.
    Busy(String),
    /// Something of that name exists and can't be attached to: it is no tap,
    /// or has several queues where one was asked for, or the other way round.
    NotATap(String),
    /// The descriptor puts packet information before each frame.
    PacketInformation(String),
    /// Anything else.
    Io {
        /// What could not be done.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl OpenError {
    fn io(doing: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Io { doing, source: source.into() }
    }

    fn of_device(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NXIO | Errno::NODEV => Self::NoDriver,
            Errno::ACCESS | Errno::PERM => Self::DeviceDenied,
            _ => Self::io("open /dev/net/tun", errno),
        }
    }

    fn of_interface(errno: Errno, name: &str) -> Self {
        match errno {
            Errno::ACCESS | Errno::PERM => Self::Denied(name.into()),
            Errno::BUSY => Self::Busy(name.into()),
            Errno::INVAL => Self::NotATap(name.into()),
            _ => Self::io("attach to the interface", errno),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(name) => write!(
                f,
                "`{name}` is no name for an interface: 1 to 15 characters without spaces, `/` and `:`"
            ),
            Self::NoDriver => write!(
                f,
                "this system has no tap devices ({DEVICE} is missing): run `modprobe tun` as root, \
                 or give the container the device (`--device {DEVICE}`)"
            ),
            Self::DeviceDenied => {
                write!(f, "no permission to open {DEVICE}: run as root, or let this user read and write it")
            }
            Self::Denied(name) => write!(
                f,
                "no permission for {name}: run as root, or have root run \
                 `ip tuntap add {name} mode tap user $USER` once"
            ),
            Self::Busy(name) => {
                write!(f, "{name} is in use by another program: end it, or use another interface")
            }
            Self::NotATap(name) => write!(
                f,
                "{name} is not a tap that can be attached to: it is another kind of interface, or differs in \
                 having several queues (`multi_queue`); see `ip -d link show {name}`"
            ),
            Self::PacketInformation(name) => write!(
                f,
                "{name} was opened with packet information before each frame: open it with `IFF_NO_PI` \
                 (`tun_tap::Iface::without_packet_info`)"
            ),
            Self::Io { doing, source } => write!(f, "could not {doing}: {source}"),
        }
    }
}

impl core::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::InvalidName(_)
            | Self::NoDriver
            | Self::DeviceDenied
            | Self::Denied(_)
            | Self::Busy(_)
            | Self::NotATap(_)
            | Self::PacketInformation(_) => None,
        }
    }
}
