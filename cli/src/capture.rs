//! A capture file beside the traffic.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use fata::traits::{Instant, Network};
use netif_pcap::Capture;

/// Has what passes `device` written to `path`, frame by frame, so that the
/// file is whole whenever the program ends.
pub(crate) fn write<N: Network>(device: N, path: &Path) -> Result<Capture<N, File>> {
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let since_start = device.now().duration_since(Instant::ZERO);
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Ok(Capture::new(device, file).with_epoch(wall.saturating_sub(since_start)))
}
