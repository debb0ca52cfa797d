//! timers.
