//! What the tests share.

#![allow(dead_code, reason = "each test uses its part")]

use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use netif_memory::{Simulator, VirtualClock};
use traits::{Frame, Instant, Layer, Network, RxMeta, Time, TxMeta};
use wire::MacAddr;

/// A frame that was received: when, its bytes, and the device's word on it.
pub(crate) type Received = (Instant, Vec<u8>, RxMeta);

/// Polls all futures at each poll, in order; done when all are. Listening
/// never is.
pub(crate) struct All<'a>(pub(crate) Vec<Pin<Box<dyn Future<Output = ()> + 'a>>>);

impl Future for All<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if self.0.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Listens and keeps all that arrives.
pub(crate) async fn collect(device: impl Network, into: &RefCell<Vec<Received>>) {
    let _ = device.listen(|frame| keep(&device, frame, into)).await;
}

pub(crate) fn keep(device: &impl Layer, frame: Frame<'_>, into: &RefCell<Vec<Received>>) {
    into.borrow_mut().push((device.now(), frame.bytes.to_vec(), frame.meta));
}

/// Writes a frame as it is.
pub(crate) fn send(device: impl Network, bytes: &[u8]) -> Result<(), traits::SendError> {
    send_with(device, TxMeta::NONE, bytes)
}

pub(crate) fn send_with(device: impl Network, meta: TxMeta, bytes: &[u8]) -> Result<(), traits::SendError> {
    device.write(meta, bytes.len(), |buffer| {
        buffer.copy_from_slice(bytes);
        bytes.len()
    })
}

/// A frame of `len` bytes from `src` to `dst` whose payload is `fill`.
pub(crate) fn frame(dst: MacAddr, src: MacAddr, len: usize, fill: u8) -> Vec<u8> {
    let mut bytes = vec![fill; len];
    bytes[..6].copy_from_slice(&dst.0);
    bytes[6..12].copy_from_slice(&src.0);
    bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
    bytes
}

/// Runs tasks up to a time.
pub(crate) fn run_until(clock: &VirtualClock, tasks: &mut All<'_>, until: Instant) {
    let polled = Simulator::new(clock).run_until(Pin::new(tasks), until);
    assert!(polled.is_ok(), "{polled:?}");
    assert!(clock.now() >= until || tasks.0.is_empty());
}

pub(crate) const fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

pub(crate) const fn us(micros: u64) -> Instant {
    Instant::from_micros(micros)
}
