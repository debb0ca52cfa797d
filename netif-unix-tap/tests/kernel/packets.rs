//! Just enough of the protocols to talk with the kernel by hand.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::task::Poll;
use std::time::Duration;

use netif_unix_tap::{Options, Tap, setup};
use os::Os;
use os::unix::Unix;
use traits::{Network, RxMeta, Time, TxMeta};
use wire::{Checksum, Cidr, EtherType, MacAddr, Protocol, checksum};

pub const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const ETHERNET: usize = 14;
pub const TRANSPORT: usize = ETHERNET + 20;

/// How long the kernel may take before a test counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// This end of a cable whose other end is the kernel's.
pub struct Cable<'a> {
    pub os: &'a Os<Unix>,
    pub tap: Tap<&'a Os<Unix>>,
    kernel: MacAddr,
    frames: RefCell<VecDeque<(Vec<u8>, RxMeta)>>,
}

impl<'a> Cable<'a> {
    pub fn new(os: &'a Os<Unix>, options: Options) -> Self {
        let tap = options.open(os, "tap%d").unwrap();
        setup::bring_up(&tap.name(), Cidr::new(KERNEL, 24)).unwrap();
        let kernel = setup::mac(&tap.name()).unwrap();
        Self { os, tap, kernel, frames: RefCell::default() }
    }

    /// Sends an IPv4 packet with the transport header and payload given.
    pub fn send(&self, protocol: Protocol, meta: TxMeta, transport: &[u8]) {
        let len = TRANSPORT + transport.len();
        let fill = |buffer: &mut [u8]| {
            buffer[..6].copy_from_slice(&self.kernel.0);
            buffer[6..12].copy_from_slice(&self.tap.mac().0);
            buffer[12..14].copy_from_slice(&EtherType::IPV4.0.to_be_bytes());
            let total = (20 + transport.len() as u16).to_be_bytes();
            let mut ip =
                [0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, protocol.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            ip[12..16].copy_from_slice(&OURS.octets());
            ip[16..20].copy_from_slice(&KERNEL.octets());
            let sum = checksum(&ip);
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
            buffer[ETHERNET..TRANSPORT].copy_from_slice(&ip);
            buffer[TRANSPORT..].copy_from_slice(transport);
            len
        };
        self.tap.write(meta, len, fill).unwrap();
    }

    /// Runs the loop until `wanted` finds what it looks for among the frames
    /// that arrive. Answers the kernel's ARP requests meanwhile.
    pub fn expect<T>(&self, what: &str, mut wanted: impl FnMut(&[u8], RxMeta) -> Option<T>) -> T {
        let found = self.os.run(async {
            let listens = async {
                self.tap
                    .listen(|frame| self.frames.borrow_mut().push_back((frame.bytes.to_vec(), frame.meta)))
                    .await
                    .map(|never| match never {})
            };
            let looks = async {
                Ok(poll_fn(|context| {
                    while let Some((frame, meta)) = self.next() {
                        if let Some(found) = wanted(&frame, meta) {
                            return Poll::Ready(Some(found));
                        }
                    }
                    context.waker().wake_by_ref();
                    Poll::Pending
                })
                .await)
            };
            let gives_up = async {
                self.os.sleep(PATIENCE).await;
                Ok(None)
            };
            os::race!(listens, looks, gives_up)
        });
        found.unwrap().unwrap_or_else(|| panic!("the kernel never sent {what}"))
    }

    /// Runs the loop until `done` is satisfied.
    pub fn until<T>(&self, what: &str, mut done: impl FnMut() -> Option<T>) -> T {
        let result = self.os.run(async {
            let asks = async {
                loop {
                    if let Some(result) = done() {
                        return Some(result);
                    }
                    os::yield_now().await;
                }
            };
            let gives_up = async {
                self.os.sleep(PATIENCE).await;
                None
            };
            os::race!(asks, gives_up)
        });
        result.unwrap_or_else(|| panic!("the kernel never {what}"))
    }

    fn next(&self) -> Option<(Vec<u8>, RxMeta)> {
        let (frame, meta) = self.frames.borrow_mut().pop_front()?;
        if frame[12..14] == EtherType::ARP.0.to_be_bytes() && frame[21] == 1 && frame[38..42] == OURS.octets() {
            self.answer_arp(&frame);
        }
        Some((frame, meta))
    }

    /// RFC 826: turned round, with the own address filled in.
    fn answer_arp(&self, request: &[u8]) {
        let mac = self.tap.mac().0;
        let mut reply = request[..42].to_vec();
        reply[..6].copy_from_slice(&request[6..12]);
        reply[6..12].copy_from_slice(&mac);
        reply[21] = 2;
        reply[22..28].copy_from_slice(&mac);
        reply[28..32].copy_from_slice(&OURS.octets());
        reply[32..42].copy_from_slice(&request[22..32]);
        self.tap
            .write(TxMeta::NONE, 42, |buffer| {
                buffer.copy_from_slice(&reply);
                42
            })
            .unwrap();
    }
}

/// The transport header and payload of an IPv4 packet of `protocol`.
pub fn transport(frame: &[u8], protocol: Protocol) -> Option<&[u8]> {
    let is_ipv4 = frame[12..14] == EtherType::IPV4.0.to_be_bytes();
    let total = usize::from(u16::from_be_bytes([*frame.get(16)?, *frame.get(17)?]));
    (is_ipv4 && frame[23] == protocol.0).then(|| &frame[TRANSPORT..ETHERNET + total])
}

/// The sum over the pseudo-header and `bytes`, from the side given.
pub fn sum(src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol, bytes: &[u8]) -> Checksum {
    Checksum::pseudo(src, dst, protocol, bytes.len()).bytes(bytes)
}

/// How the checksum of a segment that we send is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Make {
    /// By us.
    Whole,
    /// By the device: the field holds the sum of the pseudo-header.
    Partial,
    /// Not right.
    Wrong,
}

/// Puts the checksum at `offset` of a transport header, which holds 0 there.
pub fn put_checksum(bytes: &mut [u8], protocol: Protocol, offset: usize, make: Make) {
    let value = match make {
        Make::Whole => sum(OURS, KERNEL, protocol, bytes).finish(),
        Make::Partial => Checksum::pseudo(OURS, KERNEL, protocol, bytes.len()).partial(),
        Make::Wrong => sum(OURS, KERNEL, protocol, bytes).finish() ^ 0x5555,
    };
    bytes[offset..offset + 2].copy_from_slice(&value.to_be_bytes());
}
