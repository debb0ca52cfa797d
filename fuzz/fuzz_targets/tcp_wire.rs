//! Fuzzes [`fuzz::targets::tcp_wire`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(fuzz::targets::tcp_wire);
