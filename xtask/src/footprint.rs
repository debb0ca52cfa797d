//! The tower without std: that it links, and what its receive path costs.

use anyhow::{Context as _, Result, ensure};
use xshell::{Shell, cmd};

/// The program without std, without libc and without a heap.
const PROGRAM: &str = "tests/nostd/target/x86_64-unknown-linux-gnu/release/nostd";

/// Builds the program, and runs it: it ends with status 0 when its two towers
/// have exchanged what they should.
fn build(shell: &Shell) -> Result<()> {
    let _here = shell.push_dir("tests/nostd");
    cmd!(shell, "cargo build --release --locked").run()?;
    Ok(())
}

/// Fails if the tower needs std, libc or a heap.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    build(shell)?;
    let undefined = cmd!(shell, "nm --undefined-only {PROGRAM}").read()?;
    ensure!(undefined.trim().is_empty(), "the program needs more than itself: {undefined}");
    cmd!(shell, "{PROGRAM}").run().context("the towers without std")?;
    Ok(())
}

/// Prints the size of the program and the instructions of `receive`, its one
/// function from a frame to TCP's state.
pub(crate) fn print(shell: &Shell) -> Result<()> {
    check(shell)?;
    let listing = cmd!(shell, "objdump --disassemble=receive --no-show-raw-insn {PROGRAM}").quiet().read()?;
    let instructions: Vec<_> = listing.lines().filter(|line| line.contains(":\t")).collect();
    let calls = instructions.iter().filter(|line| line.contains("call")).count();
    let size = shell.read_binary_file(PROGRAM)?.len();
    println!("program: {size} bytes");
    println!("receive: {} instructions, {calls} calls", instructions.len());
    instructions.iter().filter(|line| line.contains("call")).for_each(|line| println!("  {line}"));
    Ok(())
}
