//! What the tests share: devices in virtual time, and what arrives over them.

#![allow(dead_code, reason = "each test program uses some of it")]

use core::cell::RefCell;
use core::future::Future;
use core::num::NonZeroU16;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use netif_faults::{Counts, Faults, Impairments, Probability};
use netif_memory::{Heap, Link, Port, Settings, Simulator, VirtualClock};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use traits::{
    Capabilities, Frame, Instant, Layer, Network, Offload, RxMeta, SegmentationKind, SendError, Time, TxMeta,
};

pub(crate) type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

pub(crate) type Device<'a> = Faults<Port<'a, &'a VirtualClock, 2, Heap>, ChaCha8Rng>;
pub(crate) type Received = (Instant, Vec<u8>, RxMeta);

pub(crate) const NONE: Impairments = Impairments::NONE;

pub(crate) fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub(crate) fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

struct All<'a>(Vec<Task<'a>>);

impl Future for All<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.retain_mut(|task| task.as_mut().poll(context).is_pending());
        Poll::Pending
    }
}

pub(crate) fn run_until(clock: &VirtualClock, tasks: Vec<Task<'_>>, until: Instant) {
    let polled = Simulator::new(clock).run_until(pin!(All(tasks)), until);
    assert!(polled.is_ok(), "{polled:?}");
}

pub(crate) fn listen<'a>(device: &'a impl Network, into: &'a RefCell<Vec<Received>>) -> Task<'a> {
    let keep = |frame: Frame<'_>| into.borrow_mut().push((device.now(), frame.bytes.to_vec(), frame.meta));
    Box::pin(async move { device.listen(keep).await.map(|_| ()).unwrap() })
}

pub(crate) fn tower<'a>(device: &'a impl Layer, clock: &'a VirtualClock) -> Task<'a> {
    Box::pin(async move { device.run(clock).await.map(|_| ()).unwrap() })
}

pub(crate) fn send(device: &impl Network, bytes: &[u8]) -> Result<(), SendError> {
    send_with(device, TxMeta::NONE, bytes)
}

pub(crate) fn send_with(device: &impl Network, meta: TxMeta, bytes: &[u8]) -> Result<(), SendError> {
    device.write(meta, bytes.len(), |buffer| {
        buffer.copy_from_slice(bytes);
        bytes.len()
    })
}

/// What comes of ten frames of 5,000 bytes of TCP's, cut into pieces of 100 each, on a
/// way with `set`; and what befell them.
pub(crate) fn cut(set: Impairments, frame: &[u8]) -> (Counts, Vec<Received>) {
    let clock = VirtualClock::new();
    let offload = Settings::new().with_capabilities(Capabilities::new(Offload::all(), 65_550));
    let link = Link::new(&clock, offload);
    let [a, b] = link.ports();
    let device = Faults::new(a, random(5), set, NONE);
    let received = RefCell::default();
    let size = NonZeroU16::new(100).unwrap();
    let meta =
        TxMeta::NONE.with_checksum(34, 16).with_segmentation(SegmentationKind::Tcp4 { cwr: false }, size, 54);
    for _ in 0..10 {
        send_with(&device, meta, frame).unwrap();
    }
    run_until(&clock, vec![listen(&b, &received)], ms(1));
    (device.faults().transmit, received.take())
}

/// Numbers in frames, so that each is known again.
pub(crate) fn numbered(n: u32) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

pub(crate) fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*bytes.first_chunk().unwrap())
}

/// What arrives of `count` frames, one each millisecond, sent through faults
/// on the way out, or received through them.
pub(crate) fn pass(set: Impairments, outwards: bool, count: u32, seed: u64) -> (Vec<Received>, Counts) {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let (out, inn) = if outwards { (set, NONE) } else { (NONE, set) };
    let (sender, receiver) = (Faults::new(a, random(seed), out, NONE), Faults::new(b, random(seed), NONE, inn));
    let received = RefCell::default();
    let source = async {
        for n in 0..count {
            clock.sleep_until(ms(u64::from(n))).await;
            send(&sender, &numbered(n)).unwrap();
        }
    };
    let tasks =
        vec![listen(&receiver, &received), Box::pin(source), tower(&sender, &clock), tower(&receiver, &clock)];
    run_until(&clock, tasks, ms(u64::from(count) + 10_000));
    let counts = if outwards { sender.faults().transmit } else { receiver.faults().receive };
    (received.into_inner(), counts)
}

/// All of them at once.
pub(crate) fn everything() -> Impairments {
    NONE.with_loss(Probability::percent(10))
        .with_duplication(Probability::percent(10))
        .with_reordering(Probability::percent(10), Duration::from_millis(30))
        .with_bit_error(Probability::percent(5))
        .with_truncation(Probability::percent(5))
        .with_delay(Duration::from_millis(10), Duration::from_millis(5))
}
