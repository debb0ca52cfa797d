//! Fuzzes [`fuzz::targets::offload`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(offload);
