//! Tests that cross crates: replay, simulation, a tap against Linux.
