//! Where a connection's bytes and lists are kept.
//!
//! A connection is generic over its [`Backing`]. Two exist: [`Growing`] (with
//! the feature `alloc`), whose buffers are empty while a connection is idle
//! and grow on demand up to the connection's limit, and [`Fixed`], whose
//! buffers the caller hands over and whose lists have a fixed place inside the
//! connection.

mod ring;

use core::marker::PhantomData;

pub use ring::Ring;

/// The form of a connection's memory.
pub trait Backing {
    /// A buffer of bytes.
    type Bytes: Bytes;
    /// A place for what only a busy connection has.
    type Side<T: Default>: Side<T>;
    /// A bounded list.
    type List<T: Copy>: List<T>;
    /// A list of which a connection has few entries, and mostly none.
    type Few<T: Copy>: List<T>;
}

/// A buffer of bytes of which all can be read and written. The default is
/// empty.
pub trait Bytes: AsRef<[u8]> + AsMut<[u8]> + Default {
    /// Whether [`Bytes::allocate`] gives memory.
    const GROWS: bool;

    /// A buffer of `capacity` bytes; `None` where buffers do not grow.
    fn allocate(capacity: usize) -> Option<Self>;
}

/// A place for a `T` that may be given back.
pub trait Side<T>: Default {
    /// What is there.
    fn get(&self) -> Option<&T>;
    /// What is there, made now if nothing was.
    fn get_or_default(&mut self) -> &mut T;
    /// What is there.
    fn get_mut(&mut self) -> Option<&mut T>;
    /// Gives the memory back, with what was there; where it is always there,
    /// nothing happens.
    fn release(&mut self);
    /// Bytes held beyond the place itself.
    fn held(&self) -> usize;
}

/// A list with a bound.
pub trait List<T>: Default {
    /// The most entries that it holds.
    const LIMIT: usize;

    /// The entries.
    fn as_slice(&self) -> &[T];
    /// The entries.
    fn as_mut_slice(&mut self) -> &mut [T];
    /// Puts `entry` at `index` and returns whether there was room (and the
    /// index lay within the list or at its end).
    #[must_use]
    fn insert(&mut self, index: usize, entry: T) -> bool;
    /// Puts `entry` at the end and returns whether there was room.
    #[must_use]
    fn push(&mut self, entry: T) -> bool;
    /// Removes the entries `from..to`, as far as there are such.
    fn remove(&mut self, from: usize, to: usize);
    /// Removes all.
    fn clear(&mut self);
}

/// Memory from the allocator, on demand.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug)]
pub enum Growing {}

#[cfg(feature = "alloc")]
impl Backing for Growing {
    type Bytes = alloc::boxed::Box<[u8]>;
    type Side<T: Default> = OnDemand<T>;
    type List<T: Copy> = alloc::vec::Vec<T>;
    type Few<T: Copy> = alloc::vec::Vec<T>;
}

/// Memory that the caller handed over for `'b`; lists of up to `LIST` entries
/// within the connection.
///
/// As many segments, or bursts of them sent at once, are told apart under way,
/// and as many holes in what has arrived. What is beyond is told apart less
/// well, which costs a needless retransmission at worst: a list wants an entry
/// for each segment that the buffer holds. At least 1.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<'b, const LIST: usize = FIXED_LIST>(PhantomData<&'b mut [u8]>);

/// The bound of a list in [`Fixed`] form, in entries, where none was chosen:
/// enough for buffers of some tens of kilobytes.
pub const FIXED_LIST: usize = 32;

/// The bound of a list in [`Growing`] form, in entries.
pub const GROWING_LIST: usize = 1024;

impl<'b, const LIST: usize> Backing for Fixed<'b, LIST> {
    type Bytes = &'b mut [u8];
    type Side<T: Default> = InPlace<T>;
    type List<T: Copy> = heapless::Vec<T, LIST>;
    type Few<T: Copy> = Option<T>;
}

impl Bytes for &mut [u8] {
    const GROWS: bool = false;

    fn allocate(_: usize) -> Option<Self> {
        None
    }
}

