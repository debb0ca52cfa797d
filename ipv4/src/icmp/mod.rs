//! ICMP (RFC 792, RFC 1122 §3.2.2).

mod errors;
mod limit;
mod message;

pub(crate) use limit::Limit;
pub use limit::{ERRORS_BURST, ERRORS_PER_SECOND};
pub(crate) use message::ErrorToSend;

/// Bytes of the longest ICMP error sent, IPv4 header included (RFC 1812
/// §4.3.2.3).
pub const MAX_ERROR_LEN: usize = 576;
