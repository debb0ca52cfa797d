//! What passes the tap, for an independent eye to look at.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Daemon, Scratch, TAP, run};

/// A recording under way.
pub struct Recorder {
    file: Scratch,
    tcpdump: Daemon,
}

/// A recording that has ended.
pub struct Recording(Scratch);

impl Recorder {
    /// Records from now on.
    ///
    /// # Errors
    ///
    /// When tcpdump can't be run or does not begin.
    pub fn start() -> Result<Self> {
        let file = Scratch::new("capture.pcap");
        // In this mode each frame takes a place of the longest length in the
        // kernel's 64 MiB: 32,768 of them, with room for any MTU here.
        let mut arguments = vec!["-i", TAP, "-n", "-q", "-U", "--immediate-mode", "-B", "65536", "-s", "2048"];
        arguments.extend(["-Z", "root", "-w", file.path()]);
        let tcpdump = Daemon::start("tcpdump", &arguments)?;
        let start = Instant::now();
        // It writes the file's header once it listens.
        while fs::metadata(file.path()).map_or(0, |file| file.len()) < 24 {
            ensure!(start.elapsed() < Duration::from_secs(20), "tcpdump does not begin");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { file, tcpdump })
    }

    /// Ends the recording.
    ///
    /// # Errors
    ///
    /// When tcpdump does not end.
    pub fn stop(self) -> Result<Recording> {
        // The kernel hands frames to tcpdump a little later.
        thread::sleep(Duration::from_millis(300));
        self.tcpdump.stop()?;
        Ok(Recording(self.file))
    }
}

impl Recording {
    /// Puts it where it stays, to be looked at.
    ///
    /// # Errors
    ///
    /// When it can't be copied.
    pub fn keep(&self, name: &str) -> Result<PathBuf> {
        let kept = env::temp_dir().join(format!("fata-{name}-{}.pcap", std::process::id()));
        fs::copy(self.0.path(), &kept)?;
        Ok(kept)
    }

    /// What tshark says of the frames that `filter` lets through, checksums
    /// verified, one line each.
    ///
    /// # Errors
    ///
    /// When tshark fails.
    pub fn tshark(&self, filter: &str, more: &[&str]) -> Result<String> {
        let mut arguments = crate::tshark_arguments(self.0.path(), filter);
        arguments.extend(more);
        run("tshark", &arguments)
    }
}
