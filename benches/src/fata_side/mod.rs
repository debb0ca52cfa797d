//! This project's side.

mod link;
mod memory;
mod tap;
mod tower;

pub(crate) use memory::run;
pub(crate) use tap::run as run_on_tap;
