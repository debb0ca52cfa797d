//! Fuzzes [`fuzz::targets::xen_ring`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(xen_ring);
