//! Run loop, sleep, join, choose, wait and wakeup, console: one core, a backend below.
