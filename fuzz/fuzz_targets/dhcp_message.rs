//! Fuzzes [`fuzz::targets::dhcp_message`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(dhcp_message);
