//! Bounded lists that count what they left out.

use core::fmt;
use core::ops::Deref;

use heapless::{String, Vec};

use crate::message::Name;

/// Bytes of text that a [`SearchList`] holds, over all its names.
const SEARCH_MAX: usize = 384;
/// Bytes that [`OtherOptions`] hold, two of them for each option's head.
const OTHER_MAX: usize = 512;

/// Up to `N` entries; further ones are counted and left out.
#[derive(Clone, PartialEq, Eq)]
pub struct List<T, const N: usize> {
    entries: Vec<T, N>,
    cut: u16,
}

impl<T, const N: usize> List<T, N> {
    /// How many entries were left out.
    pub const fn cut(&self) -> u16 {
        self.cut
    }

    pub(crate) fn push(&mut self, entry: T) {
        if self.entries.push(entry).is_err() {
            self.leave_out();
        }
    }

    pub(crate) fn leave_out(&mut self) {
        self.cut = self.cut.saturating_add(1);
    }
}

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self { entries: Vec::new(), cut: 0 }
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.entries
    }
}

impl<T, const N: usize> FromIterator<T> for List<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        let mut list = Self::default();
        entries.into_iter().for_each(|entry| list.push(entry));
        list
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Domains to search, in order: up to 384 bytes of text in all. Further ones
/// are counted and left out.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SearchList {
    /// Each name and a space after it.
    text: String<SEARCH_MAX>,
    cut: u16,
}

impl SearchList {
    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.split_terminator(' ')
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// How many were left out; a name that can't be read counts as one, with
    /// all that follow it.
    pub const fn cut(&self) -> u16 {
        self.cut
    }

    pub(crate) fn push(&mut self, name: &Name) {
        if self.text.len() + name.len() + 1 > SEARCH_MAX {
            self.leave_out();
        } else if !name.is_empty() {
            // Both fit: so the condition says.
            let _ = self.text.push_str(name);
            let _ = self.text.push(' ');
        }
    }

    pub(crate) fn leave_out(&mut self) {
        self.cut = self.cut.saturating_add(1);
    }
}

impl fmt::Debug for SearchList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Options by number, up to 512 bytes with two for each option (one more for
/// every 255 bytes of it). Further ones are counted and left out.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct OtherOptions {
    /// Code, length in 16 bits, bytes; again and again.
    store: Vec<u8, OTHER_MAX>,
    cut: u16,
}

impl OtherOptions {
    /// The options in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = self.store.as_slice();
        core::iter::from_fn(move || {
            let (&[code, high, low], tail) = rest.split_first_chunk()?;
            let (bytes, tail) = tail.split_at_checked(u16::from_be_bytes([high, low]).into())?;
            rest = tail;
            Some((code, bytes))
        })
    }

    /// The bytes of one.
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        self.iter().find(|(each, _)| *each == code).map(|(_, bytes)| bytes)
    }

    /// How many were left out.
    pub const fn cut(&self) -> u16 {
        self.cut
    }

    pub(crate) fn push(&mut self, code: u8, bytes: impl Iterator<Item = u8>) {
        let start = self.store.len();
        if self.append(start, code, bytes).is_none() {
            self.store.truncate(start);
            self.cut = self.cut.saturating_add(1);
        }
    }

    fn append(&mut self, start: usize, code: u8, bytes: impl Iterator<Item = u8>) -> Option<()> {
        self.store.extend_from_slice(&[code, 0, 0]).ok()?;
        for byte in bytes {
            self.store.push(byte).ok()?;
        }
        let len = u16::try_from(self.store.len() - start - 3).ok()?;
        self.store.get_mut(start + 1..start + 3)?.copy_from_slice(&len.to_be_bytes());
        Some(())
    }
}

impl fmt::Debug for OtherOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
