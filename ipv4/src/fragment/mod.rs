//! Fragments: made whole on receipt, cut on sending.

mod blocks;
mod entry;
mod reassembly;
mod split;

pub(crate) use reassembly::{Reassembly, Whole};

use core::time::Duration;

/// How long the fragments of a packet may take, from the first that arrives
/// (RFC 1122 §3.3.2 asks for 60 seconds and more; as in Linux, less holds
/// less memory under attack).
pub const REASSEMBLY_TIMEOUT: Duration = Duration::from_secs(30);
