//! Ethernet II and ARP over any Network.
