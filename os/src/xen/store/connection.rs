//! The connection to xenstore: requests and what became of them, without I/O
//! but the two rings.
//!
//! Requests are numbered; several may be under way, and answers come in any
//! order. Between them come events of watches, each named by its token.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::task::{Poll, Waker};

use super::StoreError;
use super::wire::{ERROR, HEADER, Header, Kind, PAYLOAD, WATCH_EVENT, number, payload, texts};
use crate::xen::ring::{ByteRing, Jumped, Layout};
use crate::xen::window::Window;

/// `struct xenstore_domain_interface`.
const REQUESTS: Layout = Layout { bytes: 0, size: 1024, consumed: 2048, produced: 2052 };
const REPLIES: Layout = Layout { bytes: 1024, size: 1024, consumed: 2056, produced: 2060 };

/// Requests under way at a time at most; further ones are
/// [`StoreError::Refused`].
pub(super) const UNDER_WAY: usize = 64;

/// Watches at a time at most; further ones are [`StoreError::Refused`].
pub(super) const WATCHES: usize = 64;

/// A request, until its answer is taken.
#[derive(Debug)]
struct Request {
    number: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Answered(Result<Vec<u8>, StoreError>),
    /// Whoever asked has gone.
    Abandoned,
}

#[derive(Debug)]
struct Watched {
    token: u32,
    fired: bool,
    waiting: Option<Waker>,
}

#[derive(Debug)]
pub(super) struct Connection {
    to: ByteRing,
    from: ByteRing,
    /// What the ring had no room for: whole requests, at most
    /// [`UNDER_WAY`] of them and those that end watches.
    outgoing: VecDeque<u8>,
    /// The message that is arriving: at most its header and [`PAYLOAD`].
    incoming: Vec<u8>,
    requests: Vec<Request>,
    watches: Vec<Watched>,
    last_number: u32,
    last_token: u32,
    /// The daemon broke the protocol: there is no way back.
    broken: bool,
}

impl Connection {
    pub(super) fn new(page: Window) -> Self {
        Self {
            to: ByteRing::new(page, REQUESTS),
            from: ByteRing::new(page, REPLIES),
            outgoing: VecDeque::new(),
            incoming: Vec::new(),
            requests: Vec::new(),
            watches: Vec::new(),
            last_number: 0,
            last_token: 0,
            broken: false,
        }
    }

    /// Makes a request of `parts`; its number.
    pub(super) fn request(&mut self, kind: Kind, transaction: u32, parts: &[&[u8]]) -> Result<u32, StoreError> {
        if self.broken || self.requests.len() >= UNDER_WAY {
            return Err(StoreError::Refused);
        }
        let number = self.send(kind, transaction, parts)?;
        self.requests.push(Request { number, state: State::Waiting(None) });
        Ok(number)
    }

    fn send(&mut self, kind: Kind, transaction: u32, parts: &[&[u8]]) -> Result<u32, StoreError> {
        let payload = payload(parts);
        let len = u32::try_from(payload.len()).map_err(|_| StoreError::TooLong)?;
        if payload.len() > PAYLOAD {
            return Err(StoreError::TooLong);
        }
        self.last_number = self.last_number.wrapping_add(1);
        let header = Header { kind: kind as u32, request: self.last_number, transaction, len };
        self.outgoing.extend(header.bytes());
        self.outgoing.extend(payload);
        Ok(self.last_number)
    }

    /// The answer to a request; `waker` is kept while there is none.
    pub(super) fn poll_answer(&mut self, number: u32, waker: &Waker) -> Poll<Result<Vec<u8>, StoreError>> {
        let Some(index) = self.requests.iter().position(|request| request.number == number) else {
            return Poll::Ready(Err(StoreError::Refused));
        };
        if let Some(Request { state: State::Waiting(kept), .. }) = self.requests.get_mut(index) {
            *kept = Some(waker.clone());
            return Poll::Pending;
        }
        match self.requests.swap_remove(index).state {
            State::Answered(answer) => Poll::Ready(answer),
            State::Waiting(_) | State::Abandoned => Poll::Ready(Err(StoreError::Refused)),
        }
    }

    /// Nobody wants the answer any more. Its place is free when it has come.
    pub(super) fn abandon(&mut self, number: u32) {
        if let Some(request) = self.requests.iter_mut().find(|request| request.number == number) {
            request.state = match request.state {
                State::Waiting(_) => State::Abandoned,
                State::Answered(_) | State::Abandoned => {
                    self.requests.retain(|request| request.number != number);
                    return;
                }
            };
        }
    }

