//! Fuzzes [`fuzz::targets::reassembly`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(reassembly);
