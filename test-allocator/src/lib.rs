//! The allocator of tests that are about memory. A program that uses this
//! crate has it: the system's, which counts for each thread (the test harness
//! allocates in others) and gives nothing where it is [forbidden](forbid).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static FORBIDDEN: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread so far; one that is resized counts once more.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Bytes that this thread has allocated and not given back; less where it
/// gives back what others have allocated.
pub fn held() -> isize {
    HELD.get()
}

/// From now on this thread gets no memory, until it is [allowed](allow) again:
/// whoever allocates ends the program, unless it has asked whether it may
/// (`try_reserve`). A panic ends it as well, so that it can be told.
pub fn forbid() {
    FORBIDDEN.set(true);
}

/// Ends what [`forbid`] began.
pub fn allow() {
    FORBIDDEN.set(false);
}

/// Whether the thread may not have what it asks for; counts it if it may. An
/// allocator must not panic: it says that it has nothing.
fn is_refused(size: usize) -> bool {
    if FORBIDDEN.get() && !std::thread::panicking() {
        return true;
    }
    allow();
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    HELD.set(HELD.get() + size as isize);
    false
}

fn uncount(size: usize) {
    HELD.set(HELD.get() - size as isize);
}

// SAFETY: every call goes to the system's allocator as it is, or gets null.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_refused(size) {
            return std::ptr::null_mut();
        }
        uncount(layout.size());
        // SAFETY: the caller's promise; all memory is the system's.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        uncount(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn it_counts() {
        let before = (allocations(), held());
        let mut bytes: Vec<u8> = black_box(Vec::with_capacity(100));
        bytes.reserve_exact(300);
        bytes = black_box(bytes);
        assert_eq!((allocations() - before.0, held() - before.1), (2, 300));
        drop(bytes);
        assert_eq!((allocations() - before.0, held()), (2, before.1));
    }

    #[test]
    fn it_refuses_who_must_not_allocate() {
        let mut bytes: Vec<u8> = Vec::new();
        forbid();
        let refused = black_box(&mut bytes).try_reserve_exact(10);
        let still = black_box(&mut bytes).try_reserve_exact(10);
        allow();
        assert!(refused.is_err() && still.is_err());
        assert!(black_box(&mut bytes).try_reserve_exact(10).is_ok());
    }

    #[test]
    fn a_panic_can_be_told() {
        let said = std::panic::catch_unwind(|| {
            forbid();
            panic!("{}", black_box("told"));
        });
        let said = said.unwrap_err().downcast::<String>().map(|said| *said);
        assert_eq!(said.ok().as_deref(), Some("told"));
    }
}
