//! Fuzzes [`fuzz::targets::dhcp_message`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(fuzz::targets::dhcp_message);
