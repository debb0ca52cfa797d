//! The file that a capture goes to.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use netif_memory::segment;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, Endianness, PcapResult, TsResolution};
use traits::{ChecksumVerdict, Instant, PartialChecksum, RxMeta, Segmentation, TxMeta};

use crate::{Direction, Recorded};

/// Longer than any frame that a device hands over.
const SNAP_LEN: u32 = 262_144;

/// The kind of file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// pcapng, with the direction of each frame and any number of interfaces.
    PcapNg,
    /// Classic pcap with nanoseconds, without directions and interfaces.
    Pcap,
}

/// How a capture is going. Counters wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct CaptureStatistics {
    /// Frames written, the pieces of a large one each.
    pub frames: u64,
    /// Frames that could not be written.
    pub lost: u64,
    /// What went wrong first.
    pub error: Option<io::ErrorKind>,
}

/// A capture file that several [`Capture`](crate::Capture)s may share, each
/// as an interface of its own.
///
/// Writing never fails towards the traffic: from the first error on, all
/// frames count as lost, so that the file stays readable up to there.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    state: RefCell<State<W>>,
    statistics: Cell<CaptureStatistics>,
}

#[derive(Debug)]
struct State<W> {
    file: W,
    format: Format,
    encoder: Option<Encoder>,
    encoded: Encoded,
    interfaces: Vec<String>,
    /// Interfaces already written to the file.
    described: usize,
    epoch: Duration,
    origin: Instant,
    /// A large frame while it is cut.
    scratch: Vec<u8>,
}

/// Encodes each block in memory, so that it is written at one go.
enum Encoder {
    PcapNg(PcapNgWriter<Encoded>),
    Pcap(PcapWriter<Encoded>),
}

/// What was encoded and not yet written.
#[derive(Clone, Debug, Default)]
struct Encoded(Rc<RefCell<Vec<u8>>>);

impl Write for Encoded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Encoded {
    /// Writes it all to `file`.
    fn write_to(&self, file: &mut impl Write) -> io::Result<()> {
        let mut encoded = self.0.borrow_mut();
        let written = file.write_all(&encoded);
        encoded.clear();
        written
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PcapNg(_) => "PcapNg",
            Self::Pcap(_) => "Pcap",
        })
    }
}

impl<W: Write> Recorder<W> {
    /// A recorder that writes to `file`.
    pub fn new(file: W, format: Format) -> Self {
        let state = State {
            file,
            format,
            encoder: None,
            encoded: Encoded::default(),
            interfaces: Vec::new(),
            described: 0,
            epoch: Duration::ZERO,
            origin: Instant::ZERO,
            scratch: Vec::new(),
        };
        Self { state: RefCell::new(state), statistics: Cell::default() }
    }

    /// Sets the wall-clock time at [`Instant::ZERO`], as time since
    /// 1970-01-01T00:00:00Z; that date itself unless set.
    pub fn set_epoch(&self, epoch: Duration) {
        self.state.borrow_mut().epoch = epoch;
    }

    /// Sets the device's time that counts as zero in the file, for clocks that
    /// started long before; [`Instant::ZERO`] unless set. What was before
    /// counts as zero too.
    pub fn set_origin(&self, origin: Instant) {
        self.state.borrow_mut().origin = origin;
    }

    /// Adds an interface and returns its number.
    pub fn add_interface(&self, name: &str) -> u32 {
        let mut state = self.state.borrow_mut();
        state.interfaces.push(name.to_owned());
        state.interfaces.len() as u32 - 1
    }

    /// How it is going.
    pub fn statistics(&self) -> CaptureStatistics {
        self.statistics.get()
    }

    /// Has the file write what it holds back, the header at least.
    ///
    /// # Errors
    ///
    /// The file's own, now or before.
    pub fn flush(&self) -> io::Result<()> {
        let mut statistics = self.statistics.get();
        if let Some(kind) = statistics.error {
            return Err(kind.into());
        }
        let mut state = self.state.borrow_mut();
        let flushed = state.start().and_then(|()| state.file.flush());
        if let Err(error) = &flushed {
            statistics.error = Some(error.kind());
            self.statistics.set(statistics);
        }
        flushed
    }

    /// Ends the capture and gives the file back.
    pub fn into_writer(self) -> W {
        // An error is counted with the frames that it cost, if any.
        let _ = self.flush();
        self.state.into_inner().file
    }

    /// Records a frame that is being sent.
    pub(crate) fn record_sent(&self, interface: u32, at: Instant, frame: &[u8], meta: TxMeta) {
        self.record(interface, at, Direction::Outbound, frame, meta.segmentation(), meta.checksum());
    }

    /// Records a frame that was received.
    pub(crate) fn record_received(&self, interface: u32, at: Instant, frame: &[u8], meta: RxMeta) {
        let segmentation = meta.segment_size.and_then(|size| segment::describe(frame, size).ok());
        let checksum = match meta.checksum {
            ChecksumVerdict::Blank(request) => Some(request),
            ChecksumVerdict::Unchecked | ChecksumVerdict::Verified => None,
        };
        self.record(interface, at, Direction::Inbound, frame, segmentation, checksum);
    }

