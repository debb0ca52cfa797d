//! The kernel's side of the demonstration: ordinary sockets that talk to the
//! stack over the tap.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recvfrom, sendto, socket, sockopt,
};

use super::Outcome;

/// How long to wait for any one answer.
const PATIENCE: Duration = Duration::from_secs(5);

fn timed(title: impl Into<String>, run: impl FnOnce() -> Result<String>) -> Result<Outcome> {
    let title = title.into();
    let start = Instant::now();
    let result = run().with_context(|| title.clone())?;
    Ok(Outcome { title, result, took: start.elapsed() })
}

/// Pings `host` `count` times with `size` bytes of payload.
pub(super) fn ping(host: Ipv4Addr, size: usize, count: u16) -> Result<Outcome> {
    timed(format!("ping {host}, {size} bytes, {count} times"), || {
        let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))?;
        sockopt::set_socket_timeout(&raw, sockopt::Timeout::Recv, Some(PATIENCE))?;
        let identifier = std::process::id() as u16;
        for sequence in 1..=count {
            let request = echo_request(identifier, sequence, size);
            sendto(&raw, &request, SendFlags::empty(), &SocketAddrV4::new(host, 0))?;
            let start = Instant::now();
            while !is_reply(&raw, &request)? {
                ensure!(start.elapsed() < PATIENCE, "no answer to request {sequence}");
            }
        }
        Ok(format!("{count} answers, each with the bytes sent"))
    })
}

/// An ICMP echo request (RFC 792) with its checksum.
fn echo_request(identifier: u16, sequence: u16, size: usize) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0];
    message.extend(identifier.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend((0..size).map(|i| i as u8));
    let sum = fata::wire::checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// Reads one packet: is it the answer to `request`? A raw socket gets all of
/// ICMP, its own echo included.
fn is_reply(raw: &impl std::os::fd::AsFd, request: &[u8]) -> Result<bool> {
    let mut buffer = vec![0; 65_535 + 20];
    let (_, len, _) = recvfrom(raw, &mut buffer, RecvFlags::empty()).context("no answer")?;
    let header = usize::from(buffer[0] & 15) * 4;
    let Some(message) = buffer[..len].get(header..) else { return Ok(false) };
    Ok(message.first() == Some(&0) && message.get(4..) == request.get(4..))
}

/// Gets `path` over TCP and returns what the page says.
pub(super) fn page(host: Ipv4Addr, port: u16) -> Result<Outcome> {
    timed(format!("get http://{host}:{port}/ over TCP"), || {
        let address = SocketAddrV4::new(host, port);
        let mut stream = TcpStream::connect_timeout(&address.into(), PATIENCE).context("connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("read the page")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        ensure!(head.contains("200 OK"), "refused: {head}");
        Ok(format!("{:?}", body.trim_end()))
    })
}

/// Connects to a port that nobody has: it must be refused at once.
pub(super) fn closed_port(host: Ipv4Addr, port: u16) -> Result<Outcome> {
    timed(format!("connect to {host} port {port}, which is closed"), || {
        match TcpStream::connect_timeout(&SocketAddrV4::new(host, port).into(), PATIENCE) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok("refused".to_owned()),
            Err(error) => bail!("expected a refusal, got: {error}"),
            Ok(_) => bail!("expected a refusal, got a connection"),
        }
    })
}

/// Sends a datagram to a port that nobody has: ICMP must say so.
pub(super) fn datagram(host: Ipv4Addr, port: u16) -> Result<Outcome> {
    timed(format!("send UDP to {host} port {port}"), || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect((host, port))?;
        socket.send(b"hello")?;
        match socket.recv(&mut [0; 64]) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                Ok("seen by the stack, and answered: port unreachable".to_owned())
            }
            Err(error) => bail!("expected port unreachable, got: {error}"),
            Ok(n) => bail!("expected port unreachable, got {n} bytes"),
        }
    })
}
