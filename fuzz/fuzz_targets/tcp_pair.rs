//! Fuzzes [`fuzz::targets::tcp_pair`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(tcp_pair);
