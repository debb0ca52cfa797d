//! A xenstore: a tree of values, and watches.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::task::{Poll, Waker};

use super::World;
use crate::Watch;

/// Nodes by their whole paths. Their parents exist as far as something is
/// below them.
#[derive(Debug, Default)]
pub(super) struct Store {
    nodes: RefCell<BTreeMap<String, String>>,
    watches: RefCell<Vec<Weak<Watched>>>,
    pub(super) requests: Cell<u64>,
}

#[derive(Debug)]
struct Watched {
    path: String,
    fired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A watch on a node and all below it.
#[derive(Debug)]
pub struct StoreWatch(Rc<Watched>);

impl Watch for StoreWatch {
    fn poll_fired(&self, waker: &Waker) -> Poll<()> {
        if self.0.fired.take() {
            return Poll::Ready(());
        }
        self.0.waker.replace(Some(waker.clone()));
        Poll::Pending
    }
}

/// Whether `path` is `above` or below it.
fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Store {
    pub(super) fn read(&self, path: &str) -> Option<String> {
        self.nodes.borrow().get(path).cloned()
    }

    pub(super) fn write(&self, path: &str, value: &str) {
        self.nodes.borrow_mut().insert(path.to_owned(), value.to_owned());
        self.fire(|watched| is_within(path, watched));
    }

    pub(super) fn remove(&self, path: &str) {
        self.nodes.borrow_mut().retain(|node, _| !is_within(node, path));
        self.fire(|watched| is_within(path, watched) || is_within(watched, path));
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.nodes.borrow().keys().any(|node| is_within(node, path))
    }

    pub(super) fn watch(&self, path: &str) -> StoreWatch {
        let watched =
            Rc::new(Watched { path: path.to_owned(), fired: Cell::new(true), waker: RefCell::new(None) });
        let mut watches = self.watches.borrow_mut();
        watches.retain(|watch| watch.strong_count() > 0);
        watches.push(Rc::downgrade(&watched));
        StoreWatch(watched)
    }

    fn fire(&self, concerns: impl Fn(&str) -> bool) {
        let watches: Vec<_> = self.watches.borrow().iter().filter_map(Weak::upgrade).collect();
        for watch in watches.into_iter().filter(|watch| concerns(&watch.path)) {
            watch.fired.set(true);
            let waker = watch.waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> World<T> {
    /// What dom0 reads in xenstore, by the whole path.
    pub fn store_read(&self, path: &str) -> Option<String> {
        self.store.read(path)
    }

    /// Writes a node as dom0 does.
    pub fn store_write(&self, path: &str, value: &str) {
        self.store.write(path, value);
    }

    /// Removes a node and all below it.
    pub fn store_remove(&self, path: &str) {
        self.store.remove(path);
    }

    /// Watches a node and all below it.
    pub fn store_watch(&self, path: &str) -> StoreWatch {
        self.store.watch(path)
    }

    /// How many requests guests have made to xenstore: round trips.
    pub fn store_requests(&self) -> u64 {
        self.store.requests.get()
    }
}
