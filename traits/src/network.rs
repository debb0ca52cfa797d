//! NETWORK: the bottom of every tower.

use core::error::Error;
use core::future::Future;

use wire::MacAddr;

use crate::{Layer, Never, Payload, RxMeta, SendError, TxMeta};

/// A device that sends and receives Ethernet frames.
///
/// Devices compose: a capture writer or a fault injector is a `Network` over
/// a `Network`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no network device",
    label = "a `Network` is expected here",
    note = "drivers: `netif_unix_tap::Tap`, `netif_memory::Link`; `&N` and `Rc<N>` are devices when `N` is"
)]
pub trait Network: Layer {
    /// What can end [`Network::listen`].
    type Error: Error;

    /// Whether [`Network::write_gathered`] saves a copy of the payload. Where it
    /// does not, nobody need call it.
    const GATHERS: bool = false;

    /// The device's own address.
    fn mac(&self) -> MacAddr;

    /// The largest Ethernet payload, in bytes: 1500 as a rule. A frame that
    /// asks for segmentation may be larger.
    fn mtu(&self) -> usize;

    /// Sends one frame of at most `len` bytes, Ethernet header included and
    /// frame check sequence not.
    ///
    /// `fill` gets exactly `len` bytes of the device's buffer, whose content
    /// is arbitrary, and returns how many it used: more than `len` counts as
    /// `len`, and a frame of 0 bytes is not sent.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full), [`TooLong`](SendError::TooLong),
    /// [`Down`](SendError::Down), or [`Unsupported`](SendError::Unsupported)
    /// for a request beyond [`Layer::capabilities`]. `fill` was not called.
    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError>;

    /// Sends one frame, of which `fill` writes the first `len` bytes and
    /// `payload` is the rest: the same as [`Network::write`] for all of it, but
    /// that a frame of which `fill` uses less than `len` bytes is not sent.
    ///
    /// # Errors
    ///
    /// As there.
    fn write_gathered(
        &self,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let whole = len.saturating_add(payload.payload_len());
        self.write(meta, whole, |buffer| payload.copy_behind(len, buffer, fill))
    }

    /// Hands every frame that arrives to `input`, for ever.
    ///
    /// Reads what waits, up to a bound that the driver documents, then yields
    /// so that others run. What listeners wrote meanwhile with
    /// [`TxMeta::more`] is flushed at the end of the batch. Dropping the
    /// future loses no frame that was not handed over yet; calling `listen`
    /// again goes on. Only one listener at a time gets frames.
    ///
    /// # Errors
    ///
    /// The device's own, when it can't go on.
    fn listen(&self, input: impl FnMut(Frame<'_>)) -> impl Future<Output = Result<Never, Self::Error>>;

    /// What has passed since the start or the last reset.
    fn statistics(&self) -> NetworkStatistics;

    /// Sets all counters to zero.
    fn reset_statistics(&self);

    /// Ends the use of the device: writes fail with
    /// [`SendError::Down`] and nothing more is received.
    fn disconnect(&self);
}

/// A frame in the driver's own buffer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// The frame, Ethernet header first, without frame check sequence.
    pub bytes: &'a [u8],
    /// What the device says of it.
    pub meta: RxMeta,
}

impl<'a> Frame<'a> {
    /// A frame with the device's word on it.
    pub const fn new(bytes: &'a [u8], meta: RxMeta) -> Self {
        Self { bytes, meta }
    }
}

impl<'a> From<&'a [u8]> for Frame<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(bytes, RxMeta::NONE)
    }
}

/// What passed through a device. Counters wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct NetworkStatistics {
    /// Bytes received, of frames handed up.
    pub rx_bytes: u64,
    /// Frames received and handed up.
    pub rx_packets: u64,
    /// Frames received and dropped by the device: malformed or too long.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Writes refused with [`SendError::Full`].
    pub tx_full: u64,
    /// Frames taken by `write` and then lost: refused by the system, or
    /// filled when the link was found to be down.
    pub tx_dropped: u64,
}

impl NetworkStatistics {
    /// All zero.
    pub const ZERO: Self = Self {
        rx_bytes: 0,
        rx_packets: 0,
        rx_dropped: 0,
        tx_bytes: 0,
        tx_packets: 0,
        tx_full: 0,
        tx_dropped: 0,
    };

    /// All counters by name, in the order of the struct.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("rx_bytes", self.rx_bytes),
            ("rx_packets", self.rx_packets),
            ("rx_dropped", self.rx_dropped),
            ("tx_bytes", self.tx_bytes),
            ("tx_packets", self.tx_packets),
            ("tx_full", self.tx_full),
            ("tx_dropped", self.tx_dropped),
        ]
        .into_iter()
    }
}
