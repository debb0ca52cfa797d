//! What the program `fata` is made of: applications on the tower, and the
//! ways to show it. A library, so that the tests can run the same code.

pub mod arguments;
mod capture;
pub mod commands;
pub mod demo;
pub mod doctor;
pub mod http;
mod lease;
pub mod meter;
pub mod ping;
pub mod replay;
pub mod tower;
