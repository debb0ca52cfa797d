//! Fuzzes [`fuzz::targets::tower`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(tower);
