//! What names a connection.

use core::net::{Ipv4Addr, SocketAddrV4};

/// Both ends of a connection, seen from this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tuple {
    pub(crate) local: Ipv4Addr,
    pub(crate) remote: Ipv4Addr,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
}

impl Tuple {
    pub(crate) const fn new(local: SocketAddrV4, remote: SocketAddrV4) -> Self {
        Self { local: *local.ip(), remote: *remote.ip(), local_port: local.port(), remote_port: remote.port() }
    }

    pub(crate) const fn local(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.local, self.local_port)
    }

    pub(crate) const fn remote(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.remote, self.remote_port)
    }

    /// The twelve bytes that are hashed.
    pub(crate) fn bytes(&self) -> [u8; 12] {
        let ports = u32::from(self.local_port) << 16 | u32::from(self.remote_port);
        let mut bytes = [0; 12];
        let words = [self.local.to_bits(), self.remote.to_bits(), ports];
        for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *place = word.to_be_bytes();
        }
        bytes
    }
}
