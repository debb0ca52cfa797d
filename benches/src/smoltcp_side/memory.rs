//! Both ends in one thread, over the link in memory.

use std::hint::black_box;

use anyhow::{Result, anyhow, ensure};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::link::End;
use crate::meter::{Meter, Report};
use crate::ring::Ring;
use crate::{Arguments, Row, allocator};

/// Bytes written or read at once.
const CHUNK: usize = 65_536;
const SERVER: IpAddress = IpAddress::v4(10, 0, 0, 2);
const PORT: u16 = 1000;
const PER_PORT: usize = 60_000;
/// Bytes of each buffer of an idle connection; or of one that carries a byte.
const SMALL: usize = 64;

/// A stack with its sockets.
struct Host<'r> {
    device: End<'r>,
    interface: Interface,
    sockets: SocketSet<'static>,
}

impl<'r> Host<'r> {
    fn new(device: End<'r>, last: u8) -> Self {
        let mut device = device;
        let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, last]).into());
        config.random_seed = 1;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // One fits.
            let _ = addresses.push(IpCidr::new(IpAddress::v4(10, 0, 0, last), 24));
        });
        Self { device, interface, sockets: SocketSet::new(Vec::new()) }
    }

    fn poll(&mut self, now: Instant) {
        self.interface.poll(now, &mut self.device, &mut self.sockets);
    }

    fn add(&mut self, buffer: usize) -> SocketHandle {
        self.sockets.add(socket(buffer))
    }

    fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }
}

fn socket(buffer: usize) -> tcp::Socket<'static> {
    let bytes = || tcp::SocketBuffer::new(vec![0; buffer]);
    let mut socket = tcp::Socket::new(bytes(), bytes());
    socket.set_nagle_enabled(false);
    socket
}

/// Two of them.
struct Pair<'r> {
    client: Host<'r>,
    server: Host<'r>,
    pub(crate) now: Instant,
}

impl Pair<'_> {
    fn poll(&mut self) {
        self.now += smoltcp::time::Duration::from_micros(1);
        self.client.poll(self.now);
        self.server.poll(self.now);
    }

    /// Opens the `n`th connection.
    fn open(&mut self, n: usize, buffer: usize) -> Result<[SocketHandle; 2]> {
        let far = self.server.add(buffer);
        let near = self.client.add(buffer);
        self.connect([near, far], 1024 + (n % PER_PORT) as u16, PORT + 1 + (n / PER_PORT) as u16)?;
        Ok([near, far])
    }

    fn connect(&mut self, [near, far]: [SocketHandle; 2], own: u16, port: u16) -> Result<()> {
        self.server.tcp(far).listen(port).map_err(|error| anyhow!("{error:?}"))?;
        let socket = self.client.sockets.get_mut::<tcp::Socket<'_>>(near);
        socket
            .connect(self.client.interface.context(), (SERVER, port), own)
            .map_err(|error| anyhow!("{error:?}"))?;
        for _ in 0..10 {
            self.poll();
            if self.server.tcp(far).may_send() {
                return Ok(());
            }
        }
        Err(anyhow!("no connection"))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let (there, back) = (Ring::new(), Ring::new());
    let checksums = arguments.checksums;
    let near = End { transmit: &there, receive: &back, checksums };
    let far = End { transmit: &back, receive: &there, checksums };
    let mut pair = Pair { client: Host::new(near, 1), server: Host::new(far, 2), now: Instant::ZERO };
    match arguments.row {
        Row::MemoryBulk => bulk(arguments, &mut pair),
        Row::MemoryRoundTrips => round_trips(arguments, &mut pair),
        Row::MemoryConnect => connect(arguments, &mut pair),
        Row::MemoryUdp => datagrams(arguments, &mut pair),
        Row::MemoryIdle => idle(arguments, &mut pair),
        _ => Err(anyhow!("not in memory")),
    }
}

fn bulk(arguments: &Arguments, pair: &mut Pair<'_>) -> Result<Report> {
    for n in 0..arguments.others {
        pair.open(n, SMALL)?;
    }
    let [near, far] = pair.open(arguments.others, arguments.buffer)?;
    let meter = Meter::cpu(arguments, 1 << 20);
    let (source, mut sink) = (vec![1; CHUNK], vec![0; CHUNK]);
    loop {
        while pair.client.tcp(near).send_slice(black_box(&source)) == Ok(source.len()) {}
        pair.poll();
        loop {
            let socket = pair.server.tcp(far);
            let len = match arguments.in_place {
                true => socket.recv(|bytes| (bytes.len(), black_box(bytes).len())).unwrap_or_default(),
                false => socket.recv_slice(&mut sink).unwrap_or_default(),
            };
            black_box(&sink);
            if meter.add(len as u64) {
                return Ok(meter.report());
            }
            if len == 0 {
                break;
            }
        }
    }
}

