//! Fuzzes [`fuzz::targets::virtio`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(virtio);
