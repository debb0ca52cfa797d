//! Finding a backend, agreeing with it, and leaving it.
//!
//! Both ends tell their state in xenstore. The frontend does one thing for each
//! state of the backend:
//!
//! | backend | frontend |
//! |---|---|
//! | gone | waits, also for `backend` to name another one |
//! | `Initialising` | waits |
//! | `InitWait` | reads features, writes rings and channels, `Connected` |
//! | `InitWait`, and the frontend is connected | lets it take the rings over as they are |
//! | `Initialised`, `Connected`, of a connection that is no more | `Closing` |
//! | `Closing` | `Closed` |
//! | `Closed`, and `online` is 1 | `Closed`, then `Initialising` |

use core::future::poll_fn;
use core::task::Poll;

use traits::Offload;

use super::{Agreed, Backend, Channels, ConnectError, Link, Netfront};
use crate::counters::increment;
use crate::frame::ETHERNET_HEADER;
use crate::hypervisor::PAGE;
use crate::pool::Pool;
use crate::protocol::MAX_FRAME;
use crate::receive::RxQueue;
use crate::store::{XenbusState, join, parse_mac, read_backend, read_flag, read_number, read_state};
use crate::transmit::{Transmit, TxQueue};
use crate::{DomainId, Hypervisor, StoreError, Watch};

/// Bytes by which a frame received may be longer than MTU and Ethernet
/// header: a VLAN tag.
pub(super) const VLAN_TAG: usize = 4;

/// The Ethernet payload unless xenstore says otherwise.
const DEFAULT_MTU: usize = 1500;
/// The smallest one that IPv4 allows (RFC 791 §3.2).
const MIN_MTU: usize = 68;

/// What the backend offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Offered {
    scatter_gather: bool,
    tcp4: bool,
    checksum: bool,
    split: bool,
    queues: usize,
}

impl<H: Hypervisor, const QUEUES: usize> Netfront<H, QUEUES> {
    /// Connects to a backend, waiting for one; also ready when the device is
    /// disconnected.
    ///
    /// Dropping it, or an error, leaves nothing half done: the next call
    /// begins anew.
    pub(super) async fn establish(&self) -> Result<(), ConnectError> {
        self.release();
        let Some((peer, backend)) = self.find().await? else { return Ok(()) };
        self.read_own().await?;
        let offered = self.read_offered(&backend.path).await?;
        self.agree(offered);
        let queues = offered.queues.clamp(1, QUEUES);
        self.prepare(peer, queues)?;
        self.open_channels(peer, queues, offered.split && self.options.split)?;
        self.announce(queues).await?;
        self.tell(XenbusState::Connected).await?;
        *self.backend.borrow_mut() = Some(backend);
        if self.link.get() != Link::Ended {
            self.link.set(Link::Up { confirmed: false });
            self.was_connected.set(true);
            self.count(|counters| increment(&mut counters.connections));
        }
        Ok(())
    }

    /// The backend's state may have changed: whether the link is still good.
    pub(super) async fn look_at_backend(&self) {
        let Link::Up { confirmed } = self.link.get() else { return };
        let path = self.backend.borrow().as_ref().map(|backend| backend.path.clone());
        let state = match path {
            // No answer is no state to act on; the next change asks again.
            Some(path) => match read_state(&self.hypervisor, &path).await {
                Ok(state) => state,
                Err(_) => return,
            },
            None => XenbusState::Unknown,
        };
        if !self.is_up() {
            return;
        }
        match state {
            XenbusState::Connected => self.link.set(Link::Up { confirmed: true }),
            // It has not looked yet; or it is a new one, which finds the
            // frontend connected and takes the rings over where they stand.
            XenbusState::InitWait => self.link.set(Link::Up { confirmed: false }),
            XenbusState::Initialising | XenbusState::Initialised if !confirmed => {}
            XenbusState::Initialising
            | XenbusState::Initialised
            | XenbusState::Unknown
            | XenbusState::Closing
            | XenbusState::Closed
            | XenbusState::Reconfiguring => {
                self.link.set(Link::Down);
                self.release();
                self.room.wake();
            }
        }
    }

    /// Tells the backend that the device is not used any more.
    pub(super) async fn take_leave(&self) {
        // Nobody is there to tell of a failure.
        if self.peer.get().is_some() {
            let _ = self.tell(XenbusState::Closing).await;
            let _ = self.tell(XenbusState::Closed).await;
        }
        self.release();
    }

    /// Lets go of what belongs to one connection. The pages stay granted.
    pub(super) fn release(&self) {
        // A tool stack may write it, if the device is attached anew.
        self.told.set(XenbusState::Unknown);
        self.backend.replace(None);
        self.channels.replace(heapless::Vec::new());
    }

