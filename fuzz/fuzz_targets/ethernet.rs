//! Fuzzes [`fuzz::targets::ethernet`].

#![cfg_attr(fuzzing, no_main)]

fuzz::program!(ethernet);
