//! This project's side.

mod link;
mod memory;
mod tower;

pub(crate) use memory::run;
