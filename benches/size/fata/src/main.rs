//! DHCP and a TCP echo on a tap, without std, libc and heap. The tap is
//! descriptor 0, non-blocking and without a header before its frames.

#![no_std]
#![no_main]

#[path = "../../../../tests/nostd/src/start.rs"]
mod start;
#[path = "../../common/system.rs"]
mod system;

use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use dhcp_client::Dhcp;
use embassy_futures::join::join4;
use ethif::Ethif;
use ipv4::Ipv4;
use tcpv4::{Listener, Memory, Tcp};
use traits::{
    Capabilities, Console, Frame, Instant, Layer, MacAddr, Network, NetworkStatistics, Never, SendError, Time,
    TxMeta,
};
use udpv4::Udp;

/// The largest Ethernet frame.
const FRAME: usize = 1514;

/// The system's clock, and when somebody sleeps until.
struct Clock {
    now: Cell<Instant>,
    next: Cell<Option<Instant>>,
}

impl Time for Clock {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> {
        poll_fn(move |_| {
            if deadline <= self.now.get() {
                return Poll::Ready(());
            }
            self.next.set(Some(self.next.get().map_or(deadline, |next| next.min(deadline))));
            Poll::Pending
        })
    }
}

/// The tap.
struct Tap<'c> {
    clock: &'c Clock,
    transmit: RefCell<[u8; FRAME]>,
}

impl Layer for Tap<'_> {
    fn now(&self) -> Instant {
        Time::now(self.clock)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn poll(&self, _: Instant, _: &Waker) -> Option<Instant> {
        None
    }

    fn poll_room(&self, _: &Waker) -> Poll<()> {
        Poll::Ready(())
    }

    fn has_backlog(&self) -> bool {
        false
    }

    fn flush(&self) {}
}

impl Network for Tap<'_> {
    type Error = Never;

    fn mac(&self) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, 2])
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn write(&self, _: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        let mut buffer = self.transmit.try_borrow_mut().map_err(|_| SendError::Full)?;
        let frame = buffer.get_mut(..len).ok_or(SendError::TooLong)?;
        let used = fill(frame);
        system::write(frame.get(..used).unwrap_or_default());
        Ok(())
    }

    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, Never> {
        let mut buffer = [0; FRAME];
        poll_fn(|_| {
            while let Some(len) = system::read(&mut buffer) {
                input(Frame::from(buffer.get(..len).unwrap_or_default()));
            }
            Poll::Pending
        })
        .await
    }

    fn statistics(&self) -> NetworkStatistics {
        NetworkStatistics::ZERO
    }

    fn reset_statistics(&self) {}

    fn disconnect(&self) {}
}

struct Nowhere;

impl Console for Nowhere {
    fn write(&self, _: &[u8]) {}

    fn log(&self, _: impl core::fmt::Display) {}
}

/// A generator that is good enough to be counted.
struct Weak(u64);

impl rand_core::TryRng for Weak {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|word| (word >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for byte in bytes {
            *byte = self.try_next_u32()? as u8;
        }
        Ok(())
    }
}

fn main() -> u8 {
    let clock = Clock { now: Cell::new(Instant::from_nanos(system::now())), next: Cell::new(None) };
    let net = Tap { clock: &clock, transmit: RefCell::new([0; FRAME]) };
    let mut random = Weak(system::now());
    let mut memory = Memory::<4, 8192>::new();
    let e = Ethif::<_, 8, 0>::with_capacity(&net);
    // No fragments, no path MTU, nothing kept for ARP: as in the other program.
    let i = Ipv4::<_, 0, 0, 2, 0>::with_capacity(&e);
    let udp = Udp::connect(&i);
    let tcp = Tcp::connect_in(&i, &mut random, &mut memory);
    let dhcp = Dhcp::create(&Nowhere, &clock, random, &e, &i, &udp);
    let listener = Listener::<4>::with_capacity();
    let packets = net.listen(|frame| {
        e.input(frame, ethif::listeners().ipv4(|p| {
            i.input(
                p,
                ipv4::listeners()
                    .tcp(|s| tcp.input(s, |port| (port == 7).then_some(&listener as _)))
                    .udp(|d| udp.input(d, |port| dhcp.listen(port))),
            );
        }));
    });
    let echo = listener.serve(&tcp, async |mut flow| {
        let mut buffer = [0; 512];
        while let Ok(len @ 1..) = flow.read(&mut buffer).await {
            if flow.write_all(buffer.get(..len).unwrap_or_default()).await.is_err() {
                return;
            }
        }
        let _ = flow.close().await;
    });
    run(&clock, join4(packets, echo, dhcp.run(), tcp.run(&clock)))
}

/// Somebody was woken.
static WOKEN: AtomicBool = AtomicBool::new(true);

static TABLE: RawWakerVTable = RawWakerVTable::new(|_| raw(), |_| wake(), |_| wake(), |_| ());

const fn raw() -> RawWaker {
    RawWaker::new(core::ptr::null(), &TABLE)
}

fn wake() {
    WOKEN.store(true, Ordering::Relaxed);
}

fn run(clock: &Clock, tower: impl Future) -> u8 {
    // SAFETY: the functions of the table do not touch the pointer.
    let waker = unsafe { Waker::from_raw(raw()) };
    let mut context = Context::from_waker(&waker);
    let mut tower = pin!(tower);
    loop {
        clock.now.set(Instant::from_nanos(system::now()));
        while WOKEN.swap(false, Ordering::Relaxed) {
            clock.next.set(None);
            if tower.as_mut().poll(&mut context).is_ready() {
                return 1;
            }
        }
        system::wait(clock.next.get().map(Instant::as_nanos));
        wake();
    }
}
