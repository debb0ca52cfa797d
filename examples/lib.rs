//! Applications as the slides show them. None knows what is under it.

#![no_std]
#![forbid(unsafe_code)]

pub mod custom_stack;
pub mod multicore;
