//! Network over Network: loss, duplication, reordering and more, from a seed.
