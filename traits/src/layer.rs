//! What all layers have in common.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Poll, Waker};

use crate::{Capabilities, Instant, Never, Time};

/// A storey of the tower, the driver included.
///
/// Each method concerns the layer and everything below it.
pub trait Layer {
    /// The device's monotonic clock.
    ///
    /// The system's on a tap, virtual in memory, the capture's in a replay.
    fn now(&self) -> Instant;

    /// What the device does for whoever writes through this layer, with
    /// `gso_max_size` in bytes of this layer's payload.
    fn capabilities(&self) -> Capabilities;

    /// Does all that is due at `now`, and returns when something is due next.
    ///
    /// The returned deadline lies after `now`. `waker` is kept, beside those
    /// of other tasks, and woken when an earlier deadline comes up or there
    /// is something to transmit.
    fn poll(&self, now: Instant, waker: &Waker) -> Option<Instant>;

    /// Whether the device has room for a frame of the largest size; `waker`
    /// is kept and woken when it has.
    fn poll_room(&self, waker: &Waker) -> Poll<()>;

    /// Whether frames wait that had arrived when the listener last yielded:
    /// it had handed over as many as it may in one go.
    ///
    /// What a timer waits for may be among them, so a layer whose timers
    /// blame the network looks at them later; it asks when a timer is due. A
    /// device says so for a bounded number of goes from when it was first
    /// asked: timers run, however busy it is. Where the clock stands still
    /// until all is read, it is `false`.
    fn has_backlog(&self) -> bool;

    /// Sends what was held back for frames to follow
    /// ([`TxMeta::more`](crate::TxMeta::more)).
    fn flush(&self);

    /// The task of a tower: [polls](Layer::poll) this layer and with it all
    /// below, whenever woken or due.
    ///
    /// Run it for the topmost layer. It never ends; dropping it stops the
    /// tower's timers and transmissions, nothing else.
    fn run(&self, time: &impl Time) -> impl Future<Output = Result<Never, Never>> {
        async move {
            let mut sleep = pin!(None);
            let mut armed = None;
            poll_fn(|context| {
                let deadline = self.poll(self.now(), context.waker());
                self.flush();
                if deadline != armed {
                    armed = deadline;
                    sleep.set(deadline.map(|at| time.sleep_until(at)));
                }
                if let Some(due) = sleep.as_mut().as_pin_mut()
                    && due.poll(context).is_ready()
                {
                    // Due already: once more, after the other tasks.
                    armed = None;
                    sleep.set(None);
                    context.waker().wake_by_ref();
                }
                Poll::Pending
            })
            .await
        }
    }
}
