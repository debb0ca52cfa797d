//! Bytes to meaning and back.

mod header;
mod options;

pub use header::{CHECKSUM_OFFSET, HEADER_LEN, HeaderError, Ports, emit, parse};
pub(crate) use header::{PieceHeader, emit_of_len, nonzero};
pub use options::{MAX_SACK_BLOCKS, Options, SackBlock, SackBlocks, Timestamps};
