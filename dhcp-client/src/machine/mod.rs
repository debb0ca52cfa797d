//! The client as a state machine: time and messages in, messages and a lease
//! out, no I/O.

mod acquire;
mod inform;
mod keep;
mod note;
mod state;
mod timing;
mod transmit;

use core::mem::replace;
use core::net::Ipv4Addr;

use heapless::Deque;
use rand_core::Rng;
use traits::Instant;
use wire::MacAddr;

pub use note::Note;
pub use state::StateName;
pub use transmit::Transmit;

use crate::lease::{Lease, Settings};
use crate::message::{Message, MessageType, Op};
use crate::options::{Check, Options, Start};
use crate::statistics::Statistics;
use state::State;

/// Notes kept until somebody takes them; the oldest go first.
const NOTES: usize = 8;

/// The client of RFC 2131.
///
/// **Messages in change the state, and nothing else happens: what is to be
/// sent or done about it is asked for.** The methods are of four kinds:
///
/// * *what happened*: [`handle_datagram`](Self::handle_datagram),
///   [`handle_timeout`](Self::handle_timeout),
///   [`handle_probe`](Self::handle_probe),
///   [`handle_conflict`](Self::handle_conflict);
/// * *commands*: [`release`](Self::release), [`restart`](Self::restart);
/// * *what to do*, asked in this order after each of the above:
///   [`settings`](Self::settings) (what the IPv4 layer is to have now),
///   [`transmit`](Self::transmit) (then [`sent`](Self::sent)),
///   [`probe`](Self::probe) (the address to look for),
///   [`take_note`](Self::take_note), and last
///   [`next_timeout`](Self::next_timeout). A RELEASE is sent before the
///   settings are taken away;
/// * *what is*: [`state`](Self::state), [`lease`](Self::lease),
///   [`serial`](Self::serial), [`statistics`](Self::statistics).
///
/// The settings are those of a lease that has not ended, or none: never an
/// address without a lease, but a fixed one. There is always a timeout, but in BOUND with a
/// lease for ever, INFORMED and STOPPED.
#[derive(Clone, Debug)]
pub struct Machine {
    mac: MacAddr,
    check: Check,
    start: Start,
    state: State,
    transmit: Option<Transmit>,
    serial: u32,
    /// The address to ask for in DISCOVER: remembered, or of the last lease.
    last: Option<Ipv4Addr>,
    /// NAKs since the last lease.
    naks: u8,
    /// Conflicts since the last renewal.
    conflicts: u8,
    notes: Deque<Note, NOTES>,
    statistics: Statistics,
}

impl Machine {
    /// A client with the hardware address `mac`, due at once.
    pub fn new(mac: MacAddr, options: &Options) -> Self {
        let mut machine = Self {
            mac,
            check: options.check,
            start: options.start,
            state: State::Stopped,
            transmit: None,
            serial: 0,
            last: None,
            naks: 0,
            conflicts: 0,
            notes: Deque::new(),
            statistics: Statistics::default(),
        };
        machine.state = machine.started(Instant::ZERO);
        machine
    }

    /// What to begin with.
    fn started(&mut self, now: Instant) -> State {
        match self.start {
            Start::Any => State::Init { at: now },
            Start::Prefer(address) => {
                self.last = Some(address);
                State::Init { at: now }
            }
            Start::Remembered(address) => {
                self.last = Some(address);
                State::InitReboot { address }
            }
            Start::Inform(own) => State::Informing { exchange: state::Exchange::not_begun(now), own },
        }
    }

    /// Takes the payload of a datagram to port 68. Whatever it is, the worst
    /// that happens is that it is counted.
    pub fn handle_datagram(&mut self, now: Instant, payload: &[u8], random: &mut impl Rng) {
        match Message::parse(payload) {
            Ok(message) => self.handle_message(now, &message, random),
            Err(_) => self.statistics.rx_malformed = self.statistics.rx_malformed.wrapping_add(1),
        }
    }