    /// A place for a watch; its token.
    pub(super) fn add_watch(&mut self) -> Result<u32, StoreError> {
        if self.watches.len() >= WATCHES {
            return Err(StoreError::Refused);
        }
        self.last_token = self.last_token.wrapping_add(1);
        self.watches.push(Watched { token: self.last_token, fired: false, waiting: None });
        Ok(self.last_token)
    }

    /// Ends a watch; the answer is nobody's concern.
    pub(super) fn remove_watch(&mut self, path: &str, token: &str, number: u32) {
        self.watches.retain(|watched| watched.token != number);
        if !self.broken {
            // No longer than the request that began it.
            let _ = self.send(Kind::Unwatch, 0, &[path.as_bytes(), &[0], token.as_bytes(), &[0]]);
        }
    }

    pub(super) fn poll_fired(&mut self, token: u32, waker: &Waker) -> Poll<()> {
        let Some(watched) = self.watches.iter_mut().find(|watched| watched.token == token) else {
            return Poll::Pending;
        };
        if core::mem::take(&mut watched.fired) {
            return Poll::Ready(());
        }
        watched.waiting = Some(waker.clone());
        Poll::Pending
    }

    /// Moves bytes both ways as far as they go; whether the daemon is to be
    /// told. Who is to be woken is added to `wakers`.
    pub(super) fn pump(&mut self, wakers: &mut Vec<Waker>) -> bool {
        if self.broken {
            return false;
        }
        match self.exchange(wakers) {
            Ok(moved) => moved,
            Err(Jumped) => {
                self.fail(wakers);
                false
            }
        }
    }

    fn exchange(&mut self, wakers: &mut Vec<Waker>) -> Result<bool, Jumped> {
        let mut moved = false;
        loop {
            let put = self.to.put(self.outgoing.as_slices().0)?;
            self.outgoing.drain(..put);
            if put == 0 {
                break;
            }
            moved = true;
        }
        let mut bytes = [0; REPLIES.size as usize];
        loop {
            let taken = self.from.take(&mut bytes)?;
            if taken == 0 {
                return Ok(moved);
            }
            moved = true;
            self.incoming.extend_from_slice(bytes.get(..taken).unwrap_or_default());
            self.messages(wakers)?;
        }
    }

    /// Handles the messages that are complete.
    fn messages(&mut self, wakers: &mut Vec<Waker>) -> Result<(), Jumped> {
        while let Some(header) = Header::parse(&self.incoming) {
            let len = header.len as usize;
            if len > PAYLOAD {
                return Err(Jumped);
            }
            let Some(payload) = self.incoming.get(HEADER..HEADER + len) else { return Ok(()) };
            let payload = payload.to_vec();
            self.incoming.drain(..HEADER + len);
            match header.kind {
                WATCH_EVENT => self.fired(&payload, wakers),
                ERROR => self.answered(header.request, Err(StoreError::from_daemon(&payload)), wakers),
                _ => self.answered(header.request, Ok(payload), wakers),
            }
        }
        Ok(())
    }

    /// A watch's event has the path that changed, and the token.
    fn fired(&mut self, payload: &[u8], wakers: &mut Vec<Waker>) {
        let Some(token) = texts(payload).nth(1).and_then(number) else { return };
        if let Some(watched) = self.watches.iter_mut().find(|watched| watched.token == token) {
            watched.fired = true;
            wakers.extend(watched.waiting.take());
        }
    }

    fn answered(&mut self, number: u32, answer: Result<Vec<u8>, StoreError>, wakers: &mut Vec<Waker>) {
        let Some(index) = self.requests.iter().position(|request| request.number == number) else {
            // To a request that nobody waits for, such as the end of a watch.
            return;
        };
        let Some(request) = self.requests.get_mut(index) else { return };
        match &mut request.state {
            State::Waiting(waker) => {
                wakers.extend(waker.take());
                request.state = State::Answered(answer);
            }
            // A second answer counts for nothing.
            State::Answered(_) => {}
            State::Abandoned => drop(self.requests.swap_remove(index)),
        }
    }

    /// Ends everything that is under way.
    fn fail(&mut self, wakers: &mut Vec<Waker>) {
        self.broken = true;
        self.outgoing.clear();
        self.incoming.clear();
        self.requests.retain(|request| !matches!(request.state, State::Abandoned));
        for request in &mut self.requests {
            if let State::Waiting(waker) = &mut request.state {
                wakers.extend(waker.take());
                request.state = State::Answered(Err(StoreError::Refused));
            }
        }
    }
}
