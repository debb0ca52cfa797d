//! The sleep queue: a slab of entries under an indexed binary heap.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::Waker;

use traits::Instant;

/// The place of an entry, valid until it is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key(usize);

/// Sleeps ordered by deadline; those of the same deadline in the order in
/// which they began.
#[derive(Debug)]
pub(crate) struct Timers(RefCell<Queue>);

#[derive(Debug)]
struct Queue {
    entries: Vec<Entry>,
    /// Places of `entries` that are free.
    free: Vec<usize>,
    /// Those that wait, as a binary heap: no child is due before its parent.
    heap: Vec<Node>,
    serial: u64,
}

#[derive(Debug)]
struct Entry {
    /// `None`: expired, or free.
    waker: Option<Waker>,
    /// Where in the heap; meaningless without a waker.
    position: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    deadline: Instant,
    serial: u64,
    entry: usize,
}

impl Node {
    fn is_before(self, other: Self) -> bool {
        (self.deadline, self.serial) < (other.deadline, other.serial)
    }
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(Queue { entries: Vec::new(), free: Vec::new(), heap: Vec::new(), serial: 0 }))
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.borrow().heap.first().map(|node| node.deadline)
    }

    /// Makes sure that `waker` is woken at `deadline`, under the key given or
    /// a new one. A key always comes with the same deadline.
    pub(crate) fn set(&self, key: &mut Option<Key>, deadline: Instant, waker: &Waker) {
        let mut queue = self.0.borrow_mut();
        // A waker's drop may run foreign code: after the borrow.
        let replaced = match *key {
            Some(key) => queue.update(key, deadline, waker),
            None => {
                *key = Some(queue.insert(deadline, waker));
                None
            }
        };
        drop(queue);
        drop(replaced);
    }

    /// Gives a key's place back.
    pub(crate) fn remove(&self, key: Key) {
        let waker = self.0.borrow_mut().remove(key);
        drop(waker);
    }

    /// Wakes all that are due at `now`. Their keys stay valid.
    pub(crate) fn expire(&self, now: Instant) {
        loop {
            // The borrow ends before the waker runs.
            let due = self.0.borrow_mut().pop_due(now);
            match due {
                Some(waker) => waker.wake(),
                None => return,
            }
        }
    }
}

impl Queue {
    fn insert(&mut self, deadline: Instant, waker: &Waker) -> Key {
        let entry = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { waker: None, position: 0 });
            self.entries.len() - 1
        });
        self.enqueue(entry, deadline, waker.clone());
        Key(entry)
    }

    fn enqueue(&mut self, entry: usize, deadline: Instant, waker: Waker) {
        self.entries[entry].waker = Some(waker);
        self.serial += 1;
        self.heap.push(Node { deadline, serial: self.serial, entry });
        self.sift_up(self.heap.len() - 1);
    }

    fn update(&mut self, key: Key, deadline: Instant, waker: &Waker) -> Option<Waker> {
        match &mut self.entries[key.0].waker {
            Some(kept) if kept.will_wake(waker) => None,
            Some(kept) => Some(core::mem::replace(kept, waker.clone())),
            // Woken, but asked again before its time: the clock went back.
            None => {
                self.enqueue(key.0, deadline, waker.clone());
                None
            }
        }
    }

    fn remove(&mut self, key: Key) -> Option<Waker> {
        let Entry { waker, position } = &mut self.entries[key.0];
        let (waker, position) = (waker.take(), *position);
        if waker.is_some() {
            self.unlink(position);
        }
        self.free.push(key.0);
        waker
    }

    fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        let first = self.heap.first().filter(|node| node.deadline <= now)?;
        let waker = self.entries[first.entry].waker.take();
        self.unlink(0);
        waker
    }

    /// Takes the node at `position` out of the heap.
    fn unlink(&mut self, position: usize) {
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            // The last node came here, perhaps from another branch of the heap.
            let position = self.sift_up(position);
            self.sift_down(position);
        }
    }

    fn sift_up(&mut self, mut position: usize) -> usize {
        let node = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / 2;
            if !node.is_before(self.heap[parent]) {
                break;
            }
            self.place(position, self.heap[parent]);
            position = parent;
        }
        self.place(position, node);
        position
    }

    fn sift_down(&mut self, mut position: usize) {
        let node = self.heap[position];
        loop {
            let left = 2 * position + 1;
            let right = left + 1;
            let child = match (self.heap.get(left), self.heap.get(right)) {
                (Some(l), Some(r)) if r.is_before(*l) => right,
                (Some(_), _) => left,
                (None, _) => break,
            };
            if !self.heap[child].is_before(node) {
                break;
            }
            self.place(position, self.heap[child]);
            position = child;
        }
        self.place(position, node);
    }

    fn place(&mut self, position: usize, node: Node) {
        self.heap[position] = node;
        self.entries[node.entry].position = position;
    }
}
