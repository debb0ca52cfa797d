//! Bytes to meaning and back.

mod header;
mod options;

pub(crate) use header::nonzero;
pub use header::{CHECKSUM_OFFSET, HEADER_LEN, HeaderError, Ports, emit, parse};
pub use options::{MAX_SACK_BLOCKS, Options, SackBlock, SackBlocks, Timestamps};
