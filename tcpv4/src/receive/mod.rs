//! What is received: the bytes, the own window, and what is to be said of it.

mod acks;
mod assembler;
mod queue;
mod window;

pub(crate) use acks::{AckPolicy, LastSmaller, MAX_DELAY, Size, Urgency};
pub(crate) use assembler::{Assembler, Insertion, Range};
pub(crate) use queue::ReceiveQueue;
pub(crate) use window::ReceiveWindow;