    /// Waits for a backend that waits for us. `None` when the device was
    /// disconnected.
    async fn find(&self) -> Result<Option<(DomainId, Backend<H>)>, ConnectError> {
        let mut moved = None;
        loop {
            let Some((peer, path)) = read_backend(&self.hypervisor, &self.frontend).await? else {
                let watch = self.watch_moves(&mut moved).await?;
                if !self.changed(watch, None).await {
                    return Ok(None);
                }
                continue;
            };
            let watch = self.hypervisor.watch(&join(&path, "state")?).await?;
            loop {
                if !self.changed(&watch, moved.as_ref()).await {
                    return Ok(None);
                }
                match read_state(&self.hypervisor, &path).await? {
                    XenbusState::InitWait => {
                        if self.is_withdrawn().await? {
                            return Ok(Some((peer, Backend { path, watch })));
                        }
                    }
                    XenbusState::Unknown => {
                        self.watch_moves(&mut moved).await?;
                        // Watches fire when they are new: only another place
                        // is a reason to begin again.
                        let named = read_backend(&self.hypervisor, &self.frontend).await?;
                        if named.as_ref() != Some(&(peer, path.clone())) {
                            break;
                        }
                    }
                    state => self.approach(state, &path).await?,
                }
            }
        }
    }

    /// Whether the frontend's state says that its rings are not to be used, so
    /// that they may be made anew; else says so.
    ///
    /// A new backend takes the rings of a frontend that is connected, whatever
    /// became of the backend before.
    async fn is_withdrawn(&self) -> Result<bool, StoreError> {
        if !self.was_connected.get() {
            return Ok(true);
        }
        match read_state(&self.hypervisor, &self.frontend).await? {
            XenbusState::Initialised | XenbusState::Connected | XenbusState::Reconfiguring => {
                self.tell(XenbusState::Closing).await?;
                Ok(false)
            }
            XenbusState::Closing => Ok(false),
            XenbusState::Unknown | XenbusState::Initialising | XenbusState::InitWait | XenbusState::Closed => {
                Ok(true)
            }
        }
    }

