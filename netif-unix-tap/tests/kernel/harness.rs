//! Runs each test in a child process of its own.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Output};

use netif_unix_tap::{Tap, namespace};

/// Names the test that a child is to run.
const CHILD: &str = "FATA_TAP_TEST";
/// The exit status of a child that found no namespace.
const SKIPPED: i32 = 77;
/// The user `nobody`.
const NOBODY: u32 = 65_534;

/// One test.
pub struct Test {
    name: &'static str,
    body: fn(),
    /// As an unprivileged user, and without a namespace made beforehand.
    user: bool,
}

impl Test {
    pub const fn root(name: &'static str, body: fn()) -> Self {
        Self { name, body, user: false }
    }

    pub const fn user(name: &'static str, body: fn()) -> Self {
        Self { name, body, user: true }
    }
}

pub fn main(tests: &[Test]) -> ExitCode {
    if let Ok(name) = env::var(CHILD) {
        return child(tests, &name);
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|test| println!("{}: test", test.name));
        return ExitCode::SUCCESS;
    }
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |test: &&Test| {
        let matches = |filter: &&String| if exact { test.name == *filter } else { test.name.contains(*filter) };
        filters.is_empty() || filters.iter().any(matches)
    };
    let (mut failed, mut skipped) = (0, 0);
    for test in tests.iter().filter(chosen) {
        let output = run(test);
        let text = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => println!("test {} ... ok", test.name),
            Some(SKIPPED) => {
                skipped += 1;
                println!("test {} ... SKIPPED: {}", test.name, text.trim());
            }
            _ => {
                failed += 1;
                println!("test {} ... FAILED\n{text}", test.name);
            }
        }
    }
    println!("\ntap against the kernel: {failed} failed, {skipped} skipped\n");
    if skipped > 0 && env::var_os("CI").is_some() {
        println!("tests were skipped, which `CI` in the environment does not allow");
        return ExitCode::FAILURE;
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(test: &Test) -> Output {
    let program = env::current_exe().expect("the test program's own path");
    let mut command = Command::new(program);
    command.env(CHILD, test.name);
    if test.user && rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap_or_else(|error| {
        // `nobody` may not be allowed where the program was built.
        Command::new("sh")
            .args(["-c", "echo \"$0\" >&2; exit 77", &format!("can't start as another user: {error}")])
            .output()
            .expect("a shell")
    })
}

fn child(tests: &[Test], name: &str) -> ExitCode {
    let Some(test) = tests.iter().find(|test| test.name == name) else { return ExitCode::FAILURE };
    if !test.user
        && let Err(reason) = prepare()
    {
        skip(&reason);
    }
    (test.body)();
    ExitCode::SUCCESS
}

/// Ends this child as skipped.
pub fn skip(reason: &str) -> ! {
    eprintln!("{reason}");
    std::process::exit(SKIPPED)
}

/// A namespace of one's own in which taps can be made.
fn prepare() -> Result<(), String> {
    namespace::enter().map_err(|error| error.to_string())?;
    let os = os::Os::new_unix().map_err(|error| error.to_string())?;
    Tap::open(&os, "probe%d").map(drop).map_err(|error| error.to_string())
}
