//! Exceptions of the processor: each ends the guest with what is known of it.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::ptr;

use super::panic;

/// Bytes of the stack that exceptions have for themselves, so that one for want
/// of stack can be told as well.
const STACK: usize = 8 * 1024;

/// Code selector, and that of the task state, in the table below.
const CODE: u16 = 8;
const TASK: u16 = 16;

/// Where a stub is, in `boot.s`.
const STUB: usize = 16;

#[repr(C, align(16))]
struct Tables {
    gates: [[u64; 2]; 32],
    segments: [u64; 4],
    task: [u32; 26],
    stack: [u8; STACK],
}

struct Place(UnsafeCell<Tables>);

// SAFETY: written once, before anything else runs; read by the processor.
unsafe impl Sync for Place {}

static TABLES: Place =
    Place(UnsafeCell::new(Tables { gates: [[0; 2]; 32], segments: [0; 4], task: [0; 26], stack: [0; STACK] }));

#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

/// What is on the stack when a stub is done.
#[repr(C)]
struct Frame {
    vector: u64,
    error: u64,
    rip: u64,
    code: u64,
    flags: u64,
    rsp: u64,
}

unsafe extern "C" {
    static exception_stubs: [u8; 32 * STUB];
}

/// Has the processor report its exceptions.
///
/// # Safety
///
/// To be called once, at the beginning.
pub(super) unsafe fn set_up() {
    let place = TABLES.0.get();
    // SAFETY: the only reference there ever is, by the caller's word.
    let tables = unsafe { &mut *place };
    let stubs = (&raw const exception_stubs).addr() as u64;
    for (vector, gate) in (0..).zip(&mut tables.gates) {
        *gate = interrupt_gate(stubs + vector * STUB as u64);
    }
    let stack = tables.stack.as_ptr_range().end.addr() as u64;
    // The first of seven stacks by interrupt: words 9 and 10 (Intel Software
    // Developer's Manual, volume 3, §8.7).
    tables.task[9] = stack as u32;
    tables.task[10] = (stack >> 32) as u32;
    let task = ptr::from_ref(&tables.task).addr() as u64;
    tables.segments = [0, 0x0020_9b00_0000_0000, task_segment(task), task >> 32];
    let pointer = |base: usize, len: usize| Pointer { limit: len as u16 - 1, base: base as u64 };
    let gdt = pointer(ptr::from_ref(&tables.segments).addr(), size_of_val(&tables.segments));
    let idt = pointer(ptr::from_ref(&tables.gates).addr(), size_of_val(&tables.gates));
    // SAFETY: the tables stay, and say of the code segment what the boot code's
    // did.
    unsafe {
        asm!(
            "lgdt [{gdt}]",
            "lidt [{idt}]",
            "ltr {task:x}",
            gdt = in(reg) &raw const gdt,
            idt = in(reg) &raw const idt,
            task = in(reg) TASK,
            options(readonly, nostack, preserves_flags),
        );
    }
}

/// A gate to `to`, on the first stack by interrupt.
const fn interrupt_gate(to: u64) -> [u64; 2] {
    let low = (to & 0xffff) | (CODE as u64) << 16 | 1 << 32 | 0x8e << 40 | (to >> 16 & 0xffff) << 48;
    [low, to >> 32]
}

/// The low half of the task state's segment; the high half has the rest of its
/// address.
const fn task_segment(base: u64) -> u64 {
    let limit = (26 * 4 - 1) as u64;
    limit | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56
}

#[unsafe(no_mangle)]
extern "C" fn guest_exception(frame: &Frame) -> ! {
    let address: u64;
    // SAFETY: reads the address of the last page fault.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    let Frame { vector, error, rip, rsp, .. } = frame;
    panic::crash(format_args!(
        "exception {vector} at {rip:#x}: error {error:#x}, address {address:#x}, stack {rsp:#x}"
    ))
}
