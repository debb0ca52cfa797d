//! Tests of whole towers. What the test programs share.

pub mod lab;
