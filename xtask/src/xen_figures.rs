//! Instructions that guests have executed, from what QEMU has logged of them.
//!
//! From a moment on, QEMU executes one instruction at a time and logs the
//! address of each; here, of those alone that are at the guest's addresses, where
//! neither Xen nor dom0 has code.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use xshell::{Shell, cmd};

/// Bytes of a stub in the page of hypercalls.
const STUB: u64 = 32;

/// Where a guest's code is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    start: u64,
    end: u64,
    hypercalls: u64,
}

impl Code {
    /// Of a program with its symbols.
    pub(crate) fn of(shell: &Shell, symbols: &Path) -> Result<Self> {
        let list = cmd!(shell, "nm {symbols}").quiet().read()?;
        let find = |name: &str| {
            let mut lines = list.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
            let line = lines.find(|words| words.last() == Some(&name));
            let address = line.and_then(|words| u64::from_str_radix(words.first()?, 16).ok());
            address.with_context(|| format!("{}: no symbol {name}", symbols.display()))
        };
        Ok(Self { start: find("_start")?, end: find("rodata_start")?, hypercalls: find("hypercall_page")? })
    }

    /// The number of the hypercall whose stub is at an address.
    fn stub(self, address: u64) -> Option<u64> {
        let at = address.checked_sub(self.hypercalls)?;
        (at < 4096 && at.is_multiple_of(STUB)).then_some(at / STUB)
    }

    /// For QEMU's `-dfilter`.
    pub(crate) fn filter(self) -> String {
        format!("{:#x}..{:#x},{:#x}+0x1000", self.start, self.end - 1, self.hypercalls)
    }
}

/// What one guest did.
#[derive(Debug, Default)]
struct Guest {
    instructions: u64,
    hypercalls: BTreeMap<u64, u64>,
    /// The last instruction.
    last: u64,
}

/// What the guests in a log did, in the order in which they began.
#[derive(Debug)]
struct Log {
    code: Code,
    guests: Vec<Guest>,
}

impl Log {
    const fn new(code: Code) -> Self {
        Self { code, guests: Vec::new() }
    }

    fn line(&mut self, line: &str) {
        // `Trace 0: 0x7f… [base/address/flags/flags] name`.
        let Some(rest) = line.strip_prefix("Trace ") else { return };
        let address = rest.split('/').nth(1).and_then(|text| u64::from_str_radix(text, 16).ok());
        let Some(address) = address else { return };
        let is_running = |guest: &Guest| guest.last == self.code.start;
        if address == self.code.start && !self.guests.last().is_some_and(is_running) {
            self.guests.push(Guest::default());
        }
        let Some(guest) = self.guests.last_mut() else { return };
        // What repeats itself is logged for each time, and what is interrupted
        // before it begins is logged again.
        if guest.last == address {
            return;
        }
        guest.last = address;
        guest.instructions += 1;
        if let Some(number) = self.code.stub(address) {
            *guest.hypercalls.entry(number).or_default() += 1;
        }
    }
}

/// Says what the guests in the log did.
pub(crate) fn report(code: Code, log: &Path) -> Result<()> {
    let file = std::fs::File::open(log).with_context(|| log.display().to_string())?;
    let mut parsed = Log::new(code);
    for line in std::io::BufReader::new(file).split(b'\n') {
        parsed.line(&String::from_utf8_lossy(&line?));
    }
    ensure!(parsed.guests.len() == 2, "{}: {} guests began", log.display(), parsed.guests.len());
    for (guest, until) in parsed.guests.iter().zip(["echo reply", "lease and page"]) {
        let calls: u64 = guest.hypercalls.values().sum();
        println!(
            "from the entry to the first {until}: {} instructions, {calls} hypercalls",
            guest.instructions
        );
        println!("  by number of the hypercall: {:?}", guest.hypercalls);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_counted_once_each_time() {
        let mut log = Log::new(Code { start: 0x1000, end: 0x2000, hypercalls: 0x5000 });
        let executed = [0x1001, 0x1000, 0x1000, 0x1001, 0x1003, 0x1003, 0x1003, 0x5020, 0x5025, 0x1005, 0x1001];
        for address in executed.into_iter().chain([0x1000, 0x1001]) {
            log.line(&format!("Trace 0: 0x7f6b80000100 [00000000/{address:08x}/0040c0b3/ff000000] "));
            log.line("vmrun! 000000007f793000");
        }
        assert_eq!(log.guests.iter().map(|guest| guest.instructions).collect::<Vec<_>>(), [7, 2]);
        assert_eq!(log.guests[0].hypercalls, BTreeMap::from([(1, 1)]));
    }
}
