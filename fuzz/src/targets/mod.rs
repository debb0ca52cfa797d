//! The targets: one for each parser and each state machine.

mod arp;
mod capture;
mod dhcp;
mod ethernet;
mod icmp;
mod ipv4;
mod offload;
mod reassembly;
mod tcp;
mod tcp_pair;
mod tcp_wire;
mod tower;
mod udp;
mod virtio;
mod xen_ring;

pub use arp::arp;
pub use capture::capture;
pub use dhcp::{dhcp, dhcp_message};
pub use ethernet::ethernet;
pub use icmp::icmp;
pub use ipv4::ipv4;
pub use offload::offload;
pub use reassembly::reassembly;
pub use tcp::tcp;
pub use tcp_pair::tcp_pair;
pub use tcp_wire::tcp_wire;
pub use tower::tower;
pub use udp::udp;
pub use virtio::virtio;
pub use xen_ring::xen_ring;
