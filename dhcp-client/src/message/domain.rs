//! Domain names in options: plain text (option 15), and the compressed list
//! of RFC 3397 (option 119).

use heapless::{String, Vec};

/// Bytes of a name on the wire, its last zero included (RFC 1035 §2.3.4).
const NAME_MAX: usize = 255;

/// Pointers followed within one name. Each leads further back, so that there
/// is an end anyway; this bounds the work.
const HOPS_MAX: usize = 16;

/// A domain name as text, without the last dot.
pub type Name = String<NAME_MAX>;

/// Whether a byte may be in a name as this crate hands it on: visible ASCII.
/// Host names are less; what goes to a terminal or a file must not be more.
const fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// The text of an option: up to the first zero, which some servers append;
/// `None` when empty, longer than `N`, or with bytes that no name has.
pub(crate) fn text<const N: usize>(bytes: impl Iterator<Item = u8>) -> Option<String<N>> {
    let mut text = String::new();
    for byte in bytes.take_while(|&byte| byte != 0) {
        if !is_visible(byte) {
            return None;
        }
        text.push(char::from(byte)).ok()?;
    }
    (!text.is_empty()).then_some(text)
}

/// Reads the name at `start` of a search list, and tells where the next
/// begins. `None` for a name that RFC 1035 §4.1.4 does not allow: a label
/// over 63 bytes, a name over 255, a pointer that does not lead backward.
pub(crate) fn read_name(list: &[u8], start: usize) -> Option<(Name, usize)> {
    let mut name = Name::new();
    let mut at = start;
    // Every pointer leads before the place where the name, or the part of it
    // that a pointer led to, began.
    let mut floor = start;
    let mut next = None;
    let mut hops = 0;
    loop {
        let (&len, rest) = list.get(at..)?.split_first()?;
        match len {
            0 => return Some((name, next.unwrap_or(at + 1))),
            1..=63 => {
                let label = rest.get(..len.into())?;
                push_label(&mut name, label)?;
                at += 1 + label.len();
            }
            0xc0..=0xff => {
                let target = usize::from(len & 0x3f) << 8 | usize::from(*rest.first()?);
                hops += 1;
                if target >= floor || hops > HOPS_MAX {
                    return None;
                }
                next.get_or_insert(at + 2);
                floor = target;
                at = target;
            }
            64..=0xbf => return None,
        }
    }
}

fn push_label(name: &mut Name, label: &[u8]) -> Option<()> {
    // On the wire, a name takes two bytes more than its text.
    let dot = usize::from(!name.is_empty());
    if name.len() + dot + label.len() + 2 > NAME_MAX {
        return None;
    }
    if dot == 1 {
        name.push('.').ok()?;
    }
    for &byte in label {
        if !is_visible(byte) || byte == b'.' {
            return None;
        }
        name.push(char::from(byte)).ok()?;
    }
    Some(())
}

/// The bytes of a name on the wire, uncompressed. Labels beyond what RFC 1035
/// allows are cut.
pub(crate) fn wire_name(name: &str) -> Vec<u8, NAME_MAX> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = label.as_bytes();
        let label = label.get(..63).unwrap_or(label);
        if bytes.len() + 1 + label.len() >= NAME_MAX {
            break;
        }
        // Both fit: so the line above says.
        let _ = bytes.push(label.len() as u8);
        let _ = bytes.extend_from_slice(label);
    }
    let _ = bytes.push(0);
    bytes
}
