//! The bytes that cross, and how many of them come in time.

use std::time::Duration;

use anyhow::{Result, ensure};
use fata_cli::http::fill_bytes;

/// Bytes written at once.
pub(crate) const PIECE: usize = 64 << 10;

/// The stream from a place on, which is a multiple of eight.
pub(crate) fn piece(at: u64) -> Vec<u8> {
    let mut piece = vec![0; PIECE];
    fill_bytes(at / 8, &mut piece);
    piece
}

/// How much is sent, and how long a receiver counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// The sender closes after so many bytes.
    pub(crate) bytes: u64,
    /// The receiver ends after such a time, if the stream has not.
    pub(crate) lasting: Duration,
}

/// Compares what comes with what was sent, and takes the time.
pub(crate) struct Receiver {
    amount: Amount,
    expected: Vec<u8>,
    at: u64,
    last: Duration,
}

/// What came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) bytes: u64,
    /// From the connection's beginning to the last byte, or to the end of the
    /// time given.
    pub(crate) took: Duration,
}

impl Receiver {
    /// Begins to count.
    pub(crate) fn new(amount: Amount) -> Self {
        Self { amount, expected: piece(0), at: 0, last: Duration::ZERO }
    }

    /// Takes what came, so long after the beginning; fails at the first byte
    /// that is wrong.
    pub(crate) fn take(&mut self, elapsed: Duration, mut bytes: &[u8]) -> Result<()> {
        if elapsed > self.amount.lasting {
            return Ok(());
        }
        self.last = elapsed;
        while !bytes.is_empty() {
            let offset = (self.at % PIECE as u64) as usize;
            if offset == 0 && self.at > 0 {
                fill_bytes(self.at / 8, &mut self.expected);
            }
            let len = bytes.len().min(PIECE - offset);
            let (these, rest) = bytes.split_at(len);
            ensure!(these == &self.expected[offset..offset + len], "wrong bytes after byte {}", self.at);
            self.at += len as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// The stream has ended, or the time is over.
    pub(crate) fn finish(self, ended: bool) -> Result<Received> {
        if ended {
            ensure!(self.at == self.amount.bytes, "{} bytes instead of {}", self.at, self.amount.bytes);
            return Ok(Received { bytes: self.at, took: self.last });
        }
        ensure!(self.amount.bytes == u64::MAX, "only {} bytes in time", self.at);
        Ok(Received { bytes: self.at, took: self.amount.lasting })
    }
}
