//! The layer against a device of virtual time, by topic.

#![allow(unreachable_pub, missing_docs)]

mod arbitrary;
mod common;
mod frames;
mod learning;
mod own;
mod parking;
mod probing;
mod resolving;
mod waking;
