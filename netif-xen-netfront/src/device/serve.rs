//! What `listen` does while a backend is connected.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use traits::{Frame, Instant};

use super::{BATCH, Direction, Link, Netfront, Queues, Receive, publish};
use crate::counters::{Breach, increment};
use crate::receive::{Received, RxQueue};
use crate::transmit::Transmit;
use crate::{Channel, Hypervisor, Watch};

/// How often one look for room asks again at once, for a backend that
/// answers meanwhile.
const LOOKS: usize = 4;

impl<H: Hypervisor, const QUEUES: usize> Netfront<H, QUEUES> {
    /// One pass over the rings. Ready when there is something to look at but
    /// frames: the backend's state has changed, or the link has.
    pub(super) fn poll_serve(&self, context: &mut Context<'_>, input: &mut impl FnMut(Frame<'_>)) -> Poll<()> {
        self.idle.register(context.waker());
        if self.poll_backend(context.waker()) {
            return Poll::Ready(());
        }
        self.poll_channels(context.waker());
        let more = self.receive(input) | self.serve_waiters();
        if !self.is_up() {
            return Poll::Ready(());
        }
        // What listeners wrote, in one go.
        traits::Layer::flush(self);
        if more {
            self.backlog.batch_was_full();
        } else {
            self.backlog.clear();
        }
        // An event that came in between has to be asked for again.
        if more | self.poll_channels(context.waker()) {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether the backend's state may have changed.
    fn poll_backend(&self, waker: &Waker) -> bool {
        let Ok(backend) = self.backend.try_borrow() else { return false };
        backend.as_ref().is_none_or(|backend| backend.watch.poll_fired(waker).is_ready())
    }

    /// Whether an event has come on any channel.
    fn poll_channels(&self, waker: &Waker) -> bool {
        let Ok(channels) = self.channels.try_borrow() else { return false };
        let each = channels.iter().flat_map(|channels| [Some(&channels.tx), channels.rx.as_ref()]).flatten();
        // All of them, so that each keeps the waker.
        let events = each.filter(|channel| channel.poll_event(waker).is_ready()).count() as u64;
        if events > 0 {
            self.count(|counters| counters.events_received = counters.events_received.wrapping_add(events));
        }
        events > 0
    }

    /// Hands up what waits, up to a batch, and gives the pages back; whether
    /// more waits.
    fn receive(&self, input: &mut impl FnMut(Frame<'_>)) -> bool {
        let mut wanted = Queues::default();
        let more = match self.receive.try_borrow_mut() {
            Ok(mut receive) => self.drain_all(&mut receive, &mut wanted, input),
            // Another listener's, which comes first.
            Err(_) => Ok(false),
        };
        self.notify(wanted, Direction::Receive);
        more.unwrap_or_else(|breach| {
            self.give_up(breach);
            false
        })
    }

    fn drain_all(
        &self,
        receive: &mut Receive<H, QUEUES>,
        wanted: &mut Queues,
        input: &mut impl FnMut(Frame<'_>),
    ) -> Result<bool, Breach> {
        let Some(buffer) = receive.buffer.as_mut() else { return Ok(false) };
        let count = receive.queues.len();
        let mut left = BATCH;
        let mut more = false;
        for turn in 0..count {
            let index = (receive.first + turn) % count;
            let Some(queue) = receive.queues.get_mut(index) else { break };
            more |= self.drain(queue, buffer.as_mut(), &mut left, input)?;
            if !self.is_up() {
                return Ok(false);
            }
            if queue.publish() {
                wanted.insert(index);
            }
        }
        // Another queue comes first next time.
        receive.first = (receive.first + 1) % count.max(1);
        Ok(more)
    }

    /// Wakes those who wait for room, if there is some; whether to come back
    /// at once.
    fn serve_waiters(&self) -> bool {
        if self.room.is_empty() {
            return false;
        }
        match self.look_for_room() {
            Room::Some => {
                self.room.wake();
                false
            }
            Room::None => false,
            Room::Perhaps => true,
        }
    }

    /// Whether there is room for a frame of the largest size, or nothing to
    /// wait for.
    pub(super) fn look_for_room(&self) -> Room {
        if !self.is_up() {
            return Room::Some;
        }
        let (len, large) = self.largest();
        let (room, wanted) = {
            // In use by a filler, which does not wait for room.
            let Ok(mut transmit) = self.transmit.try_borrow_mut() else { return Room::Perhaps };
            let Some(transmit) = transmit.as_mut() else { return Room::Some };
            let room = look(transmit, len, large);
            self.count_failed(transmit);
            (room, publish(transmit))
        };
        self.notify(wanted, Direction::Transmit);
        room.unwrap_or_else(|breach| {
            self.give_up(breach);
            Room::Some
        })
    }

    fn count_failed(&self, transmit: &mut Transmit<H, QUEUES>) {
        let failed = transmit.take_failed();
        if failed > 0 {
            self.count(|counters| counters.tx_failed = counters.tx_failed.wrapping_add(failed));
            self.count_statistics(|statistics| {
                statistics.tx_dropped = statistics.tx_dropped.wrapping_add(failed);
            });
        }
    }

    /// Waits until `deadline`, or until the device is disconnected.
    pub(super) async fn wait_until(&self, deadline: Instant) {
        let mut sleep = pin!(self.hypervisor.sleep_until(deadline));
        core::future::poll_fn(|context| {
            if self.link.get() == Link::Ended {
                return Poll::Ready(());
            }
            self.idle.register(context.waker());
            sleep.as_mut().poll(context)
        })
        .await;
    }
}

impl<H: Hypervisor, const QUEUES: usize> Netfront<H, QUEUES> {
    /// Hands up frames of one queue; whether more waits, of which no event
    /// will tell.
    fn drain(
        &self,
        queue: &mut RxQueue<H::Shared>,
        buffer: &mut [u8],
        left: &mut usize,
        input: &mut impl FnMut(Frame<'_>),
    ) -> Result<bool, Breach> {
        while *left > 0 {
            match queue.receive(buffer)? {
                Received::Frame(len, meta) => {
                    self.count_statistics(|statistics| {
                        statistics.rx_packets = statistics.rx_packets.wrapping_add(1);
                        statistics.rx_bytes = statistics.rx_bytes.wrapping_add(len as u64);
                    });
                    input(Frame::new(buffer.get(..len).unwrap_or_default(), meta));
                    if !self.is_up() {
                        return Ok(false);
                    }
                }
                Received::Dropped(reason) => {
                    self.count(|counters| counters.dropped(reason));
                    self.count_statistics(|statistics| increment(&mut statistics.rx_dropped));
                }
                Received::Nothing => {
                    queue.post();
                    return Ok(queue.arm(queue.available()?));
                }
            }
            queue.post_some();
            *left -= 1;
        }
        Ok(true)
    }
}

/// What a look for room has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(super) enum Room {
    /// There is some, or no backend to wait for.
    Some,
    /// None, and there will be an event.
    None,
    /// It is worth another look at once.
    Perhaps,
}

/// Takes what the backend has answered, and asks for an event where that is
/// not enough for a frame of `len` bytes.
fn look<H: Hypervisor, const QUEUES: usize>(
    transmit: &mut Transmit<H, QUEUES>,
    len: usize,
    large: bool,
) -> Result<Room, Breach> {
    for _ in 0..LOOKS {
        transmit.reap()?;
        if transmit.has_room(len, large) {
            return Ok(Room::Some);
        }
        if !transmit.arm() {
            return Ok(Room::None);
        }
    }
    // A backend that is as fast as this, or that plays with its index.
    Ok(Room::Perhaps)
}

/// How long to wait before the next connection, so that a backend that breaks
/// each one gets few.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Backoff {
    until: Instant,
    pause: Duration,
}

impl Backoff {
    /// No connection was broken yet.
    pub(super) const NONE: Self = Self { until: Instant::ZERO, pause: Self::SHORTEST };

    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(64);

    /// A connection has broken: twice as long as the last time, unless it has
    /// held for long.
    pub(super) fn broken(&mut self, now: Instant) {
        let held = now.duration_since(self.until) > Self::LONGEST;
        let never = self.until == Instant::ZERO;
        self.pause = if held || never { Self::SHORTEST } else { (self.pause * 2).min(Self::LONGEST) };
        self.until = now + self.pause;
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

/// The turn to listen, which one future at a time has.
pub(super) struct Turn<'a, H: Hypervisor, const QUEUES: usize> {
    device: &'a Netfront<H, QUEUES>,
    mine: bool,
}

impl<'a, H: Hypervisor, const QUEUES: usize> Turn<'a, H, QUEUES> {
    pub(super) fn new(device: &'a Netfront<H, QUEUES>) -> Self {
        Self { device, mine: false }
    }

    pub(super) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.mine || !self.device.listening.replace(true) {
            self.mine = true;
            return Poll::Ready(());
        }
        self.device.idle.register(context.waker());
        Poll::Pending
    }
}

impl<H: Hypervisor, const QUEUES: usize> Drop for Turn<'_, H, QUEUES> {
    fn drop(&mut self) {
        if self.mine {
            self.device.listening.set(false);
            self.device.backlog.clear();
            self.device.idle.wake();
        }
    }
}
