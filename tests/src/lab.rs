//! A tap in a network namespace of its own: the stack at one end, the kernel
//! at the other.
//!
//! Each case runs in a child process, which enters the namespace before it
//! starts threads; whatever happens to the child, namespace and tap go with
//! it. A child that does not end in time is ended.

mod programs;
mod recording;

use std::env;
use std::fs;
use std::io::Read;
use std::net::Ipv4Addr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use fata::netif_unix_tap::{OpenError, Options, Tap, namespace, setup};
use fata::os::{self, Os, unix::Unix};
use fata::prelude::*;
use fata::traits::Offload;
use fata_cli::tower::{Addressing, Connections, Services, serve, serve_beside};
use rustix::process::{Signal, set_parent_process_death_signal};

pub use programs::{Daemon, Ended, Folder, Scratch, daemon, run, try_run, until};
pub use recording::{Recorder, Recording};

/// The interface's name in every namespace.
pub const TAP: &str = "tap0";
/// The kernel's end.
pub const KERNEL: Cidr = Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 24);
/// The stack's end.
pub const STACK: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Where the stack serves HTTP.
pub const WEB: u16 = 80;
/// Where the stack sends back what comes.
pub const ECHO: u16 = 7;

/// Names the case for the child process.
const CASE: &str = "FATA_TEST_CASE";

/// A case, and what it does once it is in its namespace.
pub type Case = (&'static str, fn() -> Result<()>);

/// Runs the case that this process was started for, if it was.
pub fn child<'a>(mut cases: impl Iterator<Item = &'a Case>) -> Option<ExitCode> {
    let name = env::var(CASE).ok()?;
    let mut run = || -> Result<()> {
        let (_, case) = cases.find(|(case, _)| *case == name).context("no such case")?;
        namespace::enter()?;
        // Whoever started it may be killed.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        setup::set_up("lo", true)?;
        case()
    };
    Some(match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    })
}

/// Runs a case in a child process.
///
/// # Errors
///
/// What the child wrote, if it failed or did not end within `limit`.
pub fn in_child(name: &str, limit: Duration) -> Result<()> {
    let mut child = Command::new(env::current_exe()?)
        .env(CASE, name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let output = [collect(child.stdout.take()), collect(child.stderr.take())];
    let ended = wait(&mut child, limit);
    let output = output.map(|thread| thread.join().unwrap_or_default()).concat();
    match ended? {
        true => Ok(()),
        false => bail!("{output}"),
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Whether the child succeeded; ends it when its time is over.
fn wait(child: &mut Child, limit: Duration) -> Result<bool> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("did not end within {} s", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a tower here stands on.
pub type Device<'a> = Tap<&'a Os<Unix>>;

/// How the stack is started.
#[derive(Clone)]
pub struct Setting {
    /// What the tap does for the stack.
    pub offload: Offload,
    /// Where its addresses come from.
    pub addressing: Addressing,
    /// The tap's MTU in bytes.
    pub mtu: usize,
}

impl Default for Setting {
    fn default() -> Self {
        let address = Cidr::new(STACK, 24);
        Self {
            offload: Offload::all(),
            addressing: Addressing::Static { address, gateways: vec![KERNEL.address()] },
            mtu: 1500,
        }
    }
}

/// Starts the servers on a new tap, in a thread that ends with the process.
///
/// # Errors
///
/// When there can be no tap.
pub fn start(setting: Setting) -> Result<()> {
    start_with(setting, async |os, net, setting| {
        let services = Services { web: Some(WEB), echo: Some(ECHO) };
        match serve(os, net, &setting.addressing, services).await {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        }
    })
}

/// Starts the servers on a new tap with a client beside them, in a thread that
/// ends with the process. What becomes of the client can be waited for.
///
/// # Errors
///
/// When there can be no tap.
pub fn start_beside<F>(setting: Setting, client: F) -> Result<Receiver<Result<()>>>
where
    F: AsyncFnOnce(&Os<Unix>, &Connections<'_, Device<'_>>) -> Result<()> + Send + 'static,
{
    let (ended, end) = mpsc::channel();
    start_with(setting, async move |os, net, setting| {
        let services = Services { web: Some(WEB), echo: Some(ECHO) };
        let client = async |tcp: &Connections<'_, Device<'_>>| {
            // Nobody waits any more where the case has failed.
            let _ = ended.send(client(os, tcp).await);
        };
        match serve_beside(os, net, &setting.addressing, services, client).await {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        }
    })?;
    Ok(end)
}

/// Starts any tower on a new tap, in a thread that ends with the process.
///
/// # Errors
///
/// When there can be no tap.
pub fn start_with<F>(setting: Setting, tower: F) -> Result<()>
where
    F: AsyncFnOnce(&Os<Unix>, &Device<'_>, &Setting) -> Result<Never> + Send + 'static,
{
    let (ready, started) = mpsc::channel();
    // An unoptimised tower moves about on the stack while it is built.
    thread::Builder::new().stack_size(16 << 20).spawn(move || {
        let ended = os::unix::run(async |os| {
            let net = match open(os, &setting) {
                Ok(net) => net,
                Err(error) => return ready.send(Err(error)).map_err(|_| anyhow!("nobody waits")),
            };
            ready.send(Ok(()))?;
            match tower(os, &net, &setting).await {
                Ok(never) => match never {},
                Err(error) => Err(error),
            }
        });
        eprintln!("the stack ended: {ended:?}");
    })?;
    started.recv().context("the stack's thread is gone")?
}

fn open<'a>(os: &'a Os<Unix>, setting: &Setting) -> Result<Device<'a>> {
    if setting.mtu != 1500 {
        // A tap learns its MTU when it is opened, so it has to be there before.
        run("ip", &["tuntap", "add", TAP, "mode", "tap"])?;
        setup::set_mtu(TAP, setting.mtu)?;
    }
    let net = Options::new().offload(setting.offload).open(os, TAP).map_err(explain)?;
    // Where the MTU is too small for IPv6, there is no such file.
    let ipv6 = format!("/proc/sys/net/ipv6/conf/{TAP}/disable_ipv6");
    if fs::exists(&ipv6)? {
        fs::write(ipv6, "1")?;
    }
    setup::bring_up(TAP, KERNEL)?;
    Ok(net)
}

fn explain(error: OpenError) -> anyhow::Error {
    anyhow!(error).context("open a tap in the namespace")
}
