//! Which words of a stack are places that functions return to.
//!
//! There are no tables for unwinding in a guest, and no frame pointers. What is known
//! of such a word is that it points into the code, right behind an instruction that
//! calls: numbers that merely look like an address hardly ever do.

/// Whether `code`, whose first byte is at the address `base`, has an instruction that
/// calls right before the address `word`.
///
/// Two forms are known (Intel SDM volume 2, CALL): `e8` with a distance of 32 bits,
/// which has to lead into the code again, and `ff /2`, to an address in a register or
/// in memory.
pub(super) fn follows_call(code: &[u8], base: usize, word: usize) -> bool {
    let Some(before) = word.checked_sub(base).and_then(|at| code.get(..at)) else { return false };
    is_direct(before, base, word, code.len()) || (2..=7).any(|len| is_indirect(before, len))
}

fn is_direct(before: &[u8], base: usize, word: usize, len: usize) -> bool {
    let Some(&[0xe8, a, b, c, d]) = before.last_chunk() else { return false };
    let target = word.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]) as isize);
    (base..base + len).contains(&target)
}

/// Whether the last `len` bytes are `ff /2`, its address included, without a prefix.
fn is_indirect(before: &[u8], len: usize) -> bool {
    let call = before.len().checked_sub(len).and_then(|at| before.get(at..));
    let Some(&[0xff, modrm, ref rest @ ..]) = call else { return false };
    let (mode, operation, register) = (modrm >> 6, modrm >> 3 & 7, modrm & 7);
    let scaled = usize::from(mode != 3 && register == 4);
    let wide = match (mode, register, rest.first().map(|sib| sib & 7)) {
        (3, ..) => 0,
        (1, ..) => 1,
        (2, ..) | (0, 5, _) | (0, 4, Some(5)) => 4,
        (..) => 0,
    };
    operation == 2 && rest.len() == scaled + wide
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const BASE: usize = 0x1000;

    /// The addresses in `code` that follow a call.
    fn found(code: &[u8]) -> Vec<usize> {
        (0..=code.len() + 8).filter(|&at| follows_call(code, BASE, BASE + at)).collect()
    }

    /// `code` with room around it, so that what is near is not beyond its ends.
    fn alone(call: &[u8]) -> Vec<usize> {
        let code = [&[0xcc; 16], call, &[0xcc; 16]].concat();
        found(&code).into_iter().map(|at| at - 16).collect()
    }

    #[test]
    fn calls_of_each_form() {
        for call in [
            &[0xe8, 4, 0, 0, 0][..],                     // call .+9
            &[0xe8, 0xf0, 0xff, 0xff, 0xff],             // call .-11
            &[0xff, 0xd0],                               // call *%rax
            &[0x41, 0xff, 0xd4],                         // call *%r12
            &[0xff, 0x10],                               // call *(%rax)
            &[0xff, 0x14, 0x24],                         // call *(%rsp)
            &[0xff, 0x50, 0x18],                         // call *24(%rax)
            &[0xff, 0x54, 0x24, 0x08],                   // call *8(%rsp)
            &[0xff, 0x90, 0, 1, 0, 0],                   // call *256(%rax)
            &[0xff, 0x15, 0x10, 0, 0, 0],                // call *16(%rip)
            &[0xff, 0x94, 0x24, 0, 1, 0, 0],             // call *256(%rsp)
            &[0xff, 0x14, 0x25, 0x00, 0x20, 0, 0],       // call *0x2000
            &[0x42, 0xff, 0x14, 0xe5, 0x00, 0x20, 0, 0], // call *0x2000(,%r12,8)
        ] {
            assert_eq!(alone(call), [call.len()], "{call:x?}");
        }
    }

    #[test]
    fn what_calls_nothing_is_none() {
        for other in [
            &[0xe9, 4, 0, 0, 0][..], // jmp .+9
            &[0xe8, 0, 0, 0, 0x10],  // a call out of the code
            &[0xff, 0xe0],           // jmp *%rax
            &[0xff, 0x30],           // push (%rax)
            &[0xff, 0x50],           // a call that is cut
            &[0xff, 0x14],
            &[0xc3],
        ] {
            assert!(!alone(other).contains(&other.len()), "{other:x?}");
        }
    }

    #[test]
    fn addresses_outside_and_at_the_ends() {
        let code = [0xff, 0xd0];
        assert!(follows_call(&code, BASE, BASE + 2), "a function that does not return may end the code");
        for word in [0, 1, BASE - 1, BASE, BASE + 1, BASE + 3, usize::MAX] {
            assert!(!follows_call(&code, BASE, word), "{word:#x}");
        }
        assert_eq!(found(&[0xe8]), [0; 0]);
    }

    /// Of numbers that look like addresses few are taken for one: in bytes that mean
    /// nothing, one in fifty.
    #[test]
    fn numbers_that_look_alike_are_few() {
        let mut state = 1_u64;
        let code: Vec<u8> = core::iter::repeat_with(|| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(100_000)
        .collect();
        let taken = found(&code).len();
        assert!(taken < code.len() / 50, "{taken}");
    }
}
