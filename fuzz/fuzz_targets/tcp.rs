//! Fuzzes [`fuzz::targets::tcp`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(tcp);
