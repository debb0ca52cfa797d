//! Fata beside its rivals, in one run.