    /// Takes a message.
    pub fn handle_message(&mut self, now: Instant, message: &Message<'_>, random: &mut impl Rng) {
        // What is due comes first: an answer to a lease that has ended
        // meanwhile is none.
        self.handle_timeout(now, random);
        let verdict = self.judge(message);
        let counter = match verdict {
            Verdict::OtherClient => &mut self.statistics.rx_other_client,
            Verdict::OtherExchange => &mut self.statistics.rx_other_exchange,
            Verdict::Ours => return self.dispatch(now, message, random),
        };
        *counter = counter.wrapping_add(1);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut impl Rng) {
        // One step may lead to one that is due as well, such as the end of a
        // lease to a new start; no path is longer than four.
        for _ in 0..4 {
            if self.next_timeout().is_none_or(|at| at > now) {
                return;
            }
            self.step(|machine, state| machine.timeout(state, now, random));
        }
    }

    /// Takes the end of the look for [`probe`](Self::probe): whether another
    /// host has the address.
    pub fn handle_probe(&mut self, now: Instant, address: Ipv4Addr, in_use: bool, random: &mut impl Rng) {
        if self.state.checking().is_none_or(|lease| lease.address != address) {
            return;
        }
        self.step(|machine, state| match state {
            State::Checking { lease, .. } if in_use => machine.decline(now, &lease, random),
            State::Checking { lease, .. } => machine.bind(now, lease),
            state @ (State::Init { .. }
            | State::InitReboot { .. }
            | State::Rebooting { .. }
            | State::Selecting { .. }
            | State::Requesting { .. }
            | State::Bound { .. }
            | State::Renewing { .. }
            | State::Rebinding { .. }
            | State::Informing { .. }
            | State::Informed { .. }
            | State::Stopped) => state,
        });
    }

    /// Takes the news that another host uses an own address and would not
    /// let go: the IP layer has stopped using it (RFC 5227 §2.4). Concerns
    /// nobody unless the address is [leased](Self::has_leased).
    pub fn handle_conflict(&mut self, now: Instant, address: Ipv4Addr, random: &mut impl Rng) {
        self.step(|machine, state| match state.leased().or(state.checking()) {
            Some(lease) if lease.address == address => machine.decline(now, lease, random),
            Some(_) | None => state,
        });
    }

    /// Gives the lease back, where there is one, and stops.
    pub fn release(&mut self, now: Instant, random: &mut impl Rng) {
        self.transmit = None;
        self.step(|machine, state| {
            if let Some(lease) = state.leased() {
                machine.give_back(now, lease, random);
            }
            State::Stopped
        });
    }

    /// Starts anew after [`release`](Self::release).
    pub fn restart(&mut self, now: Instant) {
        if self.state() == StateName::Stopped {
            self.step(|machine, _| machine.started(now));
        }
    }

    /// What the IPv4 layer is to have; `None` is nothing. A fixed address is
    /// the user's own and stays whatever happens.
    pub fn settings(&self) -> Option<Settings> {
        let fixed = match self.start {
            Start::Inform(own) => Some(own),
            Start::Any | Start::Prefer(_) | Start::Remembered(_) => None,
        };
        self.state.lease().map(Lease::settings).or(fixed.map(Settings::address))
    }

    /// The message to send, until [`sent`](Self::sent).
    pub fn transmit(&self) -> Option<Transmit> {
        self.transmit
    }

    /// Takes the news that the message was sent, or refused for good; it is
    /// sent again when its time has come.
    pub fn sent(&mut self, ok: bool) {
        if self.transmit.take().is_some() {
            let statistics = &mut self.statistics;
            let counter = if ok { &mut statistics.tx_messages } else { &mut statistics.tx_failed };
            *counter = counter.wrapping_add(1);
        }
    }

    /// The address to look for on the link, and how, for as long as this says
    /// so.
    pub fn probe(&self) -> Option<(Ipv4Addr, Check)> {
        self.state.checking().map(|lease| (lease.address, self.check))
    }

