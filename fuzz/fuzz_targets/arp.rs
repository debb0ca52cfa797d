//! Fuzzes [`fuzz::targets::arp`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(arp);
