//! Linux in place of the stack: another network namespace, at the other end
//! of a pair of virtual devices.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use fata::netif_unix_tap::{namespace, setup};
use fata::traits::Cidr;
use rustix::thread::gettid;

use super::{CHUNK, DATAGRAM, KERNEL, PORT, SEGMENTS, STACK, finish, ip, peer, pin_peer, pin_stack};
use crate::meter::{Meter, Report};
use crate::{Arguments, Row};

const NEAR: &str = "near";
const FAR: &str = "far";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let arguments = *arguments;
    let (tell, told) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (ready, started) = mpsc::channel();
    thread::spawn(move || {
        // This thread alone moves.
        let stack = || -> Result<Report> {
            namespace::enter()?;
            tell.send(gettid().as_raw_nonzero())?;
            may_go.recv()?;
            setup::set_up("lo", true)?;
            setup::bring_up(FAR, Cidr::new(STACK, 24))?;
            if arguments.no_offload {
                switch_off(FAR);
            }
            pin_stack()?;
            serve(&arguments, &ready)
        };
        finish(stack());
    });
    let thread = told.recv().context("the other namespace")?.to_string();
    ip(&["link", "add", NEAR, "type", "veth", "peer", "name", FAR])?;
    ip(&["link", "set", FAR, "netns", &thread])?;
    setup::bring_up(NEAR, Cidr::new(KERNEL, 24))?;
    if arguments.no_offload {
        switch_off(NEAR);
    }
    go.send(())?;
    started.recv().context("the other side")?;
    pin_peer()?;
    finish(peer::run(&arguments, STACK));
}

/// What a device without offloads would leave to the kernel.
fn switch_off(device: &str) {
    let features = ["tso", "off", "gso", "off", "gro", "off", "tx", "off", "rx", "off"];
    let status = std::process::Command::new("ethtool").arg("-K").arg(device).args(features).output();
    if status.is_err() {
        eprintln!("no ethtool: {device} keeps its offloads");
    }
}

fn serve(arguments: &Arguments, ready: &mpsc::Sender<()>) -> Result<Report> {
    if arguments.row.is_udp() {
        return datagrams(arguments, ready);
    }
    let listener = TcpListener::bind((STACK, PORT))?;
    ready.send(())?;
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        match arguments.row {
            Row::TapSend => send(stream)?,
            Row::TapReceive => return receive(arguments, stream),
            Row::TapRoundTrips => echo(arguments, stream)?,
            _ => close(stream)?,
        }
    }
}

fn send(mut stream: TcpStream) -> Result<()> {
    let source = vec![1; CHUNK];
    loop {
        stream.write_all(&source)?;
    }
}

fn receive(arguments: &Arguments, mut stream: TcpStream) -> Result<Report> {
    let meter = Meter::wall(arguments, 1 << 22);
    let mut sink = vec![0; 4 * CHUNK];
    loop {
        let len = stream.read(&mut sink)?;
        if len == 0 || meter.add(len as u64) {
            // Closed before the report is out, it would end the other side,
            // and the process with an error.
            std::mem::forget(stream);
            return Ok(meter.report());
        }
    }
}

fn echo(arguments: &Arguments, mut stream: TcpStream) -> Result<()> {
    stream.set_nonblocking(arguments.spin)?;
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(1) => stream.write_all(&byte)?,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return Ok(()),
        }
    }
}

fn close(mut stream: TcpStream) -> Result<()> {
    let mut byte = [0];
    if stream.read(&mut byte)? == 1 {
        stream.write_all(&byte)?;
    }
    Ok(())
}

fn datagrams(arguments: &Arguments, ready: &mpsc::Sender<()>) -> Result<Report> {
    let socket = UdpSocket::bind((STACK, PORT))?;
    ready.send(())?;
    let mut buffer = vec![0; 65_536];
    let count = if arguments.row == Row::TapUdpSegmented { SEGMENTS } else { 1 };
    if arguments.row != Row::TapUdpReceive {
        thread::sleep(Duration::from_millis(300));
        if count > 1 {
            peer::set_option(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, DATAGRAM as i32)?;
        }
    }
    let meter = Meter::wall(arguments, 4096);
    loop {
        let sent = match arguments.row {
            Row::TapUdpReceive => socket.recv(&mut buffer),
            _ => socket.send_to(&buffer[..count * DATAGRAM], (KERNEL, PORT)),
        };
        if sent.is_ok() && meter.add(count as u64) {
            return Ok(meter.report());
        }
        if sent.is_err_and(|error| error.kind() == std::io::ErrorKind::Other) {
            return Err(anyhow!("the socket failed"));
        }
    }
}
