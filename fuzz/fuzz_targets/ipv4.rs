//! Fuzzes [`fuzz::targets::ipv4`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(ipv4);
