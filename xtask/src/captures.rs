//! The captures that the tests replay, and the snapshots of what comes of
//! them.

use anyhow::Result;
use xshell::{Shell, cmd};

/// Makes the captures in `tests/captures` anew: all, or those with `name` in
/// theirs. Then the snapshots, which are to be reviewed.
pub(crate) fn make(shell: &Shell, name: Option<&str>) -> Result<()> {
    cmd!(shell, "cargo run -p tests --bin captures --locked -- {name...}").run()?;
    snapshots(shell)
}

/// Lets what replays and simulations come to now be what they have to come to:
/// `git diff` shows how that differs.
pub(crate) fn snapshots(shell: &Shell) -> Result<()> {
    let _update = shell.push_env("INSTA_UPDATE", "always");
    cmd!(shell, "cargo test -p tests --test replay --locked").run()?;
    Ok(cmd!(shell, "cargo test -p tests --test simulation --locked -- throughput").run()?)
}
