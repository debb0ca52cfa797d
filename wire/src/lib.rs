//! Numbers that several layers share: addresses, protocol numbers and the
//! Internet checksum.
//!
//! Everything here is a plain value without state, without allocation and
//! without I/O. Header formats live with the layer that speaks them.

#![no_std]
#![forbid(unsafe_code)]

mod address;
mod checksum;
mod number;

pub use address::{Cidr, MacAddr, ParseCidrError};
pub use checksum::{Checksum, checksum, header_checksum};
pub use number::{EtherType, Protocol};
