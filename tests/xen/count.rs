//! A plugin for QEMU that counts what guests execute: `cargo xtask xen-test
//! figures` compiles it and has QEMU load it.
//!
//! Arguments: `start` and `end` of the guest's code, `stubs`, the page of
//! hypercalls (all in decimal), and `out`, the file to write at the end. Of the
//! machine's other code nothing is counted, since neither Xen nor dom0 has any at
//! these addresses.
//!
//! The functions of QEMU are those of version 1 of its interface
//! (`qemu-plugin.h`, QEMU 4.2 to 8.2).

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt::Write as _;
use std::ptr::without_provenance_mut;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Bytes of a stub in the page of hypercalls, and of the page.
const STUB: usize = 32;
const PAGE: usize = 4096;

/// The hypercall that sends an event.
const EVENT_CHANNEL: usize = 32;

#[repr(C)]
struct Block {
    _private: [u8; 0],
}

#[repr(C)]
struct Instruction {
    _private: [u8; 0],
}

/// What executing an instruction calls: the processor, and what was registered.
type Executed = extern "C" fn(c_uint, *mut c_void);

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, call: extern "C" fn(u64, *mut Block));
    fn qemu_plugin_register_atexit_cb(id: u64, call: extern "C" fn(u64, *mut c_void), data: *mut c_void);
    safe fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    safe fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    safe fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        call: Executed,
        flags: c_int,
        data: *mut c_void,
    );
}

/// The interface that this is written for.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

#[derive(Default)]
struct Settings {
    start: usize,
    end: usize,
    stubs: usize,
    out: String,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// What one guest did.
#[derive(Default)]
struct Guest {
    instructions: u64,
    /// By number.
    hypercalls: BTreeMap<usize, u64>,
    /// Instructions and hypercalls up to the last event that was sent.
    sent: (u64, u64),
    /// The last instruction's address.
    last: usize,
}

static GUESTS: Mutex<Vec<Guest>> = Mutex::new(Vec::new());

fn guests() -> MutexGuard<'static, Vec<Guest>> {
    GUESTS.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn executed(_: c_uint, address: *mut c_void) {
    let Some(settings) = SETTINGS.get() else { return };
    let address = address.addr();
    let mut guests = guests();
    // What repeats itself comes once for each time, and what is interrupted before
    // it is done comes again.
    if guests.last().is_some_and(|guest| guest.last == address) {
        return;
    }
    if address == settings.start {
        guests.push(Guest::default());
    }
    let Some(guest) = guests.last_mut() else { return };
    guest.last = address;
    guest.instructions += 1;
    let Some(at) = address.checked_sub(settings.stubs).filter(|at| *at < PAGE && at % STUB == 0) else {
        return;
    };
    *guest.hypercalls.entry(at / STUB).or_default() += 1;
    if at / STUB == EVENT_CHANNEL {
        guest.sent = (guest.instructions, guest.hypercalls.values().sum());
    }
}

extern "C" fn translated(_: u64, block: *mut Block) {
    let Some(settings) = SETTINGS.get() else { return };
    for index in 0..qemu_plugin_tb_n_insns(block) {
        let instruction = qemu_plugin_tb_get_insn(block, index);
        let address = qemu_plugin_insn_vaddr(instruction) as usize;
        let code = settings.start..settings.end;
        let stubs = settings.stubs..settings.stubs + PAGE;
        if code.contains(&address) || stubs.contains(&address) {
            // SAFETY: the instruction is QEMU's, in this call; the data is a number.
            // Flag 0: the call reads no registers.
            unsafe {
                qemu_plugin_register_vcpu_insn_exec_cb(
                    instruction,
                    executed,
                    0,
                    without_provenance_mut(address),
                );
            }
        }
    }
}

extern "C" fn at_exit(_: u64, _: *mut c_void) {
    let Some(settings) = SETTINGS.get() else { return };
    let mut text = String::new();
    for guest in guests().iter() {
        let (instructions, hypercalls) = guest.sent;
        let _ = write!(text, "{instructions} {hypercalls} {}", guest.instructions);
        for (number, calls) in &guest.hypercalls {
            let _ = write!(text, " {number}:{calls}");
        }
        text.push('\n');
    }
    if let Err(error) = std::fs::write(&settings.out, text) {
        eprintln!("{}: {error}", settings.out);
    }
}

/// # Safety
///
/// `arguments` are `count` C strings: QEMU's word.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let mut settings = Settings::default();
    for index in 0..count as usize {
        // SAFETY: by the caller's word.
        let argument = unsafe { CStr::from_ptr(*arguments.add(index)) };
        let Some((name, value)) = argument.to_str().ok().and_then(|text| text.split_once('=')) else {
            return 1;
        };
        let number = value.parse();
        match (name, number) {
            ("start", Ok(number)) => settings.start = number,
            ("end", Ok(number)) => settings.end = number,
            ("stubs", Ok(number)) => settings.stubs = number,
            ("out", _) => settings.out = value.to_owned(),
            _ => return 1,
        }
    }
    let _ = SETTINGS.set(settings);
    // SAFETY: the functions stay for as long as QEMU runs.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu_plugin_register_atexit_cb(id, at_exit, without_provenance_mut(0));
    }
    0
}
