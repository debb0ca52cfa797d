//! Between the ARP machine and the world: what comes in, what is due, and who
//! is to be woken.

use core::task::{Poll, Waker};
use core::time::Duration;

use traits::{Capabilities, Instant, Layer, Network, SendError, TxMeta};
use wire::{EtherType, MacAddr};

use crate::arp::Handled;
use crate::arp::entry::Learnt;
use crate::arp::own::Defence;
use crate::arp::packet::{self, Packet};
use crate::frame::{HEADER_LEN, Header};
use crate::layer::Ethif;

/// When to try again after the device was full and then said that it has
/// room.
const RETRY_TIME: Duration = Duration::from_millis(10);
/// When to look again while the device has no room, which it will say itself.
const PATIENCE: Duration = Duration::from_secs(1);

impl<N: Network, const NEIGHBOURS: usize, const PARKED: usize> Layer for Ethif<N, NEIGHBOURS, PARKED> {
    #[inline]
    fn now(&self) -> Instant {
        self.network.now()
    }

    #[inline]
    fn capabilities(&self) -> Capabilities {
        self.network.capabilities().below(HEADER_LEN)
    }

    fn poll(&self, now: Instant, waker: &Waker) -> Option<Instant> {
        self.pollers.register(waker);
        let mut deadline = self.deadline();
        if self.blocked.get() || now >= deadline {
            deadline = self.do_due(now, waker);
        }
        let below = self.network.poll(now, waker);
        self.armed.set(if self.blocked.get() { Instant::ZERO } else { deadline });
        let own = (deadline < Instant::MAX).then_some(deadline);
        Instant::earliest(own, below)
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if self.arp.borrow().cache.is_resolving() {
            self.room.register(waker);
        }
        self.network.poll_room(waker)
    }

    fn has_backlog(&self) -> bool {
        self.network.has_backlog()
    }

    #[inline]
    fn flush(&self) {
        self.network.flush();
    }
}

impl<N: Network, const NEIGHBOURS: usize, const PARKED: usize> Ethif<N, NEIGHBOURS, PARKED> {
    /// Takes in the payload of an ARP frame. Apart from `input`, to keep the
    /// path of IPv4 small.
    #[inline(never)]
    pub(crate) fn input_arp(&self, payload: &[u8]) {
        let Some(packet) = Packet::parse(payload) else { return self.counters.arp_malformed.add() };
        let now = self.network.now();
        let handled = self.arp.borrow_mut().handle(now, self.network.mac(), packet);
        match handled {
            Handled::BadSender => self.counters.arp_bad_sender.add(),
            Handled::OwnMac => self.counters.arp_own_mac.add(),
            Handled::Claim { defence, probe_ended } => {
                self.claimed(defence, now);
                if probe_ended {
                    self.events.wake();
                }
            }
            Handled::Packet { learnt, answer, probe_ended } => {
                if let Some(answer) = answer {
                    self.answer(answer);
                }
                if let Some(learnt) = learnt {
                    self.learnt(learnt, now);
                }
                if probe_ended {
                    self.events.wake();
                }
            }
        }
    }

    fn claimed(&self, defence: Defence, now: Instant) {
        self.counters.conflicts.add();
        match defence {
            Defence::Announce => {
                self.drive(now, true);
                self.rearm();
            }
            Defence::Keep => {}
            Defence::GiveUp { forgotten } => {
                self.counters.addresses_lost.add();
                if forgotten {
                    self.counters.conflicts_forgotten.add();
                }
                self.events.wake();
            }
        }
    }

    fn learnt(&self, learnt: Learnt, now: Instant) {
        match learnt {
            Learnt::Entry => {}
            Learnt::Unsolicited => self.counters.arp_unsolicited.add(),
            Learnt::Contested => self.counters.arp_contested.add(),
            Learnt::Full => self.counters.arp_cache_full.add(),
            Learnt::Resolved => {
                self.settle(now, true);
                self.rearm();
                self.room.wake();
                self.events.wake();
            }
        }
    }

    /// Answers a request. Who does not hear it asks again, so an answer that
    /// the device has no room for is not kept.
    fn answer(&self, answer: Packet) {
        match self.transmit_arp(answer.target_mac, answer, true) {
            Ok(()) => self.counters.arp_answered.add(),
            Err(_) => self.counters.arp_answer_lost.add(),
        }
    }

    /// Does all that is due, and returns when to look again.
    #[inline(never)]
    fn do_due(&self, now: Instant, waker: &Waker) -> Instant {
        let mut retry = RETRY_TIME;
        self.drive(now, false);
        if self.blocked.get() {
            match self.network.poll_room(waker) {
                Poll::Ready(()) => self.drive(now, false),
                Poll::Pending => retry = PATIENCE,
            }
        }
        let deadline = self.deadline();
        if !self.blocked.get() {
            return deadline;
        }
        let due = if deadline > now { deadline } else { Instant::MAX };
        due.min(now + retry)
    }

    /// Does all that is due, as far as the device has room; what it has none
    /// for stays due.
    pub(crate) fn drive(&self, now: Instant, more: bool) {
        self.blocked.set(false);
        let advanced = self.arp.borrow_mut().advance(now);
        self.counters.neighbours_failed.add_many(advanced.failed);
        self.transmit_due(now, more);
        self.settle(now, more);
        if advanced.failed > 0 {
            self.room.wake();
        }
        if advanced.failed > 0 || advanced.probe_ended {
            self.events.wake();
        }
    }

    /// Sends all that is due, as far as the device has room.
    pub(crate) fn transmit_due(&self, now: Instant, more: bool) {
        let mac = self.network.mac();
        loop {
            let due = self.arp.borrow().due(now, mac);
            let Some(due) = due else { break };
            match self.transmit_arp(due.destination, due.packet, more) {
                Ok(()) => self.counters.arp_requests.add(),
                Err(SendError::Full) => {
                    self.blocked.set(true);
                    break;
                }
                // Lost, as on any wire: its time runs.
                Err(_) => {}
            }
            self.arp.borrow_mut().sent(due.what, now);
        }
        self.arp.borrow_mut().cache.reschedule();
    }

    fn transmit_arp(&self, destination: MacAddr, packet: Packet, more: bool) -> Result<(), SendError> {
        let header = Header::new(destination, self.network.mac(), EtherType::ARP);
        let mut frame = [0; HEADER_LEN + packet::LEN];
        header.fill(&mut frame, |payload| {
            payload.copy_from_slice(&packet.to_bytes());
            packet::LEN
        });
        self.transmit(TxMeta::NONE.with_more(more), &frame)
    }

    #[inline(never)]
    fn deadline(&self) -> Instant {
        self.arp.borrow().deadline()
    }

    /// Wakes the tasks that poll, if something is due before they know of it.
    pub(crate) fn rearm(&self) {
        self.tell(if self.blocked.get() { Instant::ZERO } else { self.deadline() });
    }

    #[inline]
    pub(crate) fn tell(&self, deadline: Instant) {
        if deadline < self.armed.get() {
            self.armed.set(deadline);
            self.pollers.wake();
        }
    }
}