fn round_trips(arguments: &Arguments, pair: &mut Pair<'_>) -> Result<Report> {
    let opened: Result<Vec<_>> = (0..arguments.others.max(1)).map(|n| pair.open(n, SMALL)).collect();
    let opened = opened?;
    let meter = Meter::cpu(arguments, if opened.len() > 100 { 1 } else { 4096 });
    if arguments.in_turn {
        return in_turn(pair, &opened, &meter);
    }
    for [near, _] in &opened {
        let _ = pair.client.tcp(*near).send_slice(&[1]);
    }
    loop {
        pair.poll();
        for [_, far] in &opened {
            echo(pair.server.tcp(*far));
        }
        pair.poll();
        let mut back = 0;
        for [near, _] in &opened {
            back += u64::from(echo(pair.client.tcp(*near)));
        }
        if meter.add(back) {
            return Ok(meter.report());
        }
    }
}

/// One connection after the other; that each end knows where to look is a
/// present to the rival.
fn in_turn(pair: &mut Pair<'_>, opened: &[[SocketHandle; 2]], meter: &Meter) -> Result<Report> {
    loop {
        for [near, far] in opened {
            pair.client.tcp(*near).send_slice(&[1]).map_err(|error| anyhow!("{error:?}"))?;
            pair.poll();
            ensure!(echo(pair.server.tcp(*far)), "nothing came");
            pair.poll();
            // Its answer goes on to the client in the next poll.
            pair.client.poll(pair.now);
            ensure!(pair.client.tcp(*near).recv_slice(&mut [0]) == Ok(1), "nothing came back");
            if meter.add(1) {
                return Ok(meter.report());
            }
        }
    }
}

/// Sends back what has come.
fn echo(socket: &mut tcp::Socket<'_>) -> bool {
    let mut byte = [0];
    let came = socket.can_recv() && socket.recv_slice(&mut byte) == Ok(1);
    came && socket.send_slice(&byte) == Ok(1)
}

fn connect(arguments: &Arguments, pair: &mut Pair<'_>) -> Result<Report> {
    for n in 0..arguments.others {
        pair.open(n, SMALL)?;
    }
    let meter = Meter::cpu(arguments, if arguments.others > 100 { 1 } else { 256 });
    let handles = [pair.client.add(SMALL), pair.server.add(SMALL)];
    let [near, far] = handles;
    let mut own = 1024;
    loop {
        pair.connect(handles, own, PORT)?;
        own = if own == 65_535 { 1024 } else { own + 1 };
        pair.client.tcp(near).close();
        for _ in 0..10 {
            pair.poll();
            let socket = pair.server.tcp(far);
            if socket.state() == tcp::State::CloseWait {
                socket.close();
            }
            if !socket.is_open() && !pair.client.tcp(near).is_open() {
                break;
            }
        }
        ensure!(!pair.client.tcp(near).is_open(), "the connection does not end");
        if meter.add(1) {
            return Ok(meter.report());
        }
    }
}

fn datagrams(arguments: &Arguments, pair: &mut Pair<'_>) -> Result<Report> {
    let meter = Meter::cpu(arguments, 4096);
    let socket = || {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 128], vec![0; 128 * 18]);
        udp::Socket::new(buffer(), buffer())
    };
    let (near, far) = (pair.client.sockets.add(socket()), pair.server.sockets.add(socket()));
    for (host, handle, port) in [(&mut pair.client, near, 2000), (&mut pair.server, far, PORT)] {
        host.sockets.get_mut::<udp::Socket<'_>>(handle).bind(port).map_err(|error| anyhow!("{error:?}"))?;
    }
    loop {
        let socket = pair.client.sockets.get_mut::<udp::Socket<'_>>(near);
        for _ in 0..64 {
            if socket.send_slice(black_box(&[1; 18]), (SERVER, PORT)).is_err() {
                break;
            }
        }
        pair.poll();
        let socket = pair.server.sockets.get_mut::<udp::Socket<'_>>(far);
        let mut received = 0;
        while let Ok((payload, _)) = socket.recv() {
            black_box(payload);
            received += 1;
        }
        if meter.add(received) {
            return Ok(meter.report());
        }
    }
}

/// Bytes that an end of an idle connection takes: allocated (`work`) and in
/// memory (`seconds`).
fn idle(arguments: &Arguments, pair: &mut Pair<'_>) -> Result<Report> {
    pair.open(0, SMALL)?;
    let before = (allocator::held(), allocator::resident());
    for n in 1..arguments.others {
        pair.open(n, SMALL)?;
    }
    let after = (allocator::held(), allocator::resident());
    let ends = 2.0 * arguments.others as f64;
    let each = |before: usize, after: usize| after.saturating_sub(before) as f64 / ends;
    Ok(Report { work: each(before.0, after.0), seconds: each(before.1, after.1) })
}