    /// Records a frame that was recorded before, as it was.
    pub(crate) fn record_again(&self, interface: u32, frame: &Recorded) {
        let direction = frame.direction.unwrap_or(Direction::Inbound);
        let write = |state: &mut State<W>| {
            state.write(interface, frame.at, direction, &frame.bytes, frame.original_len)
        };
        self.put(&mut self.state.borrow_mut(), write);
    }

    /// Writes a frame, unless the file has failed before, and counts it.
    fn put(&self, state: &mut State<W>, write: impl FnOnce(&mut State<W>) -> io::Result<()>) {
        let written = match self.statistics.get().error {
            None => write(state),
            Some(kind) => Err(kind.into()),
        };
        self.count(written);
    }

    /// Records a frame as it would look on a wire: checksums completed, large
    /// frames cut.
    fn record(
        &self,
        interface: u32,
        at: Instant,
        direction: Direction,
        frame: &[u8],
        segmentation: Option<Segmentation>,
        checksum: Option<PartialChecksum>,
    ) {
        // In use only where the file itself sends frames.
        let Ok(mut state) = self.state.try_borrow_mut() else {
            return self.count(Err(io::ErrorKind::ResourceBusy.into()));
        };
        let write = |state: &mut State<W>, bytes: &[u8]| {
            self.put(state, |state| state.write(interface, at, direction, bytes, bytes.len()));
        };
        if segmentation.is_none() && checksum.is_none() {
            return write(&mut state, frame);
        }
        let mut scratch = std::mem::take(&mut state.scratch);
        scratch.clear();
        scratch.extend_from_slice(frame);
        let cut = segmentation.map(|by| segment::cut(&mut scratch, by, |piece| write(&mut state, piece)));
        if cut.is_none_or(|cut| cut.is_err()) {
            // What fits no frame is recorded as it is.
            let _ = checksum.map(|request| segment::complete_checksum(&mut scratch, request));
            write(&mut state, &scratch);
        }
        state.scratch = scratch;
    }

    fn count(&self, written: io::Result<()>) {
        let mut statistics = self.statistics.get();
        match written {
            Ok(()) => statistics.frames = statistics.frames.wrapping_add(1),
            Err(error) => {
                statistics.lost = statistics.lost.wrapping_add(1);
                statistics.error.get_or_insert(error.kind());
            }
        }
        self.statistics.set(statistics);
    }
}

impl<W: Write> State<W> {
    /// Writes what has to stand before the next frame.
    fn start(&mut self) -> io::Result<()> {
        let mut encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => Encoder::new(self.format, self.encoded.clone()).map_err(to_io)?,
        };
        for name in self.interfaces.get(self.described..).unwrap_or_default() {
            encoder.interface(name).map_err(to_io)?;
            self.described += 1;
        }
        self.encoder = Some(encoder);
        self.encoded.write_to(&mut self.file)
    }

    /// A frame of `len` bytes, of which `frame` are the first.
    fn write(
        &mut self,
        interface: u32,
        at: Instant,
        direction: Direction,
        frame: &[u8],
        len: usize,
    ) -> io::Result<()> {
        let timestamp = self.epoch.saturating_add(at.duration_since(self.origin));
        self.start()?;
        if let Some(encoder) = &mut self.encoder {
            encoder.frame(interface, timestamp, direction, frame, len).map_err(to_io)?;
        }
        self.encoded.write_to(&mut self.file)
    }
}

fn to_io(error: pcap_file::PcapError) -> io::Error {
    match error {
        pcap_file::PcapError::IoError(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidInput, other),
    }
}

impl Encoder {
    /// The same bytes on every machine: little-endian.
    fn new(format: Format, encoded: Encoded) -> PcapResult<Self> {
        match format {
            Format::PcapNg => PcapNgWriter::with_endianness(encoded, Endianness::Little).map(Self::PcapNg),
            Format::Pcap => {
                let header = PcapHeader {
                    snaplen: SNAP_LEN,
                    datalink: DataLink::ETHERNET,
                    ts_resolution: TsResolution::NanoSecond,
                    endianness: Endianness::Little,
                    ..PcapHeader::default()
                };
                PcapWriter::with_header(encoded, header).map(Self::Pcap)
            }
        }
    }

    fn interface(&mut self, name: &str) -> PcapResult<()> {
        match self {
            Self::PcapNg(writer) => {
                let options = vec![
                    InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                    // Nanoseconds.
                    InterfaceDescriptionOption::IfTsResol(9),
                ];
                let block =
                    InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: SNAP_LEN, options };
                writer.write_pcapng_block(block).map(|_| ())
            }
            Self::Pcap(_) => Ok(()),
        }
    }

    /// A frame of `len` bytes, of which `frame` are the first.
    fn frame(
        &mut self,
        interface: u32,
        at: Duration,
        direction: Direction,
        frame: &[u8],
        len: usize,
    ) -> PcapResult<()> {
        let len = len.max(frame.len()) as u32;
        match self {
            Self::PcapNg(writer) => {
                let block = EnhancedPacketBlock {
                    interface_id: interface,
                    timestamp: at,
                    original_len: len,
                    data: Cow::Borrowed(frame),
                    options: vec![EnhancedPacketOption::Flags(direction.to_flags())],
                };
                writer.write_pcapng_block(block).map(|_| ())
            }
            Self::Pcap(writer) => writer.write_packet(&PcapPacket::new(at, len, frame)).map(|_| ()),
        }
    }
}
