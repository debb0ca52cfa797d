//! Instructions that guests have executed, from what QEMU has logged of them.
//!
//! QEMU translates a guest in blocks. Asked to, it logs the instructions of each
//! block once, and the address of each block whenever it is executed; here, of
//! those blocks alone that are at the guest's addresses, where neither Xen nor
//! dom0 has code.

use std::collections::{BTreeMap, HashMap};
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

/// A block, as it was translated last.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    instructions: u64,
    last: u64,
    /// It begins with an instruction that repeats itself, which QEMU executes
    /// as a block for each time.
    repeats: bool,
}

/// What one guest did.
#[derive(Debug, Default)]
struct Guest {
    instructions: u64,
    hypercalls: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Log {
    code: Code,
    blocks: HashMap<u64, Block>,
    /// The block whose instructions are being listed.
    listed: Option<u64>,
    /// The last instruction executed.
    last: u64,
    guests: Vec<Guest>,
}

impl Log {
    fn new(code: Code) -> Self {
        Self { code, blocks: HashMap::new(), listed: None, last: 0, guests: Vec::new() }
    }

    fn line(&mut self, line: &str) {
        if let Some((_, rest)) = line.split_once("Trace ") {
            self.listed = None;
            if let Some(address) = between(rest, '/') {
                self.executed(address);
            }
        } else if line.starts_with("IN:") {
            self.listed = Some(0);
        } else if let Some(rest) = line.strip_prefix("Stopped execution of TB chain before") {
            self.taken_back(rest);
        } else if let Some(rest) = line.strip_prefix("0x") {
            self.instruction(rest);
        }
    }

    /// `00001000:  fc   cld`
    fn instruction(&mut self, line: &str) {
        let (Some(block), Some((address, text))) = (self.listed, line.split_once(':')) else { return };
        let Ok(address) = u64::from_str_radix(address, 16) else { return };
        let first = block == 0;
        let block = if first { address } else { block };
        self.listed = Some(block);
        let entry = self.blocks.entry(block).or_default();
        if first {
            *entry = Block { repeats: text.contains(" rep"), ..Block::default() };
        }
        entry.instructions += 1;
        entry.last = address;
    }

    fn executed(&mut self, address: u64) {
        if address == self.code.start {
            self.guests.push(Guest::default());
        }
        let Some(guest) = self.guests.last_mut() else { return };
        let block = self.blocks.get(&address).copied().unwrap_or_default();
        let again = u64::from(block.repeats && self.last == address);
        guest.instructions += block.instructions - again.min(block.instructions);
        self.last = block.last;
        if let Some(number) = self.code.stub(address) {
            *guest.hypercalls.entry(number).or_default() += 1;
        }
    }

    /// A block that was logged and then not begun: `0x7f… [00001000] name`.
    fn taken_back(&mut self, rest: &str) {
        let address = rest.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        let Some(address) = address.and_then(|(text, _)| u64::from_str_radix(text, 16).ok()) else { return };
        let instructions = self.blocks.get(&address).map_or(0, |block| block.instructions);
        let stub = self.code.stub(address);
        let Some(guest) = self.guests.last_mut() else { return };
        guest.instructions = guest.instructions.saturating_sub(instructions);
        if let Some(calls) = stub.and_then(|number| guest.hypercalls.get_mut(&number)) {
            *calls -= 1;
        }
    }
}

/// The hexadecimal number after the first `mark`.
fn between(text: &str, mark: char) -> Option<u64> {
    u64::from_str_radix(text.split(mark).nth(1)?, 16).ok()
}

/// Says what the guests in the log did.
pub(crate) fn report(code: Code, log: &Path) -> Result<()> {
    let file = std::fs::File::open(log).with_context(|| log.display().to_string())?;
    let mut parsed = Log::new(code);
    for line in std::io::BufReader::new(file).split(b'\n') {
        parsed.line(&String::from_utf8_lossy(&line?));
    }
    ensure!(!parsed.guests.is_empty(), "{}: no guest began", log.display());
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
    fn blocks_are_counted_when_executed() {
        let mut log = Log::new(Code { start: 0x1000, end: 0x2000, hypercalls: 0x5000 });
        let lines = "\
            ----------------\n\
            IN: \n\
            0x00001000:  fc                       cld      \n\
            0x00001001:  89 dd                    movl     %ebx, %ebp\n\
            0x00001003:  f3 a4                    rep movsb (%rsi), (%rdi)\n\
            \n\
            Trace 0: 0x7f6b80000100 [00000000/00001000/0040c0b3/ff000000] \n\
            ----------------\n\
            IN: \n\
            0x00001003:  f3 a4                    rep movsb (%rsi), (%rdi)\n\
            \n\
            Trace 0: 0x7f6b80000200 [00000000/00001003/0040c0b3/ff000000] \n\
            Trace 0: 0x7f6b80000200 [00000000/00001003/0040c0b3/ff000000] \n\
            ----------------\n\
            IN: \n\
            0x00005020:  b8 01 00 00 00           movl     $1, %eax\n\
            0x00005025:  0f 01 d9                 vmmcall  \n\
            Trace 0: 0x7f6b80000300 [00000000/00005020/0040c0b3/ff000000] \n\
            Stopped execution of TB chain before 0x7f6b80000300 [00005020] \n\
            Trace 0: 0x7f6b80000300 [00000000/00005020/0040c0b3/ff000000] \n";
        lines.lines().for_each(|line| log.line(line));
        assert_eq!(log.guests.len(), 1);
        assert_eq!(log.guests[0].instructions, 5);
        assert_eq!(log.guests[0].hypercalls, BTreeMap::from([(1, 1)]));
    }
}
