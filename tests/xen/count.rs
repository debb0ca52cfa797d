//! A plugin for QEMU that counts what guests execute: `cargo xtask xen-test
//! figures` compiles it and has QEMU load it.
//!
//! Arguments: `start` and `end` of the guest's code, `stubs`, the page of
//! hypercalls (all in decimal), and `out`, the file to write at the end. Neither Xen
//! nor dom0 has code at these addresses; theirs is told apart by its own, and counted
//! by blocks meanwhile.
//!
//! The functions of QEMU are those of version 1 of its interface
//! (`qemu-plugin.h`, QEMU 4.2 to 8.2).

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt::Write as _;
use std::ptr::without_provenance_mut;
use std::sync::atomic::{AtomicU64, Ordering};
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
    safe fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    safe fn qemu_plugin_insn_data(instruction: *const Instruction) -> *const u8;
    fn qemu_plugin_register_vcpu_tb_exec_cb(block: *mut Block, call: Executed, flags: c_int, data: *mut c_void);
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

/// Whose code it is, by its address (`xen/include/asm-x86/config.h`;
/// Documentation/x86/x86_64/mm.rst), and what repeats itself, by whomever, once for
/// each time: QEMU makes a block of its own of it.
const PARTS: usize = 5;
const REPEATED: usize = 4;

fn part(address: u64) -> usize {
    match address {
        0xffff_8000_0000_0000..=0xffff_87ff_ffff_ffff => 0,
        0xffff_ffff_c000_0000.. => 2,
        0xffff_8800_0000_0000.. => 1,
        _ => 3,
    }
}

/// Instructions of Xen, of Linux, of its modules, of programs; repetitions.
static OTHERS: [AtomicU64; PARTS] = [const { AtomicU64::new(0) }; PARTS];

fn others() -> [u64; PARTS] {
    OTHERS.each_ref().map(|count| count.load(Ordering::Relaxed))
}

/// A block of others is executed: `of` has its part, and how long it is above.
extern "C" fn others_executed(_: c_uint, of: *mut c_void) {
    let (part, count) = (of.addr() % 8, of.addr() / 8);
    if let Some(counter) = OTHERS.get(part) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Whether an instruction has a prefix to repeat it.
fn repeats(instruction: *const Instruction) -> bool {
    let len = qemu_plugin_insn_size(instruction);
    // SAFETY: QEMU has as many bytes of it, in this call.
    let bytes = unsafe { std::slice::from_raw_parts(qemu_plugin_insn_data(instruction), len) };
    let wide = bytes.get(1).is_some_and(|byte| byte & 0xf0 == 0x40);
    let operation = bytes.get(if wide { 2 } else { 1 });
    matches!(bytes.first(), Some(0xf2 | 0xf3)) && matches!(operation, Some(0xa4..=0xa7 | 0xaa..=0xaf))
}

/// What one guest did.
#[derive(Default)]
struct Guest {
    instructions: u64,
    /// By number.
    hypercalls: BTreeMap<usize, u64>,
    /// Instructions and hypercalls up to the last event that was sent.
    sent: (u64, u64),
    /// What others had executed when it began, and since then up to that event.
    before: [u64; PARTS],
    others: [u64; PARTS],
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
        guests.push(Guest { before: others(), ..Guest::default() });
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
        let (now, before) = (others(), guest.before);
        guest.others = std::array::from_fn(|part| now[part] - before[part]);
    }
}

extern "C" fn translated(_: u64, block: *mut Block) {
    let Some(settings) = SETTINGS.get() else { return };
    let (first, count) = (qemu_plugin_tb_get_insn(block, 0), qemu_plugin_tb_n_insns(block));
    let address = qemu_plugin_insn_vaddr(first);
    if !(settings.start..settings.end).contains(&(address as usize)) {
        let part = if count == 1 && repeats(first) { REPEATED } else { part(address) };
        // SAFETY: the block is QEMU's, in this call; the data is a number.
        // Flag 0: the call reads no registers.
        unsafe {
            qemu_plugin_register_vcpu_tb_exec_cb(
                block,
                others_executed,
                0,
                without_provenance_mut(count * 8 + part),
            );
        }
    }
    for index in 0..count {
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
        guest.others.iter().for_each(|count| {
            let _ = write!(text, " {count}");
        });
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
