//! The rival on the tap, with the header by which the device cuts segments
//! and completes checksums, and buffers that are used again.

use std::hint::black_box;
use std::time::Instant as Start;

use anyhow::{Result, anyhow};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{self, Checksum, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use crate::meter::{Meter, Report};
use crate::tap::peer::HELD;
use crate::tap::{CHUNK, DATAGRAM, Device, KERNEL, MAC, PORT, Ready, STACK, frame};
use crate::{Arguments, Row};

/// The tap as the rival wants it.
struct Tap {
    device: Device,
    receive: Vec<u8>,
    transmit: Vec<u8>,
}

struct RxToken<'a>(&'a [u8]);

struct TxToken<'a> {
    device: &'a Device,
    buffer: &'a mut [u8],
    meta: PacketMeta,
}

impl phy::RxToken for RxToken<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

impl phy::TxToken for TxToken<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let end = frame::ETHERNET + len;
        let result = fill(&mut self.buffer[frame::ETHERNET..end]);
        if self.device.header {
            let size = self.meta.segmentation_offload_size.map_or(0, |size| size.get());
            frame::request(&mut self.buffer[..end], size);
        }
        // A full device drops, as the rival's own does.
        let _ = self.device.write(&self.buffer[frame::ETHERNET - self.device.header_len()..end]);
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.meta = meta;
    }
}

impl phy::Device for Tap {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    #[inline]
    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let len = self.device.read(&mut self.receive)?;
        let token = TxToken { device: &self.device, buffer: &mut self.transmit, meta: PacketMeta::default() };
        Some((RxToken(&self.receive[self.device.header_len()..len]), token))
    }

    #[inline]
    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        Some(TxToken { device: &self.device, buffer: &mut self.transmit, meta: PacketMeta::default() })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        if self.device.header {
            capabilities.checksum.tcp = Checksum::None;
            capabilities.checksum.udp = Checksum::None;
            capabilities.segmentation.tcpv4 = core::num::NonZeroUsize::new(14 + 65_535);
        }
        capabilities
    }
}

/// The stack with its sockets.
struct Host {
    tap: Tap,
    interface: Interface,
    sockets: SocketSet<'static>,
    start: Start,
}

impl Host {
    fn new(device: Device) -> Self {
        let large = || vec![0; crate::tap::LARGEST + 8];
        let mut tap = Tap { device, receive: large(), transmit: large() };
        let mut config = Config::new(EthernetAddress(MAC.0).into());
        config.random_seed = 1;
        let mut interface = Interface::new(config, &mut tap, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // One fits.
            let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(STACK), 24));
        });
        Self { tap, interface, sockets: SocketSet::new(Vec::new()), start: Start::now() }
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.start.elapsed().as_micros() as i64)
    }

    /// Whether anything happened.
    fn poll(&mut self) -> bool {
        let now = self.now();
        self.interface.poll(now, &mut self.tap, &mut self.sockets) == PollResult::SocketStateChanged
    }

    /// Waits for a frame or a timer.
    fn wait(&mut self) {
        let now = self.now();
        let delay = self.interface.poll_delay(now, &self.sockets).map(core::time::Duration::from);
        if delay != Some(core::time::Duration::ZERO) {
            self.tap.device.wait(delay);
        }
    }

    fn listen(&mut self, buffer: usize, port: u16) -> Result<SocketHandle> {
        let bytes = || tcp::SocketBuffer::new(vec![0; buffer]);
        let mut socket = tcp::Socket::new(bytes(), bytes());
        socket.set_nagle_enabled(false);
        socket.listen(port).map_err(|error| anyhow!("{error:?}"))?;
        Ok(self.sockets.add(socket))
    }

    fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }
}

pub(crate) fn run(arguments: &Arguments, ready: Ready) -> Result<Report> {
    let mut host = Host::new(Device::open(arguments)?);
    match arguments.row {
        Row::TapSend | Row::TapReceive | Row::TapRoundTrips => {
            let handle = host.listen(arguments.buffer, PORT)?;
            let _ = ready.send(());
            match arguments.row {
                Row::TapSend => send(arguments, &mut host, handle),
                Row::TapReceive => receive(arguments, &mut host, handle),
                _ => echo(&mut host, handle),
            }
        }
        Row::TapConnect => connections(arguments, &mut host, ready),
        Row::TapUdpReceive | Row::TapUdpSend => datagrams(arguments, &mut host, ready),
        _ => Err(anyhow!("not a row of the rival's")),
    }
}

