//! Ethernet II and ARP over any [`Network`](traits::Network).
//!
//! ```
//! # use traits::Network;
//! # async fn tower<N: Network>(net: &N) -> Result<(), N::Error> {
//! use ethif::Ethif;
//!
//! let e = Ethif::connect(net);
//! net.listen(|frame| e.input(frame, ethif::listeners()
//!     .ipv4(|packet| println!("{} bytes of IPv4", packet.bytes.len()))
//!     .ipv6(|_| println!("ipv6"))
//!     .other(|ethertype, p| println!("{ethertype:?} from {}", p.source)))).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Dataflow
//!
//! ```text
//!      the layers above                       write(To::Host | Mac | Broadcast)
//!        ▲ ipv4, ipv6, other                         │
//!        │                                           ▼
//!      input ──ARP──► Arp::handle            resolve ──► known: straight down
//!        │              │ learnt, answer, claim  │
//!        │              ▼                        └────► asked for: a parked slot
//!        │            Arp { cache, own, probes }             │
//!        │              │ due: requests, announcements       │ host resolved:
//!        │              ▼                                    ▼ settle
//!        │            drive ──────────────────────────►  transmit
//!        │              ▲ poll(now)                          │
//!   Network::listen     the topmost layer's task       Network::write
//! ```
//!
//! # Map
//!
//! | file | what it owns | what it never knows |
//! |---|---|---|
//! | `frame` | the Ethernet header | ARP |
//! | `arp/packet` | the ARP packet | state |
//! | `arp/entry` | one neighbour: its state and timers | the others |
//! | `arp/cache` | neighbours: who makes room for whom | packets that wait |
//! | `arp/own` | own addresses: announcing, defending | neighbours |
//! | `arp/probe` | addresses that are being looked for | neighbours |
//! | `arp` | the three as one machine, without I/O | the device, wakers |
//! | `parked` | frames that wait for a host | why |
//! | `send` | the emit sites | the states of ARP |
//! | `shell` | between machine and device; wakers | the layers above |
//! | `ethernet` | the promise upwards, the futures | the wire |
//! | `layer`, `listeners`, `stats` | the struct, the labels, the counters | |

#![no_std]
#![forbid(unsafe_code)]

mod arp;
mod ethernet;
mod frame;
mod layer;
mod listeners;
mod parked;
mod random;
mod send;
mod shell;
mod stats;

pub use arp::entry::{Neighbour, NeighbourState};
pub use layer::{DEFAULT_NEIGHBOURS, DEFAULT_PARKED, Ethif};
pub use listeners::{Listeners, Payload, listeners};
pub use stats::Statistics;
