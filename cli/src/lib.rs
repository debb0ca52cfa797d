//! What the program `fata` is made of: applications on the tower, and the
//! ways to show it. A library, so that the tests can run the same code.

pub mod arguments;
pub mod http;
pub mod meter;
