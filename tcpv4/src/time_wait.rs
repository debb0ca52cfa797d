//! time_wait.
