//! Fuzzes [`fuzz::targets::dhcp`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(dhcp);
