//! The client, by topic: scripts of the machine, and the machine with layers, time
//! and a console around it.

mod bad_input;
mod beyond;
mod chaos;
mod common;
mod figure;
mod leases;
mod messages;
mod shell;
mod shell_checks;
mod shell_sending;
mod simulation;
mod tower;
