//! Fuzzes [`fuzz::targets::tcp_pair`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(fuzz::targets::tcp_pair);
