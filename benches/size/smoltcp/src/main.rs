//! DHCP and a TCP echo on a tap, without std, libc and heap, with smoltcp. The
//! tap is descriptor 0, non-blocking and without a header before its frames.

#![no_std]
#![no_main]

#[path = "../../../../tests/nostd/src/start.rs"]
mod start;
#[path = "../../common/system.rs"]
mod system;

use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::{dhcpv4, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

/// The largest Ethernet frame.
const FRAME: usize = 1514;
/// Bytes of each buffer of a connection, and connections: as in the other
/// program.
const BUFFER: usize = 4096;
const CONNECTIONS: usize = 4;

struct Tap {
    receive: [u8; FRAME],
    transmit: [u8; FRAME],
}

struct RxToken<'a>(&'a [u8]);
struct TxToken<'a>(&'a mut [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let frame = &mut self.0[..len];
        let result = fill(frame);
        system::write(frame);
        result
    }
}

impl Device for Tap {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let len = system::read(&mut self.receive)?;
        Some((RxToken(&self.receive[..len]), TxToken(&mut self.transmit)))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        Some(TxToken(&mut self.transmit))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }
}

fn now() -> Instant {
    Instant::from_micros((system::now() / 1000) as i64)
}

fn main() -> u8 {
    let mut tap = Tap { receive: [0; FRAME], transmit: [0; FRAME] };
    let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 2]).into());
    config.random_seed = system::now();
    let mut interface = Interface::new(config, &mut tap, now());
    let mut storage = [SocketStorage::EMPTY; CONNECTIONS + 1];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let mut buffers = [[0; BUFFER]; 2 * CONNECTIONS];
    let mut buffers = buffers.iter_mut();
    let mut handles = [None; CONNECTIONS];
    for handle in &mut handles {
        let (Some(receive), Some(transmit)) = (buffers.next(), buffers.next()) else { return 2 };
        let socket =
            tcp::Socket::new(tcp::SocketBuffer::new(&mut receive[..]), tcp::SocketBuffer::new(&mut transmit[..]));
        *handle = Some(sockets.add(socket));
    }
    let dhcp = sockets.add(dhcpv4::Socket::new());
    loop {
        interface.poll(now(), &mut tap, &mut sockets);
        configure(&mut interface, sockets.get_mut(dhcp));
        for handle in handles.iter().flatten() {
            echo(sockets.get_mut(*handle));
        }
        let deadline = interface.poll_at(now(), &sockets);
        system::wait(deadline.map(|at| at.total_micros() as u64 * 1000));
    }
}

fn configure(interface: &mut Interface, dhcp: &mut dhcpv4::Socket<'_>) {
    let Some(event) = dhcp.poll() else { return };
    interface.update_ip_addrs(|addresses| addresses.clear());
    interface.routes_mut().remove_default_ipv4_route();
    if let dhcpv4::Event::Configured(config) = event {
        interface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::Ipv4(config.address));
        });
        if let Some(router) = config.router {
            let _ = interface.routes_mut().add_default_ipv4_route(router);
        }
    }
}

fn echo(socket: &mut tcp::Socket<'_>) {
    if !socket.is_open() {
        let _ = socket.listen(7);
    }
    let mut buffer = [0; 512];
    while socket.can_recv() && socket.can_send() {
        let room = (socket.send_capacity() - socket.send_queue()).min(buffer.len());
        let Ok(len) = socket.recv_slice(&mut buffer[..room]) else { break };
        let _ = socket.send_slice(&buffer[..len]);
    }
    if socket.state() == tcp::State::CloseWait && socket.recv_queue() == 0 {
        socket.close();
    }
}
