//! IPv4 (RFC 791, RFC 1122), ICMP, fragments, routes and groups over any
//! [`Ethernet`](traits::Ethernet). It is a host: it never forwards.
//!
//! ```text
//!              input                                     write
//!                │                                         │
//!   header: checksum, length, options          routes: longest prefix,
//!                │                              gateways, source address
//!   addresses: for this host? from whom?                   │
//!                │                              path MTU ──┤ fits?
//!       fragment? ──▶ reassembly ─┐                  yes │   │ no
//!                │ ◀──────────────┘                      │   ▼
//!        ┌───────┼───────┐                               │  split
//!        ▼       ▼       ▼                               ▼   │
//!      icmp    igmp    label ──▶ above               one emit site ──▶ Ethernet
//!        └──▶ answers, errors (limited), reports ──▶ ────┘
//! ```
//!
//! ```
//! # use core::net::Ipv4Addr;
//! # use traits::{Ethernet, Frame, Ip};
//! # fn example<E: Ethernet>(e: E, frame: Frame<'_>) {
//! let i = ipv4::Ipv4::connect(&e);
//! i.set_ipv4(Ipv4Addr::new(10, 0, 0, 2));
//! i.set_ipv4_netmask(Ipv4Addr::new(255, 255, 255, 0));
//! i.set_ipv4_gateways(&[Ipv4Addr::new(10, 0, 0, 1)]);
//! i.input(frame, ipv4::listeners().tcp(|segment| {}).udp(|datagram| {}));
//! # }
//! ```
//!
//! # Bounds
//!
//! Neither `std` nor an allocator is needed; all is in [`Ipv4`] itself, whose
//! capacities are parameters of the type. With the defaults it takes 327 KiB:
//! four buffers for packets that arrive in fragments and one for a packet that
//! is cut, of 65,515 bytes each, and 1.3 KiB beside each of the four. With
//! `Ipv4<_, 0, 0, …>` there is none, and nothing is put together or cut, nor is
//! what does it linked. Make
//! it where it stays: a task that owns it is as large.
//!
//! * **Reassembly.** A source holds half of the buffers at most. Whoever
//!   begins one more packet takes the place of its own that was idle longest;
//!   when all buffers are in use, of any that was idle longest. A packet not
//!   whole after [`REASSEMBLY_TIMEOUT`] is given up. Fragments that overlap
//!   spoil their packet, unless they repeat what is known byte for byte.
//!   Marking a fragment received costs in proportion to its own length.
//! * **Sending in fragments.** One packet at a time: a filler that writes
//!   another one that needs cutting gets [`Full`](traits::SendError::Full).
//! * **Path MTUs** are believed for [`PATH_MTU_AGE`], never raised, never below
//!   [`MIN_PATH_MTU`]. Where a router tells of less, packets go at that length
//!   and without "don't fragment".
//! * **ICMP errors** are sent at [`ERRORS_PER_SECOND`] with bursts of
//!   [`ERRORS_BURST`], of [`MAX_ERROR_LEN`] bytes at most. Echo replies are not
//!   limited.
//! * **Gateways** that do not answer ARP are passed over for [`DEAD_GATEWAY`]
//!   while another one does.

#![no_std]
#![forbid(unsafe_code)]

mod addressing;
mod fragment;
mod header;
mod icmp;
mod ident;
mod igmp;
mod input;
mod layer;
mod listeners;
mod output;
mod path_mtu;
mod recent;
mod run;
mod stats;

pub use addressing::DEAD_GATEWAY;
pub use fragment::REASSEMBLY_TIMEOUT;
pub use header::{Fragmentation, HEADER_LEN, HeaderFields, MAX_HEADER_LEN, MAX_PACKET_LEN};
pub use icmp::{ERRORS_BURST, ERRORS_PER_SECOND, MAX_ERROR_LEN};
pub use layer::Ipv4;
pub use listeners::{DefaultLabel, Label, Listeners, Set, Unset, listeners};
pub use path_mtu::{MIN_PATH_MTU, PATH_MTU_AGE};
pub use stats::Statistics;
