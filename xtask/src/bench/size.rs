//! The size of a whole program.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

/// Builds the program of that side, and returns the bytes of its file.
pub(super) fn of(side: &str) -> Result<f64> {
    let shell = Shell::new()?;
    let folder = format!("benches/size/{side}");
    let target = Path::new(&folder).join("target");
    {
        let _here = shell.push_dir(&folder);
        // Its own place, whatever the workspace builds into.
        let _target = shell.push_env("CARGO_TARGET_DIR", "target");
        cmd!(shell, "cargo build --release --locked").quiet().ignore_stderr().run()?;
    }
    let file = target.join("x86_64-unknown-linux-gnu/release").join(format!("size-{side}"));
    Ok(fs::metadata(&file).with_context(|| file.display().to_string())?.len() as f64)
}
