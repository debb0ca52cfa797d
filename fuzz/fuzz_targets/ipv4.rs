//! Fuzzes [`fuzz::targets::ipv4`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(fuzz::targets::ipv4);
