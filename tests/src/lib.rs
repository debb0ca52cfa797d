//! Tests of whole towers. What the test programs share.

pub mod hostile;
pub mod lab;
pub mod paced;
