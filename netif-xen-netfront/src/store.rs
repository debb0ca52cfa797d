//! Names and values of xenstore, without an allocator.

use crate::{DomainId, Hypervisor, StoreError};
use wire::MacAddr;

/// The longest path that is made or read here, in bytes. Xenstore has
/// relative ones of up to 2048, tool stacks make some of about 50.
pub(crate) const MAX_PATH: usize = 128;

pub(crate) type Path = heapless::String<MAX_PATH>;

/// The state of either end of a device (`xen/include/public/io/xenbus.h`).
///
/// ```text
///  Initialising ─► InitWait ─► Initialised ─► Connected
///       ▲                                        │
///       └──────────── Closed ◄──── Closing ◄─────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum XenbusState {
    /// No such node, or no such state.
    Unknown,
    Initialising,
    /// Its features can be read.
    InitWait,
    Initialised,
    Connected,
    Closing,
    Closed,
    /// Of devices that this is none of.
    Reconfiguring,
}

impl XenbusState {
    fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Initialising,
            2 => Self::InitWait,
            3 => Self::Initialised,
            4 => Self::Connected,
            5 => Self::Closing,
            6 => Self::Closed,
            7 | 8 => Self::Reconfiguring,
            _ => Self::Unknown,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "0",
            Self::Initialising => "1",
            Self::InitWait => "2",
            Self::Initialised => "3",
            Self::Connected => "4",
            Self::Closing => "5",
            Self::Closed => "6",
            Self::Reconfiguring => "7",
        }
    }
}

/// `directory/name`.
pub(crate) fn join(directory: &str, name: &str) -> Result<Path, StoreError> {
    let mut path = Path::new();
    let mut push = |part| path.push_str(part).map_err(|_| StoreError::TooLong);
    push(directory)?;
    push("/")?;
    push(name)?;
    Ok(path)
}

/// A number in decimal digits.
pub(crate) fn decimal(mut number: u32) -> heapless::String<10> {
    let mut digits = [0; 10];
    let mut from = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        from -= 1;
        if number == 0 {
            break;
        }
    }
    let mut string = heapless::String::new();
    for &digit in digits.get(from..).unwrap_or_default() {
        // There is room for ten.
        let _ = string.push(char::from(digit));
    }
    string
}

/// A decimal number; `None` for all else.
pub(crate) fn parse_decimal(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u32, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(digit.into()) }
    })
}

/// An address in hexadecimal digits with colons, of one host.
pub(crate) fn parse_mac(text: &[u8]) -> Option<MacAddr> {
    let mut octets = [0; 6];
    let mut groups = text.split(|&byte| byte == b':');
    for octet in &mut octets {
        let group = groups.next()?;
        if group.is_empty() || group.len() > 2 {
            return None;
        }
        for &digit in group {
            *octet = *octet << 4 | char::from(digit).to_digit(16)? as u8;
        }
    }
    let mac = MacAddr(octets);
    (groups.next().is_none() && mac.is_unicast()).then_some(mac)
}

/// A node's number; `None` where there is no node or no number in it.
pub(crate) async fn read_number<H: Hypervisor>(
    hypervisor: &H,
    directory: &str,
    name: &str,
) -> Result<Option<u32>, StoreError> {
    let mut value = [0; 16];
    match hypervisor.read(&join(directory, name)?, &mut value).await {
        Ok(text) => Ok(parse_decimal(text)),
        Err(StoreError::Missing | StoreError::TooLong) => Ok(None),
        Err(error @ StoreError::Refused) => Err(error),
    }
}

/// Whether a node says 1.
pub(crate) async fn read_flag<H: Hypervisor>(
    hypervisor: &H,
    directory: &str,
    name: &str,
) -> Result<bool, StoreError> {
    Ok(read_number(hypervisor, directory, name).await? == Some(1))
}

/// The state that a node tells.
pub(crate) async fn read_state<H: Hypervisor>(
    hypervisor: &H,
    directory: &str,
) -> Result<XenbusState, StoreError> {
    let number = read_number(hypervisor, directory, "state").await?;
    Ok(number.map_or(XenbusState::Unknown, XenbusState::from_number))
}

/// Which domain the backend is in, and its directory. `None` while there is
/// none.
pub(crate) async fn read_backend<H: Hypervisor>(
    hypervisor: &H,
    frontend: &str,
) -> Result<Option<(DomainId, Path)>, StoreError> {
    let mut value = [0; MAX_PATH];
    let path = match hypervisor.read(&join(frontend, "backend")?, &mut value).await {
        Ok(path) => path,
        Err(StoreError::Missing | StoreError::TooLong) => return Ok(None),
        Err(error @ StoreError::Refused) => return Err(error),
    };
    let Ok(path) = str::from_utf8(path) else { return Ok(None) };
    let Ok(path) = Path::try_from(path) else { return Ok(None) };
    let peer = match domain_of(&path) {
        None if !path.is_empty() => read_number(hypervisor, frontend, "backend-id").await?,
        named => named,
    };
    let peer = peer.and_then(|id| u16::try_from(id).ok());
    Ok(peer.map(|id| (DomainId(id), path)))
}

/// The domain whose directory a path is in: what a tool stack writes into
/// `backend-id` too, which need not be read then.
fn domain_of(path: &str) -> Option<u32> {
    let (domain, _) = path.strip_prefix("/local/domain/")?.split_once('/')?;
    parse_decimal(domain.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for number in [0, 7, 10, 4096, u32::MAX] {
            assert_eq!(parse_decimal(decimal(number).as_bytes()), Some(number));
        }
        for text in ["", "-1", "4294967296", "1 ", "0x1"] {
            assert_eq!(parse_decimal(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_domain_of_a_path() {
        assert_eq!(domain_of("/local/domain/7/backend/vif/5/0"), Some(7));
        for path in ["", "/local/domain/7", "/local/domain//backend", "backend/vif", "/local/domain/x/y"] {
            assert_eq!(domain_of(path), None, "{path}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(parse_mac(b"00:16:3e:0A:b:ff"), Some(MacAddr([0, 0x16, 0x3e, 0x0a, 0x0b, 0xff])));
        for text in
            ["", "00:16:3e:00:00", "00:16:3e:00:00:01:02", "00:16:3e:00:00:g1", "01:16:3e:00:00:01", "::::::"]
        {
            assert_eq!(parse_mac(text.as_bytes()), None, "{text}");
        }
    }
}
