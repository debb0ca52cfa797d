//! A client of xenstore, the host's tree of small values.

mod connection;
#[cfg(test)]
mod tests;
mod wire;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use connection::Connection;
use wire::Kind;

use super::events::Port;
use super::hypercall;
use super::window::Window;

/// Why xenstore gave no answer that is of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such node.
    Missing,
    /// Not permitted.
    Denied,
    /// A transaction met another one: begin it again.
    Again,
    /// The value is longer than the space for it, or than xenstore takes.
    TooLong,
    /// Anything else: out of quota, too much under way, no connection.
    Refused,
}

impl StoreError {
    /// The daemon names errors as `errno.h` does, with a zero at the end.
    fn from_daemon(name: &[u8]) -> Self {
        match name.strip_suffix(&[0]).unwrap_or(name) {
            b"ENOENT" => Self::Missing,
            b"EACCES" | b"EPERM" => Self::Denied,
            b"EAGAIN" => Self::Again,
            b"E2BIG" => Self::TooLong,
            _ => Self::Refused,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no such node in xenstore",
            Self::Denied => "not permitted by xenstore",
            Self::Again => "a transaction met another one",
            Self::TooLong => "a value in xenstore is too long",
            Self::Refused => "refused by xenstore",
        })
    }
}

impl core::error::Error for StoreError {}

/// A client of xenstore; clones are the same client.
///
/// A path that does not begin with `/` counts from the guest's own directory,
/// `/local/domain/N`. At most 64 requests are under way at a time, and 64
/// watches stand; more are [`StoreError::Refused`].
#[derive(Clone)]
pub struct Store(Rc<Inner>);

struct Inner {
    connection: RefCell<Connection>,
    port: Rc<Port>,
    /// Requests made.
    requests: Cell<u64>,
}

impl Store {
    pub(super) fn new(page: Window, port: Rc<Port>) -> Self {
        let connection = RefCell::new(Connection::new(page));
        Self(Rc::new(Inner { connection, port, requests: Cell::new(0) }))
    }