#[cfg(feature = "alloc")]
impl Bytes for alloc::boxed::Box<[u8]> {
    const GROWS: bool = true;

    fn allocate(capacity: usize) -> Option<Self> {
        Some(alloc::vec![0; capacity].into_boxed_slice())
    }
}

/// A [`Side`] that is allocated when first needed.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct OnDemand<T>(Option<alloc::boxed::Box<T>>);

#[cfg(feature = "alloc")]
impl<T> Default for OnDemand<T> {
    fn default() -> Self {
        Self(None)
    }
}

#[cfg(feature = "alloc")]
impl<T: Default> Side<T> for OnDemand<T> {
    #[inline]
    fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    #[inline]
    fn get_or_default(&mut self) -> &mut T {
        self.0.get_or_insert_with(allocated)
    }

    #[inline]
    fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    fn release(&mut self) {
        self.0 = None;
    }

    fn held(&self) -> usize {
        if self.0.is_some() { size_of::<T>() } else { 0 }
    }
}

/// Apart, so that whoever needs it stays small: it is there nearly always.
#[cfg(feature = "alloc")]
#[cold]
#[inline(never)]
fn allocated<T: Default>() -> alloc::boxed::Box<T> {
    alloc::boxed::Box::default()
}

/// A [`Side`] that is always there.
#[derive(Default, Debug)]
pub struct InPlace<T>(T);

impl<T: Default> Side<T> for InPlace<T> {
    #[inline]
    fn get(&self) -> Option<&T> {
        Some(&self.0)
    }

    #[inline]
    fn get_or_default(&mut self) -> &mut T {
        &mut self.0
    }

    #[inline]
    fn get_mut(&mut self) -> Option<&mut T> {
        Some(&mut self.0)
    }

    fn release(&mut self) {}

    fn held(&self) -> usize {
        0
    }
}

#[cfg(feature = "alloc")]
impl<T: Copy> List<T> for alloc::vec::Vec<T> {
    const LIMIT: usize = GROWING_LIST;

    #[inline]
    fn as_slice(&self) -> &[T] {
        self
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [T] {
        self
    }

    fn insert(&mut self, index: usize, entry: T) -> bool {
        if self.len() >= Self::LIMIT || index > self.len() {
            return false;
        }
        Self::insert(self, index, entry);
        true
    }

    #[inline]
    fn push(&mut self, entry: T) -> bool {
        let has_room = self.len() < <Self as List<T>>::LIMIT;
        if has_room {
            Self::push(self, entry);
        }
        has_room
    }

    fn remove(&mut self, from: usize, to: usize) {
        let to = to.min(self.len());
        if from < to {
            self.copy_within(to.., from);
            self.truncate(self.len() - (to - from));
        }
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

impl<T: Copy, const N: usize> List<T> for heapless::Vec<T, N> {
    const LIMIT: usize = N;

    #[inline]
    fn as_slice(&self) -> &[T] {
        self
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [T] {
        self
    }

    fn insert(&mut self, index: usize, entry: T) -> bool {
        index <= self.len() && Self::insert(self, index, entry).is_ok()
    }

    #[inline]
    fn push(&mut self, entry: T) -> bool {
        Self::push(self, entry).is_ok()
    }

    fn remove(&mut self, from: usize, to: usize) {
        let to = to.min(self.len());
        if from < to {
            self.copy_within(to.., from);
            self.truncate(self.len() - (to - from));
        }
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

/// A list of one entry at the most.
impl<T: Copy> List<T> for Option<T> {
    const LIMIT: usize = 1;

    #[inline]
    fn as_slice(&self) -> &[T] {
        Self::as_slice(self)
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [T] {
        Self::as_mut_slice(self)
    }

    fn insert(&mut self, index: usize, entry: T) -> bool {
        index == 0 && self.push(entry)
    }

    fn push(&mut self, entry: T) -> bool {
        let has_room = self.is_none();
        self.get_or_insert(entry);
        has_room
    }

    fn remove(&mut self, from: usize, to: usize) {
        if from == 0 && to > 0 {
            *self = None;
        }
    }

    fn clear(&mut self) {
        *self = None;
    }
}
