//! The kernel's side of each row: plain sockets.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::mem::size_of_val;
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::{CHUNK, DATAGRAM, KERNEL, PORT, SEGMENTS, STACK};
use crate::meter::{Meter, Report};
use crate::{Arguments, Row};

/// Idle connections that a process holds, all to one port of the stack.
pub(crate) const HELD: usize = 15_000;

/// Does its part against the stack at `stack`. Where the stack counts, it
/// never comes back.
pub(crate) fn run(arguments: &Arguments, stack: Ipv4Addr) -> Result<Report> {
    let to = SocketAddrV4::new(stack, PORT);
    match arguments.row {
        Row::TapSend => receive(arguments, connect(to)?),
        Row::TapReceive => send(connect(to)?),
        Row::TapRoundTrips => round_trips(arguments, connect(to)?),
        Row::TapConnect => connections(arguments, to),
        Row::TapUdpReceive => datagrams(arguments, to),
        Row::TapUdpSend | Row::TapUdpSegmented => sink(),
        _ => bail!("not on a tap"),
    }
}

/// The stack may not be ready for the first SYN.
fn connect(to: SocketAddrV4) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to.into(), Duration::from_secs(5)).context("connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn receive(arguments: &Arguments, mut stream: TcpStream) -> Result<Report> {
    let meter = Meter::wall(arguments, 1 << 22);
    let mut sink = vec![0; 4 * CHUNK];
    loop {
        let len = stream.read(&mut sink)?;
        ensure!(len > 0, "the stack closed");
        if meter.add(len as u64) {
            return Ok(meter.report());
        }
    }
}

fn send(mut stream: TcpStream) -> Result<Report> {
    let source = vec![1; 4 * CHUNK];
    loop {
        stream.write_all(&source)?;
    }
}

fn round_trips(arguments: &Arguments, mut stream: TcpStream) -> Result<Report> {
    stream.set_nonblocking(arguments.spin)?;
    let meter = Meter::wall(arguments, 64);
    let mut byte = [1];
    loop {
        stream.write_all(&byte)?;
        loop {
            match stream.read(&mut byte) {
                Ok(1) => break,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                other => ensure!(other? == 1, "the stack closed"),
            }
        }
        if meter.add(1) {
            return Ok(meter.report());
        }
    }
}

fn connections(arguments: &Arguments, to: SocketAddrV4) -> Result<Report> {
    let _held = (0..arguments.others.div_ceil(HELD))
        .map(|n| holder(HELD.min(arguments.others - n * HELD), PORT + 1 + n as u16))
        .collect::<Result<Vec<_>>>()?;
    let meter = Meter::wall(arguments, 16);
    loop {
        let mut stream = TcpStream::connect(to)?;
        stream.write_all(&[1])?;
        let mut byte = [0; 2];
        ensure!(stream.read(&mut byte)? == 1, "no byte came back");
        ensure!(stream.read(&mut byte)? == 0, "the stack did not close");
        stream.shutdown(Shutdown::Write)?;
        drop(stream);
        if meter.add(1) {
            return Ok(meter.report());
        }
    }
}

/// A process that holds idle connections, once it has them.
fn holder(count: usize, port: u16) -> Result<Child> {
    let (count, port) = (count.to_string(), port.to_string());
    let mut child = Command::new(env::current_exe()?)
        .args(["--side", "linux", "--row", "tap-connect", "--hold", &count, "--hold-port", &port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let told = child.stdout.take().context("its output")?;
    let mut line = String::new();
    BufReader::new(told).read_line(&mut line)?;
    ensure!(line.trim() == "held", "the idle connections could not be opened");
    Ok(child)
}

/// What such a process does.
pub(crate) fn hold(count: usize, port: u16) -> Result<()> {
    let to = SocketAddrV4::new(STACK, port);
    let _held = (0..count).map(|_| connect(to)).collect::<Result<Vec<_>>>()?;
    println!("held");
    // Whoever started it ends.
    let _ = std::io::stdin().read(&mut [0]);
    Ok(())
}

fn datagrams(arguments: &Arguments, to: SocketAddrV4) -> Result<Report> {
    let socket = UdpSocket::bind((KERNEL, 0))?;
    socket.connect(to)?;
    let _ = arguments;
    // The kernel cuts: a system call for many is cheap enough to fill the
    // queue of the device.
    set_option(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, DATAGRAM as i32)?;
    let payload = [1; DATAGRAM * SEGMENTS];
    loop {
        let _ = socket.send(&payload);
    }
}

/// Takes datagrams, as many at once as the kernel joins.
fn sink() -> Result<Report> {
    let socket = UdpSocket::bind((KERNEL, PORT))?;
    set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, 1)?;
    let mut buffer = vec![0; 65_536];
    loop {
        socket.recv(&mut buffer)?;
    }
}

pub(crate) fn set_option(socket: &impl AsRawFd, level: i32, name: i32, value: i32) -> Result<()> {
    // SAFETY: the descriptor is open, and the option reads one `int`.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    ensure!(result == 0, "set a socket's option: {}", std::io::Error::last_os_error());
    Ok(())
}
