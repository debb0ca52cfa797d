//! What stands behind a packet's headers and is not copied there.

/// The rest of a packet, which stays where it lies until the device takes it:
/// for a `write_gathered`.
///
/// Plain bytes are one.
pub trait Payload {
    /// Bytes in all.
    fn payload_len(&self) -> usize;

    /// Shows the bytes to `take`, in two pieces that follow each other, and
    /// returns what it makes of them: exactly [`Self::payload_len`] bytes, which
    /// is what the headers say; `None` where they can't be shown at the
    /// moment, and `take` was not called.
    ///
    /// Whoever shows them may borrow its state meanwhile: `take` calls no
    /// layer, wakes nobody, and only copies the bytes or hands them to the
    /// system.
    fn show<R>(&self, take: impl FnOnce([&[u8]; 2]) -> R) -> Option<R>;

    /// Makes one piece of a packet: its first `len` bytes are what `fill`
    /// writes, the payload stands behind. Returns how many bytes of `buffer`
    /// that takes, and 0 where there is no such packet, since `fill` wants to
    /// have nothing sent.
    fn copy_behind(&self, len: usize, buffer: &mut [u8], fill: impl FnOnce(&mut [u8]) -> usize) -> usize {
        let Some((head, rest)) = buffer.split_at_mut_checked(len) else { return 0 };
        if fill(head) < len {
            return 0;
        }
        let copied = self.show(|[first, second]| {
            let shown = first.len() + second.len();
            let to = rest.get_mut(..shown).filter(|_| shown == self.payload_len())?;
            let (to_first, to_second) = to.split_at_mut_checked(first.len())?;
            to_first.copy_from_slice(first);
            to_second.copy_from_slice(second);
            Some(to.len())
        });
        copied.flatten().map_or(0, |copied| len + copied)
    }
}

impl<P: Payload + ?Sized> Payload for &P {
    fn payload_len(&self) -> usize {
        P::payload_len(self)
    }

    fn show<R>(&self, take: impl FnOnce([&[u8]; 2]) -> R) -> Option<R> {
        P::show(self, take)
    }
}

impl Payload for [u8] {
    fn payload_len(&self) -> usize {
        self.len()
    }

    fn show<R>(&self, take: impl FnOnce([&[u8]; 2]) -> R) -> Option<R> {
        Some(take([self, &[]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_in_one_piece_is_whole_or_not_at_all() {
        let payload: &[u8] = &[7, 8, 9];
        let mut buffer = [0; 6];
        let fill = |head: &mut [u8]| {
            head.fill(1);
            head.len()
        };
        assert_eq!(payload.copy_behind(2, &mut buffer, fill), 5);
        assert_eq!(buffer, [1, 1, 7, 8, 9, 0]);
        assert_eq!(payload.copy_behind(2, &mut buffer, |_| 1), 0);
        assert_eq!(payload.copy_behind(4, &mut buffer, fill), 0);
        assert_eq!(payload.copy_behind(7, &mut buffer, fill), 0);
    }
}
