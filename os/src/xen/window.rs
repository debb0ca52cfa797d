//! Memory that another domain reads and writes at any time.

use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

/// A view of memory that another domain, or the hypervisor, may change at any
/// moment.
///
/// There is never a reference to bytes in it: words are loaded and stored
/// whole, bytes are copied one time each. What is out of bounds or not aligned
/// reads as zero and is not written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    base: NonNull<u8>,
    len: usize,
}

impl Window {
    /// A window on the `len` bytes at `base`.
    ///
    /// # Safety
    ///
    /// They must be readable and writable for as long as the window or a copy
    /// of it is used, `base` a multiple of 8, and no reference to any of them
    /// may exist meanwhile.
    pub(super) const unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        Self { base, len }
    }

    /// The address of its first byte.
    pub(super) fn address(self) -> usize {
        self.base.as_ptr().addr()
    }

    fn place<T>(self, at: usize) -> Option<NonNull<T>> {
        let end = at.checked_add(size_of::<T>())?;
        if end > self.len || !at.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: within the window, just checked.
        Some(unsafe { self.base.byte_add(at) }.cast())
    }

    fn word16(&self, at: usize) -> Option<&AtomicU16> {
        // SAFETY: in bounds and aligned; the other side's accesses are atomic
        // or of bytes that nobody here looks at as a word at the same time.
        self.place(at).map(|place| unsafe { place.as_ref() })
    }

    fn word32(&self, at: usize) -> Option<&AtomicU32> {
        // SAFETY: as `word16`.
        self.place(at).map(|place| unsafe { place.as_ref() })
    }

    fn word64(&self, at: usize) -> Option<&AtomicU64> {
        // SAFETY: as `word16`.
        self.place(at).map(|place| unsafe { place.as_ref() })
    }

    /// Loads a word, before all that follows in the program.
    pub(super) fn load(self, at: usize) -> u32 {
        self.word32(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Stores a word, after all that precedes in the program.
    pub(super) fn store(self, at: usize, value: u32) {
        if let Some(word) = self.word32(at) {
            word.store(value, Ordering::Release);
        }
    }

    /// As [`load`](Self::load), 64 bits.
    pub(super) fn load64(self, at: usize) -> u64 {
        self.word64(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// As [`store`](Self::store), 64 bits.
    pub(super) fn store64(self, at: usize, value: u64) {
        if let Some(word) = self.word64(at) {
            word.store(value, Ordering::Release);
        }
    }

    /// Clears the bits of `mask`; returns what was there.
    pub(super) fn clear64(self, at: usize, mask: u64) -> u64 {
        self.word64(at).map_or(0, |word| word.fetch_and(!mask, Ordering::AcqRel))
    }

    /// As [`load`](Self::load), 16 bits.
    pub(super) fn load16(self, at: usize) -> u16 {
        self.word16(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// As [`store`](Self::store), 16 bits.
    pub(super) fn store16(self, at: usize, value: u16) {
        if let Some(word) = self.word16(at) {
            word.store(value, Ordering::Release);
        }
    }

    /// Stores `new` if `old` is there; else returns what is.
    pub(super) fn replace16(self, at: usize, old: u16, new: u16) -> Result<(), u16> {
        let Some(word) = self.word16(at) else { return Err(0) };
        word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }

    fn bytes(self, at: usize, len: usize) -> Option<NonNull<u8>> {
        (at.checked_add(len)? <= self.len).then(|| {
            // SAFETY: within the window, just checked.
            unsafe { self.base.byte_add(at) }
        })
    }

    /// Copies from `at` on into `to`.
    pub(super) fn copy_out(self, at: usize, to: &mut [u8]) {
        match self.bytes(at, to.len()) {
            // SAFETY: both are as long as `to`, and a window and a slice never
            // overlap.
            Some(from) => unsafe { copy(from.as_ptr(), to.as_mut_ptr(), to.len()) },
            None => to.fill(0),
        }
    }

    /// Copies `from` to `at`.
    pub(super) fn copy_in(self, at: usize, from: &[u8]) {
        if let Some(to) = self.bytes(at, from.len()) {
            // SAFETY: as `copy_out`.
            unsafe { copy(from.as_ptr(), to.as_ptr(), from.len()) }
        }
    }
}

/// Copies each byte once, in an order that nobody may count on, and in a way
/// that the compiler neither repeats nor leaves out.
///
/// # Safety
///
/// `len` bytes at `from` can be read, and as many at `to` written; they do not
/// overlap.
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // The processor's own copy: the other side may write meanwhile, and what
    // is read then is any mixture, which the caller takes as untrusted anyway.
    // A volatile copy comes out as single bytes, twenty times as slow.
    // SAFETY: within the `len` bytes of each. The direction flag is clear on
    // entry of any code.
    unsafe {
        asm!(
            "rep movsq",
            "mov rcx, {rest}",
            "rep movsb",
            rest = in(reg) len % 8,
            inout("rcx") len / 8 => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Memory of this process in place of a page from Xen.
#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use alloc::boxed::Box;

    /// A page for a test, never given back.
    pub(in super::super) fn page() -> Window {
        #[repr(align(4096))]
        struct Page(#[expect(dead_code, reason = "seen by pointer only")] [u8; 4096]);
        let page = NonNull::from(Box::leak(Box::new(Page([0; 4096]))));
        // SAFETY: leaked, and the reference is gone.
        unsafe { Window::new(page.cast(), 4096) }
    }

    #[test]
    fn copies_of_any_length_at_any_place() {
        let page = page();
        let pattern: [u8; 64] = core::array::from_fn(|index| index as u8);
        page.copy_in(0, &pattern);
        for at in 0..32 {
            for len in 0..32 {
                let mut bytes = [0xff; 33];
                page.copy_out(at, &mut bytes[..len]);
                assert_eq!(bytes[..len], pattern[at..at + len]);
                assert!(bytes[len..].iter().all(|&byte| byte == 0xff));
            }
        }
    }

    #[test]
    fn words_and_bytes_are_the_same_memory() {
        let page = page();
        page.store(4, 0x0403_0201);
        let mut bytes = [9; 6];
        page.copy_out(3, &mut bytes);
        assert_eq!(bytes, [0, 1, 2, 3, 4, 0]);
        page.copy_in(5, &[0xaa; 11]);
        assert_eq!((page.load(4), page.load64(8)), (0xaaaa_aa01, 0xaaaa_aaaa_aaaa_aaaa));
        assert_eq!(page.clear64(8, 0xff), 0xaaaa_aaaa_aaaa_aaaa);
        assert_eq!(page.load16(8), 0xaa00);
        assert_eq!((page.replace16(8, 1, 2), page.replace16(8, 0xaa00, 7)), (Err(0xaa00), Ok(())));
        assert_eq!(page.load16(8), 7);
    }

    #[test]
    fn what_is_outside_reads_as_zero_and_is_not_written() {
        let page = page();
        for at in [2, 4093, 4094, 4096, usize::MAX] {
            page.store(at, 1);
            page.store64(at, 1);
            assert_eq!((page.load(at), page.load64(at)), (0, 0));
        }
        page.copy_in(4092, &[1; 5]);
        page.copy_in(usize::MAX, &[1; 5]);
        let mut bytes = [7; 5];
        page.copy_out(4092, &mut bytes);
        assert_eq!((bytes, page.load(4092)), ([0; 5], 0));
    }
}
