//! What the layer remembers, and how it is found: an index over tuples, and
//! slots with lists through them. It knows nothing of the protocol.

mod index;
mod slab;
mod tuple;
#[cfg(all(test, feature = "alloc"))]
mod work;

#[cfg(feature = "alloc")]
pub(crate) use index::Cell;
pub(crate) use index::{Cells, Entry, Index};
#[cfg(feature = "alloc")]
pub(crate) use slab::Pages;
pub(crate) use slab::{Arena, List, Slab, Slot, UNNOTED};
pub(crate) use tuple::Tuple;
#[cfg(all(test, feature = "alloc"))]
pub(crate) use work::{Work, count, count_waiting, work};
