//! A task and its wakener.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// A task that completes when its [`Wakener`] says so, and that wakener:
/// Lwt's `wait`.
///
/// Both are for one thread of the system.
///
/// ```
/// # os::virtual_time::run(async |_| {
/// let (task, wakener) = os::wait();
/// assert_eq!(task.state(), os::State::Sleep);
/// wakener.wakeup("good morning");
/// assert_eq!(task.state(), os::State::Return);
/// assert_eq!(task.await, Ok("good morning"));
/// # });
/// ```
pub fn wait<T>() -> (Task<T>, Wakener<T>) {
    let cell = Rc::new(RefCell::new(Inner::Sleep(None)));
    (Task { cell: cell.clone() }, Wakener { cell })
}

enum Inner<T> {
    Sleep(Option<Waker>),
    Return(T),
    Fail,
    /// The value has been handed out.
    Taken,
}

/// How a [`Task`] stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It has a value.
    Return,
    /// It will never have one: its wakener is gone.
    Fail,
    /// It waits.
    Sleep,
}

/// The wakener was dropped without having been used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abandoned;

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the wakener is gone")
    }
}

impl core::error::Error for Abandoned {}

/// A task that waits for its [`Wakener`].
pub struct Task<T> {
    cell: Rc<RefCell<Inner<T>>>,
}

impl<T> Task<T> {
    /// How it stands.
    pub fn state(&self) -> State {
        match *self.cell.borrow() {
            Inner::Sleep(_) => State::Sleep,
            Inner::Return(_) | Inner::Taken => State::Return,
            Inner::Fail => State::Fail,
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Abandoned>;

    /// # Panics
    ///
    /// When polled again after it has returned its value.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.cell.borrow_mut();
        match core::mem::replace(&mut *inner, Inner::Taken) {
            Inner::Sleep(before) => {
                let waker = match before {
                    Some(kept) if kept.will_wake(context.waker()) => kept,
                    Some(_) | None => context.waker().clone(),
                };
                *inner = Inner::Sleep(Some(waker));
                Poll::Pending
            }
            Inner::Return(value) => Poll::Ready(Ok(value)),
            Inner::Fail => {
                *inner = Inner::Fail;
                Poll::Ready(Err(Abandoned))
            }
            Inner::Taken => panic!("a task was polled after its end"),
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.state()).finish()
    }
}

/// Wakes its [`Task`] up. When it is dropped unused, the task fails.
pub struct Wakener<T> {
    cell: Rc<RefCell<Inner<T>>>,
}

impl<T> Wakener<T> {
    /// Completes the task with `value`: Lwt's `wakeup`. The task goes on when
    /// the run loop comes to it, not within this call.
    pub fn wakeup(self, value: T) {
        self.settle(Inner::Return(value));
    }

    fn settle(&self, outcome: Inner<T>) {
        // The waker runs after the borrow has ended.
        if let Inner::Sleep(Some(waker)) = self.cell.replace(outcome) {
            waker.wake();
        }
    }
}

impl<T> Drop for Wakener<T> {
    fn drop(&mut self) {
        if matches!(*self.cell.borrow(), Inner::Sleep(_)) {
            self.settle(Inner::Fail);
        }
    }
}

impl<T> fmt::Debug for Wakener<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakener").finish_non_exhaustive()
    }
}

/// Lets the other threads run once: Lwt's `yield`.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
