//! Datagrams.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::lab::{self, ECHO, STACK, Setting};

fn socket(port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(("10.0.0.1", 0))?;
    socket.connect((STACK, port))?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(socket)
}

/// Each size comes back whole: alone in a frame, and in fragments both ways.
pub(crate) fn echo() -> Result<()> {
    lab::start(Setting::default())?;
    sizes()
}

/// From nothing to the largest datagram.
pub(crate) fn sizes() -> Result<()> {
    let socket = socket(ECHO)?;
    for size in [0, 1, 2, 17, 18, 512, 1471, 1472, 1473, 1480, 2000, 9000, 40_001, 65_507] {
        let sent: Vec<u8> = (0..size).map(|i| (i * 7 + size) as u8).collect();
        socket.send(&sent)?;
        let mut buffer = vec![0; 65_536];
        let len = socket.recv(&mut buffer).with_context(|| format!("{size} bytes"))?;
        ensure!(buffer[..len] == sent, "{size} bytes came back as {len} others");
    }
    Ok(())
}

pub(crate) fn closed() -> Result<()> {
    lab::start(Setting::default())?;
    refused()
}

/// Where nobody listens, the sender is told so.
pub(crate) fn refused() -> Result<()> {
    let socket = socket(4711)?;
    socket.send(b"anybody?")?;
    let error = socket.recv(&mut [0; 16]).err().map(|error| error.kind());
    ensure!(error == Some(ErrorKind::ConnectionRefused), "{error:?}");
    Ok(())
}
