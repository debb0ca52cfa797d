//! Fuzzes [`fuzz::targets::capture`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(capture);
