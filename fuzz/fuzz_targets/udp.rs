//! Fuzzes [`fuzz::targets::udp`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(udp);
