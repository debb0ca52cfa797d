//! Where a connection's bytes and lists are kept.
//!
//! A connection is generic over its [`Backing`]. Two exist: [`Growing`] (with
//! the feature `alloc`), whose buffers are empty while a connection is idle
//! and grow on demand up to the connection's limit, and [`Fixed`], whose
//! buffers the caller hands over and whose lists have a fixed place inside the
//! connection.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;

/// The form of a connection's memory.
pub trait Backing {
    /// A buffer of bytes.
    type Bytes: Bytes;
    /// A place for what only a busy connection has.
    type Side<T: Default>: Side<T>;
    /// A bounded list.
    type List<T: Copy>: List<T>;
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
}

/// Memory that the caller handed over for `'b`; lists of up to
/// [`FIXED_LIST`] entries within the connection.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<'b>(PhantomData<&'b mut [u8]>);

/// The bound of a list in [`Fixed`] form, in entries: as many segments, or
/// bursts of them sent at once, are told apart under way, and as many holes
/// in what has arrived. A buffer of some tens of kilobytes holds no more
/// segments than that; with larger ones, what is beyond is told apart less
/// well, which costs a needless retransmission at worst.
pub const FIXED_LIST: usize = 32;

/// The bound of a list in [`Growing`] form, in entries.
pub const GROWING_LIST: usize = 1024;

impl<'b> Backing for Fixed<'b> {
    type Bytes = &'b mut [u8];
    type Side<T: Default> = InPlace<T>;
    type List<T: Copy> = heapless::Vec<T, FIXED_LIST>;
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
        self.0.get_or_insert_default()
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

/// Bytes in a circle: the first `len` from the head on are in use, and what
/// lies behind them may be written ahead of time.
pub struct Ring<B> {
    bytes: B,
    head: u32,
    len: u32,
}

impl<B: Bytes> Default for Ring<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B> fmt::Debug for Ring<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({} bytes from {})", self.len, self.head)
    }
}

impl<B: Bytes> Ring<B> {
    /// An empty ring in `bytes`.
    pub fn new(bytes: B) -> Self {
        Self { bytes, head: 0, len: 0 }
    }

    /// Bytes in use.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether none is in use.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that fit without growing.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.bytes.as_ref().len()
    }

    /// Makes room for `wanted` bytes in all, within `limit`, and returns how
    /// many fit now. Bytes up to `keep` from the head on survive.
    ///
    /// Grows by doubling, so that each byte is moved a bounded number of times.
    pub fn reserve(&mut self, wanted: usize, limit: usize, keep: usize) -> usize {
        let capacity = self.capacity();
        if wanted <= capacity || !B::GROWS || capacity >= limit {
            return capacity;
        }
        let target = wanted.max(capacity * 2).max(2048).next_power_of_two().min(limit.max(capacity));
        if let Some(mut larger) = B::allocate(target) {
            let (first, second) = self.slices(0, keep.min(capacity));
            let (to_first, rest) = larger.as_mut().split_at_mut(first.len());
            to_first.copy_from_slice(first);
            if let Some(to_second) = rest.get_mut(..second.len()) {
                to_second.copy_from_slice(second);
            }
            self.bytes = larger;
            self.head = 0;
        }
        self.capacity()
    }

    /// Gives the memory of an empty ring back, where memory grows.
    pub fn release(&mut self) {
        if B::GROWS && self.len == 0 {
            *self = Self::default();
        }
    }

    /// Takes the bytes out, and leaves `other` in their place with nothing in
    /// use. Returns them with the place of the first one in use.
    pub fn replace(&mut self, other: B) -> (B, usize, usize) {
        let old = core::mem::replace(self, Self::new(other));
        (old.bytes, old.head as usize, old.len as usize)
    }

    /// Puts bytes behind those in use, and returns how many fitted.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let room = self.capacity().saturating_sub(self.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.write_at(self.len(), taken);
        self.extend(taken.len());
        taken.len()
    }

    /// Counts `count` bytes, written ahead already, among those in use.
    #[inline]
    pub fn extend(&mut self, count: usize) {
        self.len = (self.len() + count).min(self.capacity()) as u32;
    }

    /// Writes bytes `offset` behind the head; what does not fit is left out.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let capacity = self.capacity();
        let room = capacity.saturating_sub(offset);
        let bytes = bytes.get(..room).unwrap_or(bytes);
        let start = self.position(offset);
        let (first, second) = bytes.split_at(bytes.len().min(capacity - start));
        let all = self.bytes.as_mut();
        if let Some(to) = all.get_mut(start..start + first.len()) {
            to.copy_from_slice(first);
        }
        if let Some(to) = all.get_mut(..second.len()).filter(|to| !to.is_empty()) {
            to.copy_from_slice(second);
        }
    }

    /// Bytes that are free behind those in use, in one piece.
    pub fn free_in_one_piece(&self) -> usize {
        let free = self.capacity().saturating_sub(self.len());
        free.min(self.capacity() - self.position(self.len()))
    }

    /// The bytes `range`, counted from the head on, to be written; none where
    /// they are not in one piece.
    pub fn piece_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        let start = self.position(range.start);
        self.bytes.as_mut().get_mut(start..start + range.len()).unwrap_or_default()
    }

    /// Up to `len` bytes from `offset` behind the head on, in two pieces.
    pub fn slices(&self, offset: usize, len: usize) -> (&[u8], &[u8]) {
        let capacity = self.capacity();
        let len = len.min(capacity.saturating_sub(offset));
        let start = self.position(offset);
        let first = len.min(capacity - start);
        let all = self.bytes.as_ref();
        (all.get(start..start + first).unwrap_or_default(), all.get(..len - first).unwrap_or_default())
    }

    /// Forgets the first `count` bytes in use.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        let count = count.min(self.len());
        self.head = self.position(count) as u32;
        self.len -= count as u32;
    }

    /// Starts at the beginning of the memory again, which keeps what is
    /// written next in one piece. Only where nothing is in use or written
    /// ahead.
    #[inline]
    pub fn rewind(&mut self) {
        if self.len == 0 {
            self.head = 0;
        }
    }

    /// Where the byte `offset` behind the head is; below the capacity, or 0.
    #[inline]
    fn position(&self, offset: usize) -> usize {
        let capacity = self.capacity();
        let at = self.head as usize + offset.min(capacity);
        if at >= capacity { at - capacity } else { at }
    }
}
