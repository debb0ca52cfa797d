//! Four system calls: the tap is descriptor 0, which whoever starts the
//! program has opened.

use core::arch::asm;

/// # Safety
///
/// The arguments have to be what the call `number` expects.
unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    // SAFETY: the caller's promise; these two registers are overwritten.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
             in("r10") d, in("r8") e, lateout("rcx") _, lateout("r11") _)
    };
    result
}

/// Reads a frame; `None` when none waits.
pub(crate) fn read(buffer: &mut [u8]) -> Option<usize> {
    // SAFETY: `read` (0) writes into the slice, as far as it goes.
    let len = unsafe { call(0, 0, buffer.as_mut_ptr().addr(), buffer.len(), 0, 0) };
    usize::try_from(len).ok().filter(|len| *len <= buffer.len())
}

/// Writes a frame.
pub(crate) fn write(frame: &[u8]) {
    // SAFETY: `write` (1) reads the slice.
    let _ = unsafe { call(1, 0, frame.as_ptr().addr(), frame.len(), 0, 0) };
}

/// Nanoseconds of a clock that only goes on.
pub(crate) fn now() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: `clock_gettime` (228) of CLOCK_MONOTONIC writes two words.
    let _ = unsafe { call(228, 1, (&raw mut time).addr(), 0, 0, 0) };
    time[0] * 1_000_000_000 + time[1]
}

/// Waits for a frame, or until `deadline`.
pub(crate) fn wait(deadline: Option<u64>) {
    // POLLIN, of descriptor 0.
    let mut poll: u64 = 1 << 32;
    let left = deadline.map(|deadline| deadline.saturating_sub(now())).unwrap_or(3_600_000_000_000);
    let timeout = [left / 1_000_000_000, left % 1_000_000_000];
    // SAFETY: `ppoll` (271) reads one `struct pollfd` and one `struct timespec`,
    // and writes to the former; it changes no signals.
    let _ = unsafe { call(271, (&raw mut poll).addr(), 1, (&raw const timeout).addr(), 0, 8) };
}
