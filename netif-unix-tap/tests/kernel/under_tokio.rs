//! The whole stack under tokio, with the kernel's sockets under it too.

#[path = "../../examples/under_tokio.rs"]
pub mod example;

use std::net::SocketAddrV4;
use std::time::Duration;

use netif_unix_tap::setup;
use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};
use wire::Cidr;

use crate::packets::{KERNEL, OURS};

const PEER: SocketAddrV4 = SocketAddrV4::new(OURS, 7);

pub fn echoes_datagrams_and_connections() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let clients = async {
        // The tap is opened, and the kernel's end brought up, before its
        // sockets can be bound.
        tokio::task::yield_now().await;
        setup::bring_up("tap0", Cidr::new(KERNEL, 24)).unwrap();
        datagrams().await;
        connection().await;
    };
    runtime.block_on(async {
        let stack = async { panic!("{:?}", example::serve("tap0").await) };
        let clients = async { tokio::time::timeout(Duration::from_secs(60), clients).await.unwrap() };
        os::race!(stack, clients);
    });
}

async fn datagrams() {
    let socket = UdpSocket::bind(SocketAddrV4::new(KERNEL, 0)).await.unwrap();
    for len in [1, 1_000, 1_472] {
        let sent = vec![len as u8; len];
        socket.send_to(&sent, PEER).await.unwrap();
        let mut received = [0; 2_000];
        let (len, from) = socket.recv_from(&mut received).await.unwrap();
        assert_eq!((&received[..len], from), (&sent[..], PEER.into()));
    }
}

/// A megabyte there and back, both at once.
async fn connection() {
    let stream = TcpStream::connect(PEER).await.unwrap();
    let sent: Vec<u8> = (0..1 << 20).map(|index: usize| (index * 7 % 251) as u8).collect();
    let mut received = Vec::new();
    let mut buffer = vec![0; 65_536];
    let mut written = 0;
    while received.len() < sent.len() {
        let wanted =
            if written < sent.len() { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let ready = stream.ready(wanted).await.unwrap();
        if ready.is_writable()
            && written < sent.len()
            && let Ok(len) = stream.try_write(&sent[written..])
        {
            written += len;
        }
        if ready.is_readable()
            && let Ok(len @ 1..) = stream.try_read(&mut buffer)
        {
            received.extend_from_slice(&buffer[..len]);
        }
    }
    assert!(received == sent);
}
