//! Does what no program may, as its first word says, to see that it ends.
//!
//! | word | does |
//! |---|---|
//! | `write-code` | writes over a function |
//! | `write-constants` | writes over a text |
//! | `run-data` | calls bytes on the heap |
//! | `run-stack` | calls bytes on the stack |
//! | `overflow` | uses more stack than there is |
//! | `read-nothing` | reads at address 8 |
//!
//! It needs no network.

#![cfg_attr(xen_guest, no_std, no_main)]
#![expect(unsafe_code, reason = "all of it is forbidden")]

extern crate alloc;

use alloc::vec;
use core::hint::black_box;
use core::ptr;

use fata::prelude::Console;

/// The instruction of x86-64 that returns.
const RETURN: u8 = 0xc3;

fn commit<C: Console>(c: &C, what: &str) {
    c.log(format_args!("now: {what}"));
    match what {
        "write-code" => write((deeper as fn(u64) -> u64) as *const u8),
        "write-constants" => write(black_box("constant").as_ptr()),
        "run-data" => run(black_box(vec![RETURN; 16]).as_ptr()),
        "run-stack" => run(black_box([RETURN; 16]).as_ptr()),
        "overflow" => drop(black_box(deeper(1))),
        // SAFETY: none; that is what is tried.
        "read-nothing" => drop(black_box(unsafe { ptr::without_provenance::<u8>(8).read_volatile() })),
        _ => c.log("no such fault"),
    }
    c.log("nothing happened");
}

fn write(at: *const u8) {
    // SAFETY: none; that is what is tried.
    unsafe { at.cast_mut().write_volatile(RETURN) }
}

fn run(at: *const u8) {
    // SAFETY: none; that is what is tried.
    let function = unsafe { core::mem::transmute::<*const u8, extern "C" fn()>(at) };
    function();
}

/// Does not end before the stack does.
fn deeper(depth: u64) -> u64 {
    let kept = black_box([depth; 64]);
    if depth == 0 { 0 } else { deeper(depth + 1) + kept.iter().sum::<u64>() }
}

#[cfg(not(xen_guest))]
fn main() -> std::io::Result<()> {
    let word = std::env::args().nth(1).unwrap_or_default();
    os::unix::run(async |os| commit(&os.console(), &word))
}

#[cfg(xen_guest)]
#[unsafe(no_mangle)]
fn guest_main() -> ! {
    os::xen::run(async |os| {
        commit(&os.console(), os.command_line().split_ascii_whitespace().next().unwrap_or_default())
    })
}
