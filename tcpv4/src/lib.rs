//! TCP over any Ip.
