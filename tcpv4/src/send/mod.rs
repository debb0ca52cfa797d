//! What is sent: the bytes, the peer's window, and what is under way.

mod pieces;
mod queue;
mod scoreboard;
mod window;

pub(crate) use queue::SendQueue;
pub(crate) use scoreboard::{Record, Resent, Scoreboard};
pub(crate) use window::SendWindow;