    /// The oldest thing worth telling a person.
    pub fn take_note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Init { at } => Some(*at),
            State::InitReboot { .. } => Some(Instant::ZERO),
            State::Rebooting { exchange, .. }
            | State::Selecting { exchange }
            | State::Requesting { exchange, .. }
            | State::Informing { exchange, .. } => Some(exchange.retransmit),
            State::Checking { until, .. } => Some(*until),
            State::Bound { lease } => lease.renews_at(),
            State::Renewing { exchange, lease } => earlier(exchange.retransmit, lease.rebinds_at()),
            State::Rebinding { exchange, lease } => earlier(exchange.retransmit, lease.expires_at()),
            State::Informed { .. } | State::Stopped => None,
        }
    }

    /// The name of the state.
    pub fn state(&self) -> StateName {
        self.state.name()
    }

    /// The lease whose address may be used.
    pub fn lease(&self) -> Option<&Lease> {
        self.state.lease()
    }

    /// Whether a server gave `address`, for a time that has not ended.
    pub fn has_leased(&self, address: Ipv4Addr) -> bool {
        self.state.leased().is_some_and(|lease| lease.address == address)
    }

    /// Grows whenever a lease begins, is renewed, or ends.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// What came in and what was made of it.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    fn judge(&self, message: &Message<'_>) -> Verdict {
        let header = message.header();
        if header.op != Op::Reply || header.chaddr != self.mac {
            Verdict::OtherClient
        } else if self.state.exchange().is_none_or(|exchange| exchange.xid != header.xid) {
            Verdict::OtherExchange
        } else {
            Verdict::Ours
        }
    }

    /// Hands a message of the exchange under way to its state.
    fn dispatch(&mut self, now: Instant, message: &Message<'_>, random: &mut impl Rng) {
        let mut fate = Ok(());
        self.step(|machine, state| {
            let (next, result) = match message.kind() {
                MessageType::Offer => machine.offer(state, now, message, random),
                MessageType::Ack => machine.ack(state, now, message, random),
                MessageType::Nak => machine.nak(state, now, message),
                MessageType::Discover
                | MessageType::Request
                | MessageType::Decline
                | MessageType::Release
                | MessageType::Inform => (state, Err(Ignored::Unexpected)),
            };
            fate = result;
            next
        });
        let statistics = &mut self.statistics;
        let counter = match fate {
            Ok(()) => &mut statistics.rx_messages,
            Err(Ignored::Unexpected) => &mut statistics.rx_unexpected,
            Err(Ignored::Invalid) => &mut statistics.rx_invalid,
        };
        *counter = counter.wrapping_add(1);
    }

    /// What a state does when its time has come.
    fn timeout(&mut self, state: State, now: Instant, random: &mut impl Rng) -> State {
        match state {
            State::Init { .. } => self.discover(now, random),
            State::InitReboot { address } => self.reboot(now, address, random),
            State::Rebooting { exchange, address } => self.reboot_again(now, exchange, address, random),
            State::Selecting { exchange } => self.discover_again(now, exchange, random),
            State::Requesting { exchange, offer } => self.request_again(now, exchange, offer, random),
            State::Checking { lease, .. } => self.bind(now, lease),
            State::Bound { lease } => self.keep(now, lease, None, random),
            State::Renewing { exchange, lease } => self.keep(now, lease, Some((exchange, false)), random),
            State::Rebinding { exchange, lease } => self.keep(now, lease, Some((exchange, true)), random),
            State::Informing { exchange, own } => self.inform(now, exchange, own, random),
            state @ (State::Informed { .. } | State::Stopped) => state,
        }
    }

    /// The one place that assigns the state.
    fn step(&mut self, next: impl FnOnce(&mut Self, State) -> State) {
        let had_lease = self.state.lease().is_some();
        let state = replace(&mut self.state, State::Stopped);
        self.state = next(self, state);
        if had_lease && self.state.lease().is_none() {
            self.serial = self.serial.wrapping_add(1);
        }
    }

    fn send(&mut self, transmit: Transmit) {
        self.transmit = Some(transmit);
    }

    fn note(&mut self, note: Note) {
        if self.notes.is_full() {
            self.notes.pop_front();
        }
        // There is a place now.
        let _ = self.notes.push_back(note);
    }
}

/// Whether a message concerns this client now.
enum Verdict {
    Ours,
    OtherClient,
    OtherExchange,
}

/// Why a message of the exchange under way has no effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ignored {
    Unexpected,
    Invalid,
}

/// A state after a message, and whether it had an effect.
type Next = (State, Result<(), Ignored>);

fn earlier(a: Instant, b: Option<Instant>) -> Option<Instant> {
    Some(b.map_or(a, |b| a.min(b)))
}
