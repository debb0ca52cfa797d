//! Fuzzes [`fuzz::targets::icmp`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(icmp);
