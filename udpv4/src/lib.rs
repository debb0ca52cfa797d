//! UDP over any Ip.
