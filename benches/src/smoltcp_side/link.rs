//! An end of the link in memory as a device.

use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::ring::{FRAME_MAX, Ring};

/// One end.
pub(crate) struct End<'r> {
    pub(crate) transmit: &'r Ring,
    pub(crate) receive: &'r Ring,
    /// The stack computes and verifies checksums.
    pub(crate) checksums: bool,
}

/// A frame to take, or room for one.
pub(crate) struct Token<'r>(&'r Ring);

impl RxToken for Token<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        self.0.pop(take)
    }
}

impl TxToken for Token<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        self.0.push(len, |buffer| (len, fill(buffer)))
    }
}

impl Device for End<'_> {
    type RxToken<'a>
        = Token<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Token<'a>
    where
        Self: 'a;

    #[inline]
    fn receive(&mut self, _: Instant) -> Option<(Token<'_>, Token<'_>)> {
        let ready = !self.receive.is_empty() && !self.transmit.is_full();
        ready.then_some((Token(self.receive), Token(self.transmit)))
    }

    #[inline]
    fn transmit(&mut self, _: Instant) -> Option<Token<'_>> {
        (!self.transmit.is_full()).then_some(Token(self.transmit))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_MAX;
        if !self.checksums {
            let mut checksum = ChecksumCapabilities::default();
            checksum.tcp = Checksum::None;
            checksum.udp = Checksum::None;
            capabilities.checksum = checksum;
        }
        capabilities
    }
}