    async fn watch_moves<'w>(&self, moved: &'w mut Option<H::Watch>) -> Result<&'w H::Watch, StoreError> {
        Ok(match moved {
            Some(watch) => watch,
            None => {
                let watch = self.hypervisor.watch(&join(&self.frontend, "backend")?).await?;
                moved.insert(watch)
            }
        })
    }

    /// Does what brings a backend in this state nearer to `InitWait`.
    async fn approach(&self, state: XenbusState, backend: &str) -> Result<(), StoreError> {
        match state {
            XenbusState::Initialised | XenbusState::Connected => self.tell(XenbusState::Closing).await,
            XenbusState::Closing => self.tell(XenbusState::Closed).await,
            XenbusState::Closed => {
                if self.told.get() == XenbusState::Initialising {
                    return Ok(());
                }
                self.tell(XenbusState::Closed).await?;
                // One that is being removed must not be woken up.
                if read_flag(&self.hypervisor, backend, "online").await? {
                    self.tell(XenbusState::Initialising).await?;
                }
                Ok(())
            }
            XenbusState::Unknown
            | XenbusState::Initialising
            | XenbusState::InitWait
            | XenbusState::Reconfiguring => Ok(()),
        }
    }

    /// Writes the frontend's state, unless it says so already.
    async fn tell(&self, state: XenbusState) -> Result<(), StoreError> {
        if self.told.get() != state {
            self.hypervisor.write(&join(&self.frontend, "state")?, state.as_str()).await?;
            self.told.set(state);
        }
        Ok(())
    }

    /// Waits until either watch fires; false when the device was disconnected.
    async fn changed(&self, one: &H::Watch, other: Option<&H::Watch>) -> bool {
        poll_fn(|context| {
            if self.link.get() == Link::Ended {
                return Poll::Ready(false);
            }
            self.idle.register(context.waker());
            let one = one.poll_fired(context.waker()).is_ready();
            let other = other.is_some_and(|watch| watch.poll_fired(context.waker()).is_ready());
            if one | other { Poll::Ready(true) } else { Poll::Pending }
        })
        .await
    }

    /// Reads what the tool stack has set for this end.
    async fn read_own(&self) -> Result<(), ConnectError> {
        let mut value = [0; 32];
        let text = match self.hypervisor.read(&join(&self.frontend, "mac")?, &mut value).await {
            Ok(text) => text,
            Err(StoreError::Missing | StoreError::TooLong) => return Err(ConnectError::NoMac),
            Err(error @ StoreError::Refused) => return Err(error.into()),
        };
        self.mac.set(parse_mac(text).ok_or(ConnectError::NoMac)?);
        let mtu = read_number(&self.hypervisor, &self.frontend, "mtu").await?;
        let mtu = mtu.map_or(DEFAULT_MTU, |mtu| mtu as usize);
        self.mtu.set(mtu.clamp(MIN_MTU, MAX_FRAME - ETHERNET_HEADER));
        Ok(())
    }

    async fn read_offered(&self, backend: &str) -> Result<Offered, ConnectError> {
        let wanted = self.options.offload;
        let mut flags = [
            (true, "feature-rx-copy"),
            (true, "feature-sg"),
            (wanted.contains(Offload::TSO4), "feature-gso-tcpv4"),
            (wanted.contains(Offload::TX_CHECKSUM), "feature-no-csum-offload"),
            (self.options.split, "feature-split-event-channels"),
        ];
        // What nobody wants is not asked for; one place to wait at for all.
        for (flag, name) in &mut flags {
            *flag = *flag && read_flag(&self.hypervisor, backend, name).await?;
        }
        let [copy, scatter_gather, tcp4, no_checksum, split] = flags.map(|(flag, _)| flag);
        if !copy {
            return Err(ConnectError::NoCopy);
        }
        let queues = match QUEUES {
            1 => 1,
            _ => read_number(&self.hypervisor, backend, "multi-queue-max-queues").await?.unwrap_or(1) as usize,
        };
        let checksum = wanted.contains(Offload::TX_CHECKSUM) && !no_checksum;
        Ok(Offered { scatter_gather, tcp4: tcp4 && scatter_gather, checksum, split, queues })
    }

    fn agree(&self, offered: Offered) {
        let mut offload = self.options.offload;
        if !offered.checksum {
            offload.remove(Offload::TX_CHECKSUM);
        }
        if !offered.tcp4 || !offload.contains(Offload::TX_CHECKSUM) {
            offload.remove(Offload::TSO4);
        }
        if !self.options.takes_large() || !offload.contains(Offload::RX_CHECKSUM) {
            offload.remove(Offload::LARGE_RECEIVE);
        }
        self.agreed.set(Agreed { offload, scatter_gather: offered.scatter_gather });
        let pieces = if offered.scatter_gather { MAX_FRAME } else { PAGE };
        let longest = pieces.min(self.options.tx_pages * PAGE) - ETHERNET_HEADER;
        self.mtu.set(self.mtu.get().min(longest));
    }

    /// Pages and buffers for so many queues: those that there are, or new ones
    /// for another domain.
    fn prepare(&self, peer: DomainId, queues: usize) -> Result<(), ConnectError> {
        let mut transmit = self.transmit.borrow_mut();
        let receive = &mut *self.receive.borrow_mut();
        if self.peer.get() != Some(peer) {
            *transmit = None;
            receive.queues.clear();
            self.peer.set(Some(peer));
        }
        let transmit = match &mut *transmit {
            Some(transmit) => transmit,
            none => none.insert(Transmit::new(Pool::new(&self.hypervisor, peer, self.options.tx_pages)?)),
        };
        transmit.queues.truncate(queues);
        receive.queues.truncate(queues);
        transmit.reset();
        receive.queues.iter_mut().for_each(RxQueue::reset);
        while transmit.queues.len() < queues {
            let ring = self.hypervisor.shared(peer, 1)?;
            let _ = transmit.queues.push(TxQueue::new(ring));
        }
        let count = self.options.rx_pages;
        while receive.queues.len() < queues {
            let ring = self.hypervisor.shared(peer, 1)?;
            let pages = self.hypervisor.shared(peer, count)?;
            let _ = receive.queues.push(RxQueue::new(ring, pages, count));
        }
        receive.queues.iter_mut().for_each(RxQueue::post);
        let payload = if self.takes_large() { MAX_FRAME } else { self.mtu.get() };
        let needed = payload + ETHERNET_HEADER + VLAN_TAG;
        if receive.buffer.as_ref().is_none_or(|buffer| buffer.as_ref().len() < needed) {
            receive.buffer = None;
            receive.buffer = Some(self.hypervisor.private(needed)?);
        }
        Ok(())
    }

    pub(super) fn takes_large(&self) -> bool {
        self.agreed.get().offload.contains(Offload::LARGE_RECEIVE)
    }

    fn open_channels(&self, peer: DomainId, queues: usize, split: bool) -> Result<(), ConnectError> {
        let mut channels = self.channels.borrow_mut();
        channels.clear();
        for _ in 0..queues {
            let tx = self.hypervisor.channel(peer)?;
            let rx = if split { Some(self.hypervisor.channel(peer)?) } else { None };
            let _ = channels.push(Channels { tx, rx });
        }
        Ok(())
    }
}
