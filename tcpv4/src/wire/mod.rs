//! Bytes to meaning and back.

mod header;
mod options;
mod plain;

pub use header::{CHECKSUM_OFFSET, HEADER_LEN, HeaderError, Ports, emit, parse};
pub(crate) use header::{PieceHeader, emit_of_len, is_intact, nonzero};
pub use options::{MAX_SACK_BLOCKS, Options, SackBlock, SackBlocks, Timestamps};
pub(crate) use plain::{Kind, kind, plain};
