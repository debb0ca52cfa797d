//! IPv4, ICMPv4, fragments, routes and groups over any Ethernet.
