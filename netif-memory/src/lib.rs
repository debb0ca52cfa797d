//! Network in memory: a link with virtual time.
