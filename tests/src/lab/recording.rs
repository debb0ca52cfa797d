//! What passes the tap, for an independent eye to look at.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Daemon, KERNEL, Scratch, TAP, run, until};

/// What the kernel says last, to everybody: once that is written, all before it is.
const LAST: &[u8] = b"the recording ends here";
/// To whom: a port that discards what comes (RFC 863).
const DISCARD: u16 = 9;
/// How long tcpdump may take to begin, and to write what it has heard.
const PATIENCE: Duration = Duration::from_secs(30);

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
        // It writes the file's header once it listens.
        until("tcpdump did not begin", PATIENCE, || {
            Ok(fs::metadata(file.path()).map_or(0, |file| file.len()) >= 24)
        })?;
        Ok(Self { file, tcpdump })
    }

    /// Ends the recording, a little later, with a datagram from the kernel to
    /// everybody.
    ///
    /// # Errors
    ///
    /// When tcpdump does not end, or does not write what it has heard.
    pub fn stop(self) -> Result<Recording> {
        // Whatever somebody says without need comes after that.
        thread::sleep(Duration::from_millis(300));
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.set_broadcast(true)?;
        socket.send_to(LAST, (KERNEL.broadcast().context("a link for one")?, DISCARD))?;
        until("tcpdump did not write what it has heard", PATIENCE, || self.has_last())?;
        self.tcpdump.stop()?;
        Ok(Recording(self.file))
    }

    /// Whether what was said last is written.
    fn has_last(&self) -> Result<bool> {
        let mut file = File::open(self.file.path())?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(4096)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end.windows(LAST.len()).any(|bytes| bytes == LAST))
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
