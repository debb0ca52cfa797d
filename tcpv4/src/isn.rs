//! isn.
