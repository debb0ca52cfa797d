//! What the tool stack leaves in memory for the guest: the map of its memory,
//! its command line.

use core::ptr;

use crate::xen::abi::{
    PAGE,
    start::{MAGIC, MemoryMapEntry, Module, RAM, StartInfo},
};

/// Memory above is left alone: the boot code maps no more.
const MAPPED: u64 = 1 << 32;

/// Addresses from `start` to before `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Range {
    pub(super) const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// The start info, where it was found.
#[derive(Clone, Copy)]
pub(super) struct Start {
    at: usize,
    info: StartInfo,
}

impl Start {
    /// # Safety
    ///
    /// `at` must be what the tool stack left in `ebx`.
    pub(super) unsafe fn read(at: usize) -> Option<Self> {
        // SAFETY: the caller's word; packed by nobody, so aligned to 4 at least,
        // but not surely to 8.
        let info = unsafe { ptr::with_exposed_provenance::<StartInfo>(at).read_unaligned() };
        // The map of memory came with version 1.
        (info.magic == MAGIC && info.version >= 1).then_some(Self { at, info })
    }

    fn entries(&self) -> impl Iterator<Item = MemoryMapEntry> {
        let at = ptr::with_exposed_provenance::<MemoryMapEntry>(self.info.memory_map as usize);
        (0..self.info.memory_map_entries as usize).map(move |index| {
            // SAFETY: the tool stack says that there are so many.
            unsafe { at.add(index).read_unaligned() }
        })
    }

    fn modules(&self) -> impl Iterator<Item = Module> {
        let at = ptr::with_exposed_provenance::<Module>(self.info.module_list as usize);
        (0..self.info.modules as usize).map(move |index| {
            // SAFETY: the tool stack says that there are so many.
            unsafe { at.add(index).read_unaligned() }
        })
    }

    /// The command line; empty where there is none or it is not UTF-8.
    ///
    /// # Safety
    ///
    /// The memory from [`end`](Self::end) down must not be used for anything
    /// else.
    pub(super) unsafe fn command_line(&self) -> &'static str {
        if self.info.command_line == 0 {
            return "";
        }
        let text = ptr::with_exposed_provenance(self.info.command_line as usize);
        // SAFETY: the tool stack says that a text begins here, which a zero
        // ends; it stays, by the caller's word.
        unsafe { core::ffi::CStr::from_ptr(text) }.to_str().unwrap_or_default()
    }

    /// Where what the tool stack left has its end.
    ///
    /// # Safety
    ///
    /// As [`command_line`](Self::command_line).
    unsafe fn end(&self) -> usize {
        let map =
            self.info.memory_map as usize + self.info.memory_map_entries as usize * size_of::<MemoryMapEntry>();
        let modules = self.info.module_list as usize + self.info.modules as usize * size_of::<Module>();
        let modules =
            self.modules().fold(modules, |end, module| end.max((module.start + module.size) as usize));
        // SAFETY: the caller's word.
        let line = unsafe { self.command_line() };
        let line = line.as_ptr().addr() + line.len() + 1;
        let here = self.at + size_of::<StartInfo>();
        // An absent part is at address 0, and an empty line within the program.
        map.max(modules).max(here).max(if self.info.command_line == 0 { 0 } else { line })
    }

    /// Hands `free` the memory that neither the program nor the tool stack has
    /// anything in.
    ///
    /// # Safety
    ///
    /// `program` must be where the program is.
    pub(super) unsafe fn free(&self, program: Range, mut free: impl FnMut(Range)) {
        // SAFETY: nothing is freed below this end but what is below the program.
        let used = Range { start: program.start, end: program.end.max(unsafe { self.end() }) };
        for entry in self.entries().filter(|entry| entry.kind == RAM) {
            let start = entry.start.max(PAGE as u64).min(MAPPED) as usize;
            let end = entry.start.saturating_add(entry.size).min(MAPPED) as usize;
            // What is left below the program, and above. Start info below the
            // program would be lost: it never is, but leave all of that then.
            if self.at >= used.start {
                free(Range { start, end: end.min(used.start) });
            }
            free(Range { start: start.max(used.end.next_multiple_of(PAGE)), end });
        }
    }

    /// Whether the map has memory at an address.
    pub(super) fn has_memory(&self, at: usize) -> bool {
        let at = at as u64;
        self.entries().any(|entry| at >= entry.start && at - entry.start < entry.size)
    }
}
