//! The grant table: which pages which domain may use.

use alloc::vec::Vec;
use core::cell::RefCell;

use super::abi::{self, PAGE, grant};
use super::window::Window;

/// Entries of a frame.
const ENTRIES: u32 = (PAGE / grant::ENTRY) as u32;

/// Frames at most: 16,384 grants. What Xen allows may be less.
pub(super) const FRAMES: usize = 32;

/// Grants are used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoGrant;

/// The other domain still has the page mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mapped;

/// The table, which grows by a frame when its grants are used up.
#[derive(Debug)]
pub(super) struct Grants {
    /// Makes the frame of this number appear.
    map: fn(usize) -> Option<Window>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    frames: Vec<Window>,
    free: Vec<u32>,
    /// Permissions given so far.
    made: usize,
}

impl Grants {
    pub(super) fn new(map: fn(usize) -> Option<Window>) -> Self {
        Self { map, state: RefCell::default() }
    }

    /// Permits `peer` to use a page of the guest's memory.
    pub(super) fn permit(&self, peer: u16, address: usize, read_only: bool) -> Result<u32, NoGrant> {
        // All of the guest's memory is below 4 GiB: 20 bits.
        let frame = (address / PAGE) as u32;
        let mut state = self.state.borrow_mut();
        if state.free.is_empty() {
            self.grow(&mut state)?;
        }
        let reference = state.free.pop().ok_or(NoGrant)?;
        let (table, at) = state.entry(reference).ok_or(NoGrant)?;
        let flags = grant::PERMIT_ACCESS | if read_only { grant::READ_ONLY } else { 0 };
        // The flags last: they make the entry valid.
        table.store16(at + 2, peer);
        table.store(at + 4, frame);
        table.store16(at, flags);
        state.made += 1;
        Ok(reference)
    }

    /// Permissions given so far.
    pub(super) fn made(&self) -> usize {
        self.state.borrow().made
    }

    /// Ends the use of a page, unless it is still mapped.
    pub(super) fn revoke(&self, reference: u32) -> Result<(), Mapped> {
        let mut state = self.state.borrow_mut();
        let Some((table, at)) = state.entry(reference) else { return Ok(()) };
        let mut flags = table.load16(at);
        loop {
            if flags & (grant::READING | grant::WRITING) != 0 {
                return Err(Mapped);
            }
            match table.replace16(at, flags, 0) {
                Ok(()) => break,
                Err(other) => flags = other,
            }
        }
        state.free.push(reference);
        Ok(())
    }

    /// Grants in force.
    pub(super) fn in_use(&self) -> usize {
        let state = self.state.borrow();
        let all = state.frames.len() * ENTRIES as usize;
        let reserved = if all == 0 { 0 } else { grant::RESERVED as usize };
        all.saturating_sub(reserved + state.free.len())
    }

    fn grow(&self, state: &mut State) -> Result<(), NoGrant> {
        let number = state.frames.len();
        if number >= FRAMES {
            return Err(NoGrant);
        }
        state.frames.push((self.map)(number).ok_or(NoGrant)?);
        let first = number as u32 * ENTRIES;
        let reserved = if number == 0 { grant::RESERVED } else { 0 };
        state.free.extend((first + reserved..first + ENTRIES).rev());
        Ok(())
    }
}

impl State {
    /// The frame with an entry, and where in it.
    fn entry(&self, reference: u32) -> Option<(Window, usize)> {
        let table = *self.frames.get((reference / ENTRIES) as usize)?;
        Some((table, (reference % ENTRIES) as usize * grant::ENTRY))
    }
}

/// Has a frame of the table appear where nothing else is.
pub(super) fn map_frame(number: usize) -> Option<Window> {
    let address = abi::GRANT_TABLE_AT + number * PAGE;
    // SAFETY: the place is this table's alone, outside of all memory.
    if !unsafe { super::hypercall::map(abi::memory::SPACE_GRANT_TABLE, number as u64, address) } {
        return None;
    }
    let base = core::ptr::NonNull::new(core::ptr::with_exposed_provenance_mut(address))?;
    // SAFETY: mapped for ever, just now; identity-mapped by the boot code.
    Some(unsafe { Window::new(base, PAGE) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::window;
    use std::thread_local;

    thread_local! {
        static LAST: RefCell<Vec<Window>> = const { RefCell::new(Vec::new()) };
    }

    fn frame(number: usize) -> Option<Window> {
        (number < 2).then(|| {
            let page = window::tests::page();
            LAST.with_borrow_mut(|frames| frames.push(page));
            page
        })
    }

    #[test]
    fn an_entry_has_flags_domain_and_frame() {
        let grants = Grants::new(frame);
        assert_eq!(grants.permit(7, 0x1234_5000, true), Ok(grant::RESERVED));
        let page = LAST.with_borrow(|frames| frames[0]);
        let at = 8 * grant::RESERVED as usize;
        assert_eq!((page.load16(at), page.load16(at + 2), page.load(at + 4)), (5, 7, 0x12345));
        assert_eq!(grants.permit(7, 0x1000, false), Ok(grant::RESERVED + 1));
        assert_eq!(page.load16(at + 8), 1);
    }

    #[test]
    fn a_page_that_is_mapped_is_not_taken_back() {
        let grants = Grants::new(frame);
        let reference = grants.permit(0, 0x1000, false).unwrap();
        let page = LAST.with_borrow(|frames| frames[0]);
        let at = 8 * reference as usize;
        page.store16(at, page.load16(at) | grant::WRITING);
        assert_eq!(grants.revoke(reference), Err(Mapped));
        assert_eq!(grants.in_use(), 1);
        page.store16(at, page.load16(at) & !grant::WRITING);
        assert_eq!((grants.revoke(reference), page.load16(at), grants.in_use()), (Ok(()), 0, 0));
    }

    #[test]
    fn the_table_grows_to_what_xen_allows() {
        let grants = Grants::new(frame);
        let all = 2 * ENTRIES - grant::RESERVED;
        let references: Vec<_> =
            (0..all).map(|i| grants.permit(0, i as usize * PAGE, false).unwrap()).collect();
        assert_eq!(grants.permit(0, 0, false), Err(NoGrant));
        let mut sorted = references.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (grant::RESERVED..2 * ENTRIES).collect::<Vec<_>>());
        references.into_iter().for_each(|reference| grants.revoke(reference).unwrap());
        assert_eq!(grants.in_use(), 0);
    }
}
