//! What several tests use.

#![allow(dead_code, unreachable_pub)]

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use traits::{Console, WakerSet};

/// A waker that counts.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Count {
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A task polled by hand.
pub struct Hand<F> {
    pub task: Pin<Box<F>>,
    pub count: Arc<Count>,
}

impl<F: Future> Hand<F> {
    pub fn new(task: F) -> Self {
        Self { task: Box::pin(task), count: Arc::default() }
    }

    pub fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.count.clone());
        self.task.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// How often it was woken.
    pub fn woken(&self) -> usize {
        self.count.get()
    }
}

/// A thing that tasks wait for, and that others announce.
#[derive(Default)]
pub struct Signal {
    waiters: WakerSet<8>,
    pub polls: Cell<u32>,
}

impl Signal {
    pub fn wake(&self) {
        self.waiters.wake();
    }

    /// Calls `body` at each poll; ends when it says so, else waits for the
    /// next wake. Counts the polls.
    pub async fn each<T>(&self, mut body: impl FnMut(&Waker) -> Poll<T>) -> T {
        poll_fn(|context| {
            self.polls.set(self.polls.get() + 1);
            let polled = body(context.waker());
            if polled.is_pending() {
                self.waiters.register(context.waker());
            }
            polled
        })
        .await
    }

    /// Waits for ever, and counts the polls.
    pub async fn idle(&self) {
        self.each(|_| Poll::Pending).await
    }
}

/// A console that keeps its lines.
#[derive(Default)]
pub struct Lines(RefCell<Vec<u8>>);

impl Lines {
    pub fn take(&self) -> Vec<String> {
        let bytes = self.0.take();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Console for Lines {
    fn write(&self, bytes: &[u8]) {
        self.0.borrow_mut().extend(bytes);
    }
}
