//! One transfer over one path, in a process of its own.

use std::env;
use std::fmt;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use fata::netif_unix_tap::{Tap, namespace};
use fata::os::{self, Os, unix::Unix};
use fata::prelude::*;
use serde::{Deserialize, Serialize};
use tests::lab;

use crate::kernel;
use crate::path::{Passed, Path, carry};
use crate::simulated;
use crate::stack::{self, Role};
use crate::stream::{Amount, Received};

const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2)];
const AT: SocketAddrV4 = SocketAddrV4::new(ADDRESSES[1], 5001);
const TAPS: [&str; 2] = ["left", "right"];
/// Says to the child process what to do.
const TRANSFER: &str = "FATA_TRANSFER";
/// A file for what the kernel's end sees, if that is wanted.
const CAPTURE: &str = "FATA_PATHS_CAPTURE";

/// Who stands at an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Stack {
    Fata,
    Linux,
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fata => "Fata",
            Self::Linux => "Linux",
        })
    }
}

impl FromStr for Stack {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "Fata" => Ok(Self::Fata),
            "Linux" => Ok(Self::Linux),
            other => bail!("no stack is called {other:?}"),
        }
    }
}

/// Who sends to whom, over which path, how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub(crate) ends: [Stack; 2],
    pub(crate) path: Path,
    pub(crate) amount: Amount,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    /// Towards the receiver, and back.
    pub(crate) passed: [Passed; 2],
}

impl Outcome {
    /// Megabits of payload per second.
    pub(crate) fn goodput(&self) -> f64 {
        self.bytes as f64 * 8e-6 / self.seconds
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = self.ends;
        let Amount { bytes, lasting } = self.amount;
        write!(f, "{from} {to} {bytes} {} {}", lasting.as_millis(), self.path)
    }
}

impl FromStr for Transfer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.splitn(5, ' ');
        let mut next = || words.next().context("too few words");
        let ends = [next()?.parse()?, next()?.parse()?];
        let (bytes, lasting) = (next()?.parse()?, Duration::from_millis(next()?.parse()?));
        Ok(Self { ends, amount: Amount { bytes, lasting }, path: next()?.parse()? })
    }
}

impl Transfer {
    /// Makes the transfer in virtual time, where this stack is at both ends;
    /// the outcome depends on nothing but its arguments.
    pub(crate) fn simulate(&self) -> Result<Outcome> {
        let (path, amount) = (self.path, self.amount);
        // An unoptimised tower moves about on the stack while it is built.
        let thread = thread::Builder::new().stack_size(32 << 20);
        let thread = thread.spawn(move || simulated::transfer(&path, ADDRESSES, AT, amount))?;
        thread.join().map_err(|_| anyhow!("the simulation panicked"))?
    }

    /// Makes the transfer in a child process, which takes its namespaces with
    /// it when it ends; it is ended when it lasts too long.
    pub(crate) fn make(&self) -> Result<Outcome> {
        let mut child = Command::new(env::current_exe()?)
            .env(TRANSFER, self.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let limit = self.amount.lasting + Duration::from_secs(20);
        let start = Instant::now();
        while child.try_wait()?.is_none() {
            if start.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                bail!("{self}: did not end within {limit:?}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{self}: {text}");
        serde_json::from_str(&text).with_context(|| format!("{self}: {text:?}"))
    }

    /// The transfer that this process was started for, if it was.
    pub(crate) fn of_child() -> Option<Result<Self>> {
        Some(env::var(TRANSFER).ok()?.parse())
    }

    /// Makes the transfer here. To be called before the program has threads;
    /// the program has to end afterwards.
    pub(crate) fn make_here(self) -> Result<Outcome> {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // Where the system lets its users make namespaces, this one makes all
        // others possible.
        namespace::enter()?;
        let passed = Arc::new(Mutex::new([Passed::default(); 2]));
        let (done, outcome) = mpsc::channel();
        let (both, told) = (done.clone(), passed.clone());
        // An unoptimised tower moves about on the stack while it is built.
        let big = || thread::Builder::new().stack_size(16 << 20);
        big().spawn(move || {
            let ended = os::unix::run(async |os| self.stand(os, &done, &told).await);
            let error = match ended {
                Ok(Ok(never)) => match never {},
                Ok(Err(error)) => error,
                Err(error) => error.into(),
            };
            let _ = both.send(Err(error));
        })?;
        let received: Received = outcome.recv()??;
        let deadline = Instant::now() + Duration::from_millis(100);
        while Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let passed = *passed.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Outcome { bytes: received.bytes, seconds: received.took.as_secs_f64(), passed })
    }

    /// Builds both ends and carries frames between them.
    async fn stand(
        self,
        os: &Os<Unix>,
        done: &Sender<Result<Received>>,
        told: &Arc<Mutex<[Passed; 2]>>,
    ) -> Result<Never> {
        urgent(20);
        // The receiver first: it has to listen when the sender connects.
        let right = self.end(os, 1, done)?;
        let left = self.end(os, 0, done)?;
        carry(os, &self.path, [&left, &right], |passed| {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = passed;
        })
        .await
    }

    /// Starts one end: 0 sends, 1 receives. Returns the path's side of its
    /// cable.
    fn end<'a>(
        &self,
        os: &'a Os<Unix>,
        index: usize,
        done: &Sender<Result<Received>>,
    ) -> Result<Tap<&'a Os<Unix>>> {
        let (amount, address) = (self.amount, ADDRESSES[index]);
        match self.ends[index] {
            Stack::Linux => {
                let net = kernel::tap(os, TAPS[index], address)?;
                capture(TAPS[index])?;
                if index == 1 {
                    let listener = kernel::listen(AT)?;
                    start(done, move || kernel::receive(&listener, amount).map(Some))?;
                } else {
                    start(done, move || kernel::send(AT, amount).map(|()| None))?;
                }
                Ok(net)
            }
            Stack::Fata => {
                let [ours, its]: [OwnedFd; 2] = stack::cable()?;
                // An end that has done its part does not pull the cable out.
                std::mem::forget(its.try_clone()?);
                let role = if index == 1 { Role::Receive(AT.port()) } else { Role::Send(AT) };
                start(done, move || stack::run(its, address, role, amount))?;
                stack::device(os, ours, 0)
            }
        }
    }
}

/// Runs an end in a thread of its own; what it has received is the outcome,
/// and so is any failure.
fn start(
    done: &Sender<Result<Received>>,
    end: impl FnOnce() -> Result<Option<Received>> + Send + 'static,
) -> Result<()> {
    let done = done.clone();
    thread::Builder::new().stack_size(16 << 20).spawn(move || {
        urgent(10);
        if let Some(outcome) = end().transpose() {
            drop(done.send(outcome));
        }
    })?;
    Ok(())
}

/// Puts the thread before all others of the machine, where that is allowed:
/// whatever else it does is not to delay a path.
fn urgent(priority: u8) {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    let _ = lab::try_run("chrt", &["--fifo", "--pid", &priority.to_string(), &thread]);
}

fn capture(tap: &str) -> Result<()> {
    let Ok(file) = env::var(CAPTURE) else { return Ok(()) };
    let file = format!("{file}.{tap}.pcap");
    let arguments = ["-i", tap, "-n", "-q", "-B", "65536", "-s", "100", "-U", "-Z", "root", "-w", &file];
    let child = lab::Daemon::start("tcpdump", &arguments).map_err(|error| anyhow!("capture: {error}"))?;
    std::mem::forget(child);
    thread::sleep(Duration::from_secs(1));
    Ok(())
}
