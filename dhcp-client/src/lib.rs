//! A DHCP client (RFC 2131) over any Ethernet, IPv4 and UDP layer.
//!
//! ```text
//!    udp.input ──▶ listen(68) ──▶ Message ──▶ Machine ◀── time, ARP
//!                                               │
//!              ip.configure ◀── Settings ◀──────┼──▶ Transmit ──▶ udp.write
//!                                               │
//!                                             Lease ──▶ leases()
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`message`] | bytes ⇄ meaning |
//! | [`machine`] | RFC 2131's figure 5, without I/O |
//! | [`server`] | a small server made of the same parts, for tests |
//! | [`Dhcp`] | the machine with layers, time and a console around it |
//! | [`Lease`] | what a server said |
//!
//! ```
//! # use traits::{Console, Datagrams, Ethernet, Inbound, Ip, Never, Rng, Time};
//! # async fn start<C: Console, T: Time, R: Rng, E: Ethernet, I: Ip, U: Datagrams>(
//! #     c: &C, time: &T, random: R, e: &E, i: &I, udp: &U,
//! # ) -> Result<Never, Never> {
//! use dhcp_client::{Dhcp, Options};
//!
//! let dhcp = Dhcp::create(c, time, random, e, i, udp);
//! // In the closure given to `udp.input`:
//! let receiver = |port| dhcp.listen(port);
//! let mut leases = dhcp.leases();
//! // In tasks of their own:
//! let lease = async { leases.next().await };
//! dhcp.run().await
//! # }
//! ```
//!
//! # How it goes about
//!
//! Answers are asked for by broadcast (the flag of RFC 2131 §2) until there
//! is an address, because the IPv4 layer takes nothing for an address that it
//! does not have. The first offer of use is taken. Before an address is used,
//! another host is looked for that has it ([`Check`]). The client never stops
//! by itself: not for lack of answers, not for nonsense in them.
//!
//! What a lease sets in the IPv4 layer is set in one
//! [`configure`](traits::Ip::configure) when it begins or changes, and taken
//! away when it ends: address and mask, gateways, classless routes (which
//! replace the gateways, RFC 3442), MTU (576 at least).
//!
//! # Bounds
//!
//! | what | bound | beyond it |
//! |---|---|---|
//! | a message | 4096 bytes | dropped, counted |
//! | gateways, name servers, time servers of a lease | 4 each | left out, counted |
//! | routes | 16 | left out, counted |
//! | search list | 512 bytes on the wire, 384 of text | left out, counted |
//! | other options | 512 bytes | left out, counted |
//! | leases watched | the newest | older ones are not seen |
//! | tasks that watch | 4 without spurious wakes | woken in vain |

#![no_std]
#![forbid(unsafe_code)]

mod client;
mod lease;
pub mod machine;
pub mod message;
mod options;
pub mod server;
mod statistics;
mod watch;

pub use client::Dhcp;
pub use lease::{Lease, LeaseError, List, OtherOptions, ROUTES_MAX, SERVERS_MAX, SearchList, Settings, Term};
pub use machine::StateName;
pub use options::{Check, OptionTooLong, Options};
pub use statistics::Statistics;
pub use watch::Leases;
