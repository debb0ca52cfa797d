//! Cooperative threads and the run loop that drives them.
//!
//! A thread is a future. [`Os::run`] drives one of them to its end, together
//! with all that it joins, in the thread of the system that called it. Nothing
//! is ever preempted, so state shared between threads needs no lock.
//!
//! | Lwt, in the slides | here |
//! |---|---|
//! | `return` | `async { value }`, or [`core::future::ready`] |
//! | `bind`, `>>=` | `.await` |
//! | `OS.Main.run` | [`Os::run`], [`unix::run`] |
//! | `OS.Time.sleep` | [`Time::sleep`](traits::Time::sleep) on [`Os`] |
//! | `join`, `<&>` | [`join!`], [`try_join!`], [`join()`] |
//! | `choose`, `pick`, `<?>` | [`race!`], [`choose()`] |
//! | `wait`, `wakeup` | [`wait()`], [`Wakener::wakeup`] |
//! | `Return`, `Fail`, `Sleep` | [`State`] |
//!
//! The combinators depend on nothing else here and work under any executor.
//!
//! # One core, a bottom below
//!
//! [`Os`] is generic over its [`Bottom`]: a clock, and a way to wait for
//! either a deadline or the outside world. On [`unix`] that is `epoll`; under a
//! hypervisor, in `xen`, it is the call that blocks the virtual machine;
//! [`virtual_time`] has a bottom whose clock jumps to the next deadline, for
//! tests.

#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "unix", test))]
extern crate std;

mod branches;
mod choose;
mod join;
mod root;
mod run;
mod task;
mod timers;
pub mod virtual_time;

#[cfg(feature = "unix")]
pub mod unix;
#[cfg(all(feature = "xen", target_arch = "x86_64"))]
pub mod xen;

pub use choose::choose;
pub use join::join;
pub use run::{Bottom, Notify, Os, Wait};
pub use task::{Abandoned, State, Task, Wakener, wait, yield_now};

/// What the macros name.
#[doc(hidden)]
pub mod __private {
    pub use core::future::{IntoFuture, poll_fn};
    pub use core::option::Option::{self, None, Some};
    pub use core::pin::pin;
    pub use core::result::Result::{self, Err, Ok};
    pub use core::task::Poll;
    pub use core::{compile_error, stringify};

    pub use crate::branches::{Branches, Pass, Slot};
    pub use crate::join::{ConvertError, Failure};
}
