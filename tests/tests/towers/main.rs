//! Whole towers in virtual time: what they allocate, how they are shared, and
//! anything at all that arrives.

mod allocations;
mod run;
mod sharing;
mod tower;
