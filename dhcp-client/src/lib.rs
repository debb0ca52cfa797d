//! A DHCP client over any Ethernet, Ip and Datagrams.
