//! A tap over one end of a pair of sockets, and what the other end does.

#![allow(dead_code, unreachable_pub)]

use std::cell::RefCell;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;

use netif_unix_tap::{Options, Tap};
use os::Os;
use os::unix::Unix;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use traits::{Network, RxMeta};
use wire::MacAddr;

pub const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub const MTU: usize = 1500;

pub fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

pub fn tap(os: &Os<Unix>) -> (Tap<&Os<Unix>>, OwnedFd) {
    let (near, far) = pair();
    (Options::new().over(os, near, MAC, MTU).unwrap(), far)
}

/// `struct virtio_net_hdr` and a frame of `len` bytes.
pub fn message(flags: u8, gso_type: u8, [hdr_len, gso_size, start, offset]: [u16; 4], len: usize) -> Vec<u8> {
    let mut bytes = vec![flags, gso_type];
    for field in [hdr_len, gso_size, start, offset] {
        bytes.extend_from_slice(&field.to_ne_bytes());
    }
    bytes.extend((0..len).map(|index| index as u8));
    bytes
}

pub fn send(far: &OwnedFd, bytes: &[u8]) {
    assert_eq!(rustix::io::write(far, bytes).unwrap(), bytes.len());
}

pub fn receive(far: &OwnedFd) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 70_000];
    let len = rustix::io::read(far, &mut buffer[..]).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

/// All frames that wait, with what the device says of each.
pub fn listen(os: &Os<Unix>, tap: &Tap<&Os<Unix>>) -> Vec<(Vec<u8>, RxMeta)> {
    let frames = RefCell::new(Vec::new());
    os.run(async {
        let listens = async {
            tap.listen(|frame| frames.borrow_mut().push((frame.bytes.to_vec(), frame.meta))).await.map(drop)
        };
        let passes = async {
            for _ in 0..8 {
                os::yield_now().await;
            }
            Ok(())
        };
        os::race!(listens, passes)
    })
    .unwrap();
    frames.take()
}

pub fn size(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).unwrap()
}
