//! What a guest is told by its command line and by xenstore.
//!
//! Words apart by spaces: `ip=10.0.0.2/24`; `gw=10.0.0.1`; `dhcp`.

use alloc::string::String;
use core::net::Ipv4Addr;

use super::Store;

/// Where xenstore has words for the guest, in its own directory.
pub const WORDS: &str = "vm-data/config";

/// What xenstore has at [`WORDS`], then what the command line `line` says: of
/// words for the same, the last one counts. Where the node is missing, can't be
/// read or is not UTF-8, the command line alone.
pub async fn words(store: &Store, line: &str) -> String {
    let told = store.read(WORDS).await.ok().and_then(|value| String::from_utf8(value).ok());
    let mut words = told.unwrap_or_default();
    words.push(' ');
    words.push_str(line);
    words
}

/// The value of `key=value` in a command line; empty for a word `key` alone.
/// The last one counts.
///
/// ```
/// assert_eq!(os::xen::word("console=hvc0 ip=10.0.0.2 dhcp", "ip"), Some("10.0.0.2"));
/// assert_eq!(os::xen::word("console=hvc0 ip=10.0.0.2 dhcp", "dhcp"), Some(""));
/// assert_eq!(os::xen::word("console=hvc0 ip=10.0.0.2 dhcp", "gw"), None);
/// ```
pub fn word<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.split_ascii_whitespace().rev().find_map(|word| match word.split_once('=') {
        Some((name, value)) => (name == key).then_some(value),
        None => (word == key).then_some(""),
    })
}

/// The address and the length of its prefix, as a command line has them; a
/// prefix of 24 bits where none is given.
///
/// ```
/// use core::net::Ipv4Addr;
/// let address = Ipv4Addr::new(10, 0, 0, 2);
/// assert_eq!(os::xen::address("ip=10.0.0.2/16"), Some((address, 16)));
/// assert_eq!(os::xen::address("ip=10.0.0.2"), Some((address, 24)));
/// assert_eq!(os::xen::address("ip=10.0.0.2/33"), None);
/// ```
pub fn address(line: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, prefix) = match word(line, "ip")?.split_once('/') {
        Some((address, prefix)) => (address, prefix.parse().ok()?),
        None => (word(line, "ip")?, 24),
    };
    (prefix <= 32).then_some((address.parse().ok()?, prefix))
}

/// The gateway of a command line.
pub fn gateway(line: &str) -> Option<Ipv4Addr> {
    word(line, "gw")?.parse().ok()
}
