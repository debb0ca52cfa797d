//! Pages that other domains may use.

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::ptr::NonNull;
use core::slice;

use super::abi::PAGE;
use super::grants::Grants;
use super::window::Window;

/// Memory, grants or ports are used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory, grants or event channels are used up")
    }
}

impl core::error::Error for Exhausted {}

/// Grants pages, and takes them back.
#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) grants: Grants,
    /// Pages given up while the other domain still had some of them mapped.
    /// Tried again whenever pages are granted; as many as there ever were.
    limbo: RefCell<Vec<Granted>>,
}

/// Pages, contiguous and granted.
#[derive(Debug)]
struct Granted {
    base: NonNull<u8>,
    layout: Layout,
    references: Vec<u32>,
}

impl Sharing {
    pub(super) fn new(grants: Grants) -> Self {
        Self { grants, limbo: RefCell::default() }
    }

    fn grant(&self, peer: u16, pages: usize, read_only: bool) -> Result<Granted, Exhausted> {
        self.retry();
        let bytes = pages.checked_mul(PAGE).filter(|&bytes| bytes > 0).ok_or(Exhausted)?;
        let layout = Layout::from_size_align(bytes, PAGE).map_err(|_| Exhausted)?;
        // SAFETY: of more than 0 bytes.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(Exhausted)?;
        let mut granted = Granted { base, layout, references: Vec::with_capacity(pages) };
        // The other domain reaches it by its address, past the compiler's back.
        let address = base.as_ptr().expose_provenance();
        for page in 0..pages {
            match self.grants.permit(peer, address + page * PAGE, read_only) {
                Ok(reference) => granted.references.push(reference),
                Err(_) => {
                    self.end(granted);
                    return Err(Exhausted);
                }
            }
        }
        Ok(granted)
    }

    /// Takes back what can be, and frees the memory when all of it is.
    fn end(&self, mut granted: Granted) {
        granted.references.retain(|&reference| self.grants.revoke(reference).is_err());
        if granted.references.is_empty() {
            // SAFETY: allocated with this layout, and nobody else uses it any
            // more: the grants are gone, its owner has been dropped.
            unsafe { dealloc(granted.base.as_ptr(), granted.layout) };
        } else {
            self.limbo.borrow_mut().push(granted);
        }
    }

    fn retry(&self) {
        let limbo = self.limbo.take();
        limbo.into_iter().for_each(|granted| self.end(granted));
    }

    /// Pages whose memory is not free yet, since another domain holds them.
    pub(super) fn held(&self) -> usize {
        self.limbo.borrow().iter().map(|granted| granted.layout.size() / PAGE).sum()
    }
}

/// Granted pages that end when dropped.
struct Owned {
    sharing: Rc<Sharing>,
    /// Present until dropped.
    granted: Option<Granted>,
    base: NonNull<u8>,
    len: usize,
}

impl Owned {
    fn new(sharing: &Rc<Sharing>, peer: u16, pages: usize, read_only: bool) -> Result<Self, Exhausted> {
        let granted = sharing.grant(peer, pages, read_only)?;
        let (base, len) = (granted.base, granted.layout.size());
        Ok(Self { sharing: sharing.clone(), granted: Some(granted), base, len })
    }

    fn reference(&self, page: usize) -> Option<u32> {
        self.granted.as_ref()?.references.get(page).copied()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(granted) = self.granted.take() {
            self.sharing.end(granted);
        }
    }
}

/// Pages that another domain may read, and nobody but this one writes.
///
/// Dropping them revokes their grants. Memory that the other domain still has
/// mapped is kept until it has not.
pub struct Outgoing(Owned);

impl Outgoing {
    pub(super) fn new(sharing: &Rc<Sharing>, peer: u16, pages: usize) -> Result<Self, Exhausted> {
        Owned::new(sharing, peer, pages, true).map(Self)
    }

    /// The grant reference of a page; `None` past the last one.
    pub fn grant(&self, page: usize) -> Option<u32> {
        self.0.reference(page)
    }