    /// The value of a node.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        self.ask(Kind::Read, 0, &[path.as_bytes(), &[0]]).await
    }

    /// Reads a node into `value`; returns the whole value.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn read_into<'v>(&self, path: &str, value: &'v mut [u8]) -> Result<&'v [u8], StoreError> {
        let answer = self.read(path).await?;
        let value = value.get_mut(..answer.len()).ok_or(StoreError::TooLong)?;
        value.copy_from_slice(&answer);
        Ok(value)
    }

    /// Writes a node, and creates it and those above it where they are missing.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn write(&self, path: &str, value: &[u8]) -> Result<(), StoreError> {
        self.ask(Kind::Write, 0, &[path.as_bytes(), &[0], value]).await.map(drop)
    }

    /// The names of the nodes right below a node.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn directory(&self, path: &str) -> Result<Vec<String>, StoreError> {
        let list = self.ask(Kind::Directory, 0, &[path.as_bytes(), &[0]]).await?;
        Ok(wire::texts(&list).map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// Creates a node without a value, unless it exists.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn make_directory(&self, path: &str) -> Result<(), StoreError> {
        self.ask(Kind::Mkdir, 0, &[path.as_bytes(), &[0]]).await.map(drop)
    }

    /// Removes a node and all below it.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.ask(Kind::Remove, 0, &[path.as_bytes(), &[0]]).await.map(drop)
    }

    /// Watches a node, and all below it, for changes, removal included.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn watch(&self, path: &str) -> Result<Watch, StoreError> {
        let token = self.0.connection.borrow_mut().add_watch()?;
        // From here on, dropping it ends it at the daemon too.
        let watch = Watch { store: self.clone(), path: path.into(), token };
        let text = format!("{token}");
        self.ask(Kind::Watch, 0, &[path.as_bytes(), &[0], text.as_bytes(), &[0]]).await?;
        Ok(watch)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn transaction(&self) -> Result<Transaction, StoreError> {
        let answer = self.ask(Kind::TransactionStart, 0, &[&[0]]).await?;
        let number = wire::texts(&answer).next().and_then(wire::number).ok_or(StoreError::Refused)?;
        Ok(Transaction { store: self.clone(), number, open: true })
    }

    /// Requests made so far.
    pub fn requests(&self) -> u64 {
        self.0.requests.get()
    }

    async fn ask(&self, kind: Kind, transaction: u32, parts: &[&[u8]]) -> Result<Vec<u8>, StoreError> {
        // A text that ended early would mean another path.
        let (last, texts) = parts.split_last().ok_or(StoreError::Refused)?;
        if texts.iter().any(|text| text.len() > 1 && text.contains(&0)) || last.len() > wire::PAYLOAD {
            return Err(StoreError::Refused);
        }
        let number = self.0.connection.borrow_mut().request(kind, transaction, parts)?;
        self.0.requests.set(self.0.requests.get() + 1);
        let answer = Answer { store: self, number };
        self.pump();
        poll_fn(|context| answer.store.poll_answer(answer.number, context.waker())).await
    }

    fn poll_answer(&self, number: u32, waker: &Waker) -> Poll<Result<Vec<u8>, StoreError>> {
        self.0.connection.borrow_mut().poll_answer(number, waker)
    }

    /// Moves what can be moved, and wakes whoever waited for it.
    pub(super) fn pump(&self) {
        let mut wakers = Vec::new();
        let moved = self.0.connection.borrow_mut().pump(&mut wakers);
        if moved {
            hypercall::send(self.0.port.number());
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// What the port brings.
    pub(super) fn deliver(&self) {
        if self.0.port.take_fired() {
            self.pump();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("requests", &self.requests()).finish_non_exhaustive()
    }
}

/// Gives the place of a request back when nobody waits for its answer.
struct Answer<'a> {
    store: &'a Store,
    number: u32,
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        self.store.0.connection.borrow_mut().abandon(self.number);
    }
}

/// A watch on a node; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    path: String,
    token: u32,
}

impl Watch {
    /// Ready once at the beginning, and once for any number of changes since
    /// the last time it was ready; else `waker` is kept, in place of the one
    /// before, and woken at the next change.
    pub fn poll_fired(&self, waker: &Waker) -> Poll<()> {
        self.store.0.connection.borrow_mut().poll_fired(self.token, waker)
    }

    /// Waits for [`poll_fired`](Self::poll_fired).
    pub async fn fired(&self) {
        poll_fn(|context| self.poll_fired(context.waker())).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let token = format!("{}", self.token);
        self.store.0.connection.borrow_mut().remove_watch(&self.path, &token, self.token);
        self.store.pump();
    }
}

/// Several reads and writes as if nobody else were there. Dropping it without
/// [`commit`](Self::commit) undoes it.
#[derive(Debug)]
pub struct Transaction {
    store: Store,
    number: u32,
    open: bool,
}

impl Transaction {
    /// The value of a node.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        self.store.ask(Kind::Read, self.number, &[path.as_bytes(), &[0]]).await
    }

    /// Writes a node, and creates it where it is missing.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn write(&self, path: &str, value: &[u8]) -> Result<(), StoreError> {
        self.store.ask(Kind::Write, self.number, &[path.as_bytes(), &[0], value]).await.map(drop)
    }

    /// Carries it out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Again`] when somebody else has changed what it touched:
    /// then nothing was done.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.open = false;
        self.store.ask(Kind::TransactionEnd, self.number, &[b"T\0"]).await.map(drop)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.open {
            let mut connection = self.store.0.connection.borrow_mut();
            if let Ok(number) = connection.request(Kind::TransactionEnd, self.number, &[b"F\0"]) {
                connection.abandon(number);
            }
            drop(connection);
            self.store.pump();
        }
    }
}
