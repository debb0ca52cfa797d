//! Servers that the tests run and nothing else should.
//!
//! A package with a server in it starts that server when it is installed, and
//! again whenever the machine starts. So these are unpacked beside the build
//! instead, and only what they need is installed.

use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// Where they are unpacked, from the workspace's root.
const FOLDER: &str = "target/servers";

/// Where their programs are, then.
pub(crate) fn programs() -> &'static Path {
    Path::new("target/servers/usr/sbin")
}

/// Unpacks a Debian package, and installs what it depends on with `apt`,
/// which takes the words after `apt-get`.
pub(crate) fn unpack(shell: &Shell, package: &str, apt: impl Fn(&[&str]) -> xshell::Result<()>) -> Result<()> {
    let folder = shell.create_dir(FOLDER)?;
    let root = shell.current_dir();
    let file = {
        let _here = shell.push_dir(&folder);
        cmd!(shell, "apt-get download -q {package}").run()?;
        let files = shell.read_dir(".")?;
        let ours = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with(&format!("{package}_")) && name.ends_with(".deb")
        };
        root.join(files.into_iter().find(|path| ours(path)).context("no package where it was put")?)
    };
    let needs = cmd!(shell, "dpkg-deb --field {file} Depends").read()?;
    cmd!(shell, "dpkg-deb --extract {file} {folder}").run()?;
    shell.remove_path(&file)?;
    Ok(apt(&["satisfy", "-y", "--no-install-recommends", &needs])?)
}
