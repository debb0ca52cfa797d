//! What the tests share.

#![allow(dead_code, reason = "each test program uses a part")]

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use netif_memory::{Simulator, VirtualClock};
use netif_xen_netfront::simulation::{Attachment, BackQueue, Device, Guest, World};
use netif_xen_netfront::{ConnectError, DomainId, Netfront, Options};
use traits::{Frame, Instant, Network, RxMeta};

pub(crate) const DOM0: DomainId = DomainId(0);
pub(crate) const GUEST: DomainId = DomainId(5);

pub(crate) type Clock<'c> = &'c VirtualClock;
pub(crate) type Front<'w, 'c, const QUEUES: usize = 1> = Netfront<Guest<'w, Clock<'c>>, QUEUES>;

/// Small rings, so that bounds are near.
pub(crate) fn few() -> Options {
    Options::new().with_tx_pages(4).with_rx_pages(8)
}

/// Runs `future` until the end of a virtual hour.
pub(crate) fn run<F: Future>(clock: &VirtualClock, future: F) -> F::Output {
    Simulator::new(clock).until(Instant::from_secs(3600)).run(future).expect("the simulation ends")
}

/// Polls once.
pub(crate) fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A frontend connected to a backend that a test plays by hand.
pub(crate) async fn by_hand<'w, 'c, const QUEUES: usize>(
    world: &'w World<Clock<'c>>,
    attachment: &Attachment,
    options: Options,
) -> Result<(Front<'w, 'c, QUEUES>, Device<'w, Clock<'c>>, Vec<BackQueue<'w, Clock<'c>>>), ConnectError> {
    let device = Device::new(world, DOM0, GUEST, 0);
    device.attach(attachment);
    device.offer(attachment);
    let front = Netfront::connect_with(world.guest(GUEST), 0, options).await?;
    device.set_state(4);
    let queues = device.queues().expect("the frontend has written all");
    Ok((front, device, queues))
}

/// A frame as it came.
pub(crate) type Received = (Vec<u8>, RxMeta);

/// Lets the frontend listen until nothing happens any more; what it got.
pub(crate) async fn listen_for<N: Network>(
    clock: &VirtualClock,
    front: &N,
    duration: Duration,
) -> Vec<Received> {
    use traits::Time;
    let mut got = Vec::new();
    {
        let mut listen = pin!(front.listen(|frame: Frame<'_>| got.push((frame.bytes.to_vec(), frame.meta))));
        let mut sleep = pin!(clock.sleep(duration));
        poll_fn(|context| {
            assert!(listen.as_mut().poll(context).is_pending(), "listen does not end");
            sleep.as_mut().poll(context)
        })
        .await;
    }
    got
}

pub(crate) const SHORT: Duration = Duration::from_millis(1);

/// An Ethernet frame of `len` bytes with an IPv4 header and the start of TCP.
pub(crate) fn tcp_frame(len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|index| index as u8).collect();
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14] = 0x45;
    frame[20..22].copy_from_slice(&[0x40, 0]);
    frame[23] = 6;
    frame[46] = 0x50;
    frame
}
