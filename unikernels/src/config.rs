//! What an application is told.

use core::net::Ipv4Addr;

use fata::prelude::Cidr;

/// What the command line says: words apart by spaces. A guest has further ones
/// from xenstore; what the command line says counts more.
///
/// | word | means |
/// |---|---|
/// | `ip=10.0.0.2/24` | the own address; 24 bits where no prefix is given |
/// | `gw=10.0.0.1` | the gateway |
/// | `dhcp` | both from a DHCP server |
/// | `panic` | end at once, as a guest that has failed |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// The own address with its prefix; `None`: by DHCP.
    pub address: Option<Cidr>,
    /// The gateway.
    pub gateway: Option<Ipv4Addr>,
    /// End at once.
    pub panics: bool,
}

impl Config {
    /// What `line` says. It is DHCP without an address, or where the word
    /// `dhcp` comes after it.
    pub fn parse(line: &str) -> Self {
        let mut address = None;
        for word in line.split_ascii_whitespace() {
            match word.strip_prefix("ip=") {
                Some(text) => address = self::address(text),
                None if word == "dhcp" => address = None,
                None => {}
            }
        }
        let gateway = word(line, "gw").and_then(|text| text.parse().ok());
        Self { address, gateway, panics: word(line, "panic").is_some() }
    }
}

fn address(text: &str) -> Option<Cidr> {
    let (address, prefix): (_, u8) = match text.split_once('/') {
        Some((address, prefix)) => (address, prefix.parse().ok()?),
        None => (text, 24),
    };
    let address = address.parse().ok()?;
    (prefix <= 32).then(|| Cidr::new(address, prefix))
}

/// The value of `key=value`; empty for a word `key` alone. The last one counts.
pub(crate) fn word<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.split_ascii_whitespace().rev().find_map(|word| match word.split_once('=') {
        Some((name, value)) => (name == key).then_some(value),
        None => (word == key).then_some(""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_line() {
        let config = Config::parse("console=hvc0 ip=10.0.0.2/16 gw=10.0.0.1");
        assert_eq!(config.address, Some(Cidr::new(Ipv4Addr::new(10, 0, 0, 2), 16)));
        assert_eq!(config.gateway, Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(Config::parse("ip=10.0.0.2").address, Some(Cidr::new(Ipv4Addr::new(10, 0, 0, 2), 24)));
        for none in ["", "ip=10.0.0.2/33", "ip=hello", "ip=10.0.0.2 dhcp", "ipx=1"] {
            assert_eq!(Config::parse(none).address, None, "{none}");
        }
        let last = Config::parse("dhcp ip=10.0.0.9 gw=10.0.0.1 ip=10.0.0.2/16 gw=10.0.0.3");
        assert_eq!((last.address, last.gateway), (config.address, Some(Ipv4Addr::new(10, 0, 0, 3))));
        assert!(Config::parse("a panic").panics && !Config::parse("panics").panics);
    }
}
