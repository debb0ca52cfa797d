//! The facade: a prelude and aliases for common towers.
