//! Bytes, numbers and buffers beside models of them.

mod header;
mod ring;
mod seq;
