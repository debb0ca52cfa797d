//! The unikernels' web server, which says the SHA-256 of what is put there.

use std::fmt::Write as _;

use fata::traits::{Flow, FlowError};
use sha2::{Digest, Sha256};
use unikernels::http::{self, Upload};

pub use unikernels::http::fill_bytes;

/// The digest of a body.
#[derive(Default)]
struct Digested(Sha256);

impl Upload for Digested {
    const CHUNK: usize = 64 * 1024;

    fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn verdict(self) -> String {
        self.0.finalize().iter().fold(String::from("sha256 "), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Serves requests until the peer closes or something goes wrong.
///
/// # Errors
///
/// The flow's.
pub async fn serve<F: Flow>(flow: &mut F) -> Result<(), FlowError> {
    http::serve::<F, Digested>(flow).await
}
