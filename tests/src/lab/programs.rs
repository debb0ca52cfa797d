//! Other programs beside a case, and files for them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::wait;

/// Runs a program and returns what it wrote to its standard output.
///
/// # Errors
///
/// When it can't be run or fails, with all that it wrote.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let Ended { code, output, errors } = try_run(program, arguments)?;
    ensure!(code == Some(0), "{program} {arguments:?} ended with {code:?}:\n{output}{errors}");
    Ok(output)
}

/// Waits for at most `limit` until it `is` so.
///
/// # Errors
///
/// Those of `is`, and `otherwise` where that takes longer.
pub fn until(otherwise: &'static str, limit: Duration, is: impl Fn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is()? {
        ensure!(start.elapsed() < limit, "{otherwise} within {} s", limit.as_secs());
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status, unless a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub output: String,
    /// What it wrote to its standard error.
    pub errors: String,
}

/// Runs a program that may fail.
///
/// # Errors
///
/// When it can't be run.
pub fn try_run(program: &str, arguments: &[&str]) -> Result<Ended> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {program}"))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended { code: output.status.code(), output: text(output.stdout), errors: text(output.stderr) })
}

/// A program that runs beside the case, and ends with it.
pub struct Daemon(Child);

impl Daemon {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When it can't be run.
    pub fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        Self::start_with(program, arguments, &[])
    }

    /// Starts it with additions to its environment.
    ///
    /// # Errors
    ///
    /// When it can't be run.
    pub fn start_with(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        // A case that is killed does not get to end it.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", program])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("start {program}"))?;
        Ok(Self(child))
    }

    /// Waits until it ends by itself, well.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn wait(mut self, limit: Duration) -> Result<()> {
        ensure!(wait(&mut self.0, limit)?, "a program beside the case failed");
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn stop(mut self) -> Result<()> {
        run("kill", &["-TERM", &self.0.id().to_string()])?;
        wait(&mut self.0, Duration::from_secs(60)).context("does not end when asked")?;
        Ok(())
    }

    /// Ends it as a failure of power would.
    pub fn kill(self) {}
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a server's program is: on the path, where a system keeps its daemons,
/// or where `cargo xtask install` unpacks those that should not run by
/// themselves.
///
/// # Errors
///
/// When it is nowhere.
pub fn daemon(name: &str) -> Result<PathBuf> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/servers/usr/sbin");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into(), unpacked]);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()));
    found.with_context(|| format!("{name} is not installed: `cargo xtask install`"))
}

/// A file that goes when the case ends.
pub struct Scratch(PathBuf);

impl Scratch {
    /// In the system's folder for such files.
    pub fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("fata-{}-{name}", std::process::id())))
    }

    /// Its path, for a command line.
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A folder that goes when the case ends, with all that is in it.
pub struct Folder(PathBuf);

impl Folder {
    /// In the system's folder for such files.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn new(name: &str) -> Result<Self> {
        let path = env::temp_dir().join(format!("fata-{}-{name}", std::process::id()));
        // Of a process of that number that was ended.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// The path of a file in it, for a command line.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
