//! The layer, by topic: alone, and over the real layers.

mod common;
mod input;
mod output;
mod socket;
mod tower;
