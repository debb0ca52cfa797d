//! The rival's side, as fast as it can be made to go.

mod link;
mod memory;
mod tap;

pub(crate) use memory::run;
pub(crate) use tap::run as run_on_tap;
