//! Fuzzes [`fuzz::targets::tcp_wire`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(tcp_wire);
