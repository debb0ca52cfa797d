//! Network over Network: writes what passes into a capture; replays one.