fn send(arguments: &Arguments, host: &mut Host, handle: SocketHandle) -> Result<Report> {
    let source = vec![1; CHUNK];
    let fill = |room: &mut [u8]| {
        room.fill(black_box(1));
        (room.len(), room.len())
    };
    loop {
        let changed = host.poll();
        let socket = host.tcp(handle);
        let mut wrote = false;
        while socket.can_send() {
            let sent =
                if arguments.in_place { socket.send(fill) } else { socket.send_slice(black_box(&source)) };
            if !sent.is_ok_and(|len| len > 0) {
                break;
            }
            wrote = true;
        }
        if !changed && !wrote {
            host.wait();
        }
    }
}

fn receive(arguments: &Arguments, host: &mut Host, handle: SocketHandle) -> Result<Report> {
    let mut sink = vec![0; 4 * CHUNK];
    let meter = Meter::wall(arguments, 1 << 22);
    loop {
        let changed = host.poll();
        let socket = host.tcp(handle);
        let mut read = false;
        while let Ok(len @ 1..) = socket.recv_slice(&mut sink) {
            black_box(&sink);
            read = true;
            if meter.add(len as u64) {
                return Ok(meter.report());
            }
        }
        if !changed && !read {
            host.wait();
        }
    }
}

fn echo(host: &mut Host, handle: SocketHandle) -> Result<Report> {
    let mut bytes = [0; 64];
    loop {
        let changed = host.poll();
        let socket = host.tcp(handle);
        let came = socket.recv_slice(&mut bytes).unwrap_or_default();
        if came > 0 {
            let _ = socket.send_slice(&bytes[..came]);
        }
        if !changed && came == 0 {
            host.wait();
        }
    }
}

/// One socket listens for each connection that may come; the idle ones stay
/// open.
fn connections(arguments: &Arguments, host: &mut Host, ready: Ready) -> Result<Report> {
    for n in 0..arguments.others {
        host.listen(64, PORT + 1 + (n / HELD) as u16)?;
    }
    // One that still waits for the peer's last segment, and one for the next.
    let handles = [host.listen(64, PORT)?, host.listen(64, PORT)?];
    let _ = ready.send(());
    loop {
        let mut busy = host.poll();
        for handle in handles {
            let socket = host.tcp(handle);
            let mut byte = [0; 2];
            if socket.recv_slice(&mut byte).unwrap_or_default() > 0 {
                let _ = socket.send_slice(&byte[..1]);
                socket.close();
                busy = true;
            }
            if !socket.is_open() {
                socket.listen(PORT).map_err(|error| anyhow!("{error:?}"))?;
                busy = true;
            }
        }
        if !busy {
            host.wait();
        }
    }
}

fn datagrams(arguments: &Arguments, host: &mut Host, ready: Ready) -> Result<Report> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 128], vec![0; 128 * DATAGRAM]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(PORT).map_err(|error| anyhow!("{error:?}"))?;
    let handle = host.sockets.add(socket);
    let _ = ready.send(());
    if arguments.row == Row::TapUdpSend {
        std::thread::sleep(core::time::Duration::from_millis(300));
    }
    let meter = Meter::wall(arguments, 4096);
    loop {
        let now = host.now();
        let mut count = 0;
        if arguments.row == Row::TapUdpReceive {
            // A few at a time, so that the socket's buffer does not overflow.
            for _ in 0..64 {
                host.interface.poll_ingress_single(now, &mut host.tap, &mut host.sockets);
            }
        } else {
            host.poll();
        }
        let socket = host.sockets.get_mut::<udp::Socket<'_>>(handle);
        if arguments.row == Row::TapUdpReceive {
            while let Ok((payload, _)) = socket.recv() {
                black_box(payload);
                count += 1;
            }
        } else {
            while socket.send_slice(black_box(&[1; DATAGRAM]), (IpAddress::Ipv4(KERNEL), PORT)).is_ok() {
                count += 1;
            }
        }
        if meter.add(count) {
            return Ok(meter.report());
        }
        if count == 0 {
            host.wait();
        }
    }
}
