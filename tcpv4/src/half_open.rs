//! half_open.
