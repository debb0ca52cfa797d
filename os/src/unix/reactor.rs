//! What a driver needs of whoever watches descriptors.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Poll, Waker};

use traits::Time;

/// Watches descriptors for drivers, and has the clock of their tower.
///
/// [`Os<Unix>`](crate::Os) does; an adapter over another executor's reactor can
/// as well. `&R` and `Rc<R>` do when `R` does.
///
/// The readiness methods are to be called **after** the descriptor has said
/// `WouldBlock`. [`Poll::Ready`] means "try again", and may be spurious;
/// [`Poll::Pending`] means that the waker is kept and woken when it is worth
/// trying again.
pub trait Reactor: Time {
    /// A descriptor being watched; dropping it ends that and closes it.
    type Source: AsFd;

    /// Begins to watch a descriptor, which must be non-blocking.
    ///
    /// # Errors
    ///
    /// The system's, for descriptors that can't be watched.
    fn register(&self, fd: OwnedFd) -> io::Result<Self::Source>;

    /// Whether it is worth reading again.
    ///
    /// # Errors
    ///
    /// When the reactor is gone.
    fn poll_readable(&self, source: &Self::Source, waker: &Waker) -> Poll<io::Result<()>>;

    /// Whether it is worth writing again.
    ///
    /// # Errors
    ///
    /// When the reactor is gone.
    fn poll_writable(&self, source: &Self::Source, waker: &Waker) -> Poll<io::Result<()>>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<R: Reactor> Reactor for $pointer {
            type Source = R::Source;

            fn register(&self, fd: OwnedFd) -> io::Result<Self::Source> {
                R::register(self, fd)
            }

            fn poll_readable(&self, source: &Self::Source, waker: &Waker) -> Poll<io::Result<()>> {
                R::poll_readable(self, source, waker)
            }

            fn poll_writable(&self, source: &Self::Source, waker: &Waker) -> Poll<io::Result<()>> {
                R::poll_writable(self, source, waker)
            }
        }
    )*};
}

forward!(&R, std::rc::Rc<R>);
