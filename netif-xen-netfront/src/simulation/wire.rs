//! What stands in the slots of the rings, as `netif.h` has it.

use zerocopy::little_endian::{I16, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `netif_tx_request`.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TxRequest {
    /// The page.
    pub gref: U32,
    /// First byte within the page.
    pub offset: U16,
    /// `NETTXF_…`: 1 blank, 2 validated, 4 more data, 8 extra info.
    pub flags: U16,
    /// Comes back in the response.
    pub id: U16,
    /// Bytes, of the whole frame in its first request.
    pub size: U16,
}

/// `netif_tx_response`.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TxResponse {
    /// Of the request.
    pub id: U16,
    /// 0 sent, 1 of an extra info slot, -1 an error, -2 dropped.
    pub status: I16,
}

/// `netif_rx_request`.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct RxRequest {
    /// Comes back in the response.
    pub id: U16,
    /// Nothing.
    pub pad: U16,
    /// The page.
    pub gref: U32,
}

/// `netif_rx_response`.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct RxResponse {
    /// Of the request.
    pub id: U16,
    /// First byte within the page.
    pub offset: U16,
    /// `NETRXF_…`: 1 validated, 2 blank, 4 more data, 8 extra info.
    pub flags: U16,
    /// Bytes, or an error below zero.
    pub status: I16,
}

/// `netif_extra_info`, the form for segmentation.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ExtraInfo {
    /// 1: segmentation.
    pub kind: u8,
    /// 1: another one follows.
    pub flags: u8,
    /// Bytes of payload in each segment.
    pub size: U16,
    /// 1: TCP over IPv4.
    pub gso_type: u8,
    /// Nothing.
    pub pad: u8,
    /// Nothing.
    pub features: U16,
}
