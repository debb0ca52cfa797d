//! The heap: all memory that nothing else is in.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};

use rlsf::Tlsf;

use super::start::Range;

/// Two-level segregated fit: allocating and freeing take constant time. Classes
/// up to 4 GiB, 16 in each power of two.
type Pool = Tlsf<'static, u32, u16, 28, 16>;

struct Heap(UnsafeCell<Pool>);

// SAFETY: the guest has one processor, and nothing interrupts it but exceptions
// that never return.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Pool::new()));

impl Heap {
    fn with<R>(&self, work: impl FnOnce(&mut Pool) -> R) -> R {
        // SAFETY: one processor, no interrupts; `work` is one call of the pool's
        // own functions, which do not allocate.
        work(unsafe { &mut *self.0.get() })
    }
}

// SAFETY: the pool's functions have the contract of this trait's.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.with(|pool| pool.allocate(layout)).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if let Some(at) = NonNull::new(at) {
            // SAFETY: the caller says that it is from here, with this alignment.
            self.with(|pool| unsafe { pool.deallocate(at, layout.align()) });
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(at) = NonNull::new(at) else { return ptr::null_mut() };
        let Ok(layout) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: as `dealloc`.
        self.with(|pool| unsafe { pool.reallocate(at, layout) }).map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

/// Adds memory to the heap.
///
/// # Safety
///
/// It must be memory that is mapped and that nobody uses.
pub(super) unsafe fn add(range: Range) {
    let base = ptr::with_exposed_provenance_mut(range.start);
    let Some(block) = NonNull::new(ptr::slice_from_raw_parts_mut(base, range.len())) else { return };
    // SAFETY: the caller's word. A block too small for anything is left alone.
    HEAP.with(|pool| unsafe { pool.insert_free_block_ptr(block) });
}
