//! Network over a Linux tap device.
