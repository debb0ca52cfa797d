//! The newest lease, for whoever wants to know.

use core::future::poll_fn;
use core::task::Poll;

use traits::WakerSet;

use crate::lease::Lease;
use crate::machine::StateName;

/// What a watch looks at.
pub(crate) trait Watched {
    /// The lease, and what grows with it.
    fn newest(&self) -> (Option<Lease>, u32);
    /// The state.
    fn state(&self) -> StateName;
    /// Those who wait.
    fn watchers(&self) -> &WakerSet;
}

/// The leases of a client, as a watch: it shows the newest one only, so that
/// there is no queue that could fill.
///
/// Any number of them may be had; each sees the lease in force when it is
/// first asked.
pub struct Leases<'a> {
    client: &'a dyn Watched,
    seen: u32,
    state: Option<StateName>,
}

impl<'a> Leases<'a> {
    pub(crate) fn new(client: &'a dyn Watched) -> Self {
        Self { client, seen: 0, state: None }
    }

    /// Waits for a lease that was not seen yet: a new one, or the same
    /// renewed. A lease that ended meanwhile is skipped.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Lease {
        loop {
            if let Some(lease) = self.changed().await {
                return lease;
            }
        }
    }

    /// Waits until a lease begins, is renewed, or ends (`None`).
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Option<Lease> {
        poll_fn(|context| {
            let (lease, serial) = self.client.newest();
            if serial == self.seen {
                self.client.watchers().register(context.waker());
                return Poll::Pending;
            }
            self.seen = serial;
            Poll::Ready(lease)
        })
        .await
    }

    /// Waits until the client's state is another than the one last returned
    /// here. States passed through meanwhile are not seen.
    pub async fn state(&mut self) -> StateName {
        poll_fn(|context| {
            let state = self.client.state();
            if self.state == Some(state) {
                self.client.watchers().register(context.waker());
                return Poll::Pending;
            }
            self.state = Some(state);
            Poll::Ready(state)
        })
        .await
    }
}

impl core::fmt::Debug for Leases<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Leases").field("seen", &self.seen).field("state", &self.state).finish_non_exhaustive()
    }
}
