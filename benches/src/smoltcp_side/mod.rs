//! The rival's side, as fast as it can be made to go.

mod link;
mod memory;

pub(crate) use memory::run;