    /// Hands `fill` the `len` bytes from `at` on; `None`, and `fill` is not
    /// called, where they are not all within.
    pub fn fill<R>(&mut self, at: usize, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        if at.checked_add(len)? > self.0.len {
            return None;
        }
        // SAFETY: within the pages, which live as long as `self`, which is
        // borrowed for it alone. The other domain cannot write them: the grants
        // are read-only.
        let bytes = unsafe { slice::from_raw_parts_mut(self.0.base.as_ptr().add(at), len) };
        Some(fill(bytes))
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("bytes", &self.0.len).finish_non_exhaustive()
    }
}

/// Pages that another domain reads and writes at any time.
///
/// What is out of bounds or not aligned reads as zero and is not written.
/// Dropping them is as with [`Outgoing`].
pub struct Shared {
    owned: Owned,
    window: Window,
}

impl Shared {
    pub(super) fn new(sharing: &Rc<Sharing>, peer: u16, pages: usize) -> Result<Self, Exhausted> {
        let owned = Owned::new(sharing, peer, pages, false)?;
        // SAFETY: lives as long as `owned`, and nobody refers to its bytes.
        let window = unsafe { Window::new(owned.base, owned.len) };
        Ok(Self { owned, window })
    }

    /// The grant reference of a page; `None` past the last one.
    pub fn grant(&self, page: usize) -> Option<u32> {
        self.owned.reference(page)
    }

    /// Loads the word at `at`, a multiple of 4, once and whole, before all that
    /// follows in the program.
    pub fn load(&self, at: usize) -> u32 {
        self.window.load(at)
    }

    /// Stores the word at `at`, a multiple of 4, whole, after all that precedes
    /// in the program.
    pub fn store(&self, at: usize, word: u32) {
        self.window.store(at, word);
    }

    /// Copies from `at` on into `bytes`, reading each byte once.
    pub fn copy_out(&self, at: usize, bytes: &mut [u8]) {
        self.window.copy_out(at, bytes);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("window", &self.window).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::{abi::grant, window};
    use std::cell::Cell;
    use std::thread_local;

    thread_local! {
        static TABLE: Cell<Option<Window>> = const { Cell::new(None) };
    }

    fn sharing() -> Rc<Sharing> {
        TABLE.set(Some(window::tests::page()));
        Rc::new(Sharing::new(Grants::new(|number| TABLE.get().filter(|_| number == 0))))
    }

    #[test]
    fn pages_are_granted_filled_and_given_back() {
        let sharing = sharing();
        let mut pages = Outgoing::new(&sharing, 0, 3).unwrap();
        assert_eq!([0, 1, 2, 3].map(|page| pages.grant(page).is_some()), [true, true, true, false]);
        assert_eq!(pages.fill(4000, 200, |bytes| bytes.fill(7)), Some(()));
        assert_eq!(pages.fill(4199, 2, |bytes| (bytes[0], bytes[1])), Some((7, 0)));
        assert_eq!(pages.fill(12_000, 289, |_| ()), None);
        assert_eq!(pages.fill(usize::MAX, 2, |_| ()), None);
        drop(pages);
        assert_eq!((sharing.grants.in_use(), sharing.held()), (0, 0));
    }

    #[test]
    fn what_the_other_domain_holds_is_kept_until_it_lets_go() {
        let sharing = sharing();
        let pages = Shared::new(&sharing, 0, 2).unwrap();
        let table = TABLE.get().unwrap();
        let at = pages.grant(1).unwrap() as usize * 8;
        table.store16(at, table.load16(at) | grant::READING);
        drop(pages);
        assert_eq!((sharing.grants.in_use(), sharing.held()), (1, 2));
        table.store16(at, table.load16(at) & !grant::READING);
        drop(Shared::new(&sharing, 0, 1).unwrap());
        assert_eq!((sharing.grants.in_use(), sharing.held()), (0, 0));
    }

    #[test]
    fn what_there_is_not_enough_of_leaves_nothing_behind() {
        let sharing = sharing();
        assert_eq!(Shared::new(&sharing, 0, 505).err(), Some(Exhausted));
        assert_eq!(Shared::new(&sharing, 0, 0).err(), Some(Exhausted));
        assert_eq!(Shared::new(&sharing, 0, usize::MAX).err(), Some(Exhausted));
        assert_eq!(sharing.grants.in_use(), 0);
    }
}
