//! A device whose traffic is recorded.

use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use traits::{Frame, Layer, Network, Never, SendError, TxMeta};

use crate::{CaptureStatistics, Format, Recorder};

/// A device `N` whose traffic is written to the file `W`, both ways.
///
/// Frames are written as they would look on a wire: a checksum left to the
/// device is completed, a frame to be cut, or received as several in one, is
/// written as its segments. The traffic itself passes as it is, and an error
/// of the file never disturbs it
/// ([`Capture::capture_statistics`]).
///
/// The file gets one write for each frame: a slow one wants a `BufWriter`.
#[derive(Debug)]
pub struct Capture<N, W: Write> {
    device: N,
    recorder: Rc<Recorder<W>>,
    interface: u32,
}

impl<N: Network, W: Write> Capture<N, W> {
    /// Captures to a pcapng file of its own.
    pub fn new(device: N, file: W) -> Self {
        Self::with_format(device, file, Format::PcapNg)
    }

    /// Captures to a file of its own.
    pub fn with_format(device: N, file: W, format: Format) -> Self {
        Self::shared(device, &Rc::new(Recorder::new(file, format)), "fata0")
    }

    /// Captures to a file that others share, as the interface `name`.
    pub fn shared(device: N, recorder: &Rc<Recorder<W>>, name: &str) -> Self {
        let interface = recorder.add_interface(name);
        Self { device, recorder: recorder.clone(), interface }
    }

    /// Sets the wall-clock time at [`Instant::ZERO`](traits::Instant::ZERO), as time since
    /// 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn with_epoch(self, epoch: Duration) -> Self {
        self.recorder.set_epoch(epoch);
        self
    }

    /// The device below.
    pub const fn device(&self) -> &N {
        &self.device
    }

    /// How the capture is going.
    pub fn capture_statistics(&self) -> CaptureStatistics {
        self.recorder.statistics()
    }

    /// Has the file write what it holds back.
    ///
    /// # Errors
    ///
    /// The file's own.
    pub fn flush_file(&self) -> io::Result<()> {
        self.recorder.flush()
    }

    /// Ends the capture and gives the file back; `None` while others share it.
    pub fn into_writer(self) -> Option<W> {
        Rc::try_unwrap(self.recorder).ok().map(Recorder::into_writer)
    }
}

impl<N: Network, W: Write> Layer for Capture<N, W> {
    traits::forward_layer!(device);
}

impl<N: Network, W: Write> Network for Capture<N, W> {
    type Error = N::Error;

    traits::forward_network!(device, except write, listen);

    // Recorded while the frame is filled, the one time that its bytes are seen:
    // one that the device then refuses for another reason than room is in the
    // capture all the same.
    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        self.device.write(meta, len, |buffer| {
            let used = fill(buffer).min(len);
            let frame = buffer.get(..used).unwrap_or_default();
            if !frame.is_empty() {
                self.recorder.record_sent(self.interface, self.now(), frame, meta);
            }
            used
        })
    }

    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, N::Error> {
        let record = |frame: Frame<'_>| {
            self.recorder.record_received(self.interface, self.now(), frame.bytes, frame.meta);
            input(frame);
        };
        self.device.listen(record).await
    }
}
