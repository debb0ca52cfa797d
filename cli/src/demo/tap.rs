//! The stack on a tap, the kernel at the other end.

use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Context, Result, anyhow};
use fata::netif_unix_tap::{Tap, setup};
use fata::os;
use fata::prelude::*;

use super::{PEER, STACK, kernel, report};
use crate::arguments::DemoArguments;
use crate::capture;
use crate::meter::{Meter, Tally};

const TAP: &str = "tap0";

/// Starts the stack in a thread of its own and talks to it from the kernel's
/// side. The caller has entered a network namespace.
pub(super) fn show(console: &impl Console, arguments: &DemoArguments) -> Result<()> {
    let tally = Tally::default();
    let (ready, started) = mpsc::channel();
    let stack = {
        let (tally, pcap) = (tally.clone(), arguments.pcap.clone());
        move || {
            let ended = os::unix::run(async |os| run_stack(os, tally, pcap.as_deref(), &ready).await);
            let error = match ended {
                Ok(Err(error)) => error,
                Ok(Ok(never)) => match never {},
                Err(error) => error.into(),
            };
            // Nobody listens any more once the stack is up.
            let _ = ready.send(Err(error));
        }
    };
    // An unoptimised tower moves about on the stack while it is built.
    thread::Builder::new().name("stack".to_owned()).stack_size(16 << 20).spawn(stack)?;
    started.recv().context("the stack's thread is gone")??;
    console.log(format_args!("{TAP} in a namespace of its own: the kernel is {PEER}, the stack {STACK}.\n"));

    let steps: [&dyn Fn() -> Result<super::Outcome>; 6] = [
        &|| kernel::ping(STACK, 56, 5),
        &|| kernel::ping(STACK, 8_000, 1),
        &|| kernel::ping(STACK, 65_507, 1),
        &|| kernel::page(STACK, 80),
        &|| kernel::datagram(STACK, 53),
        &|| kernel::closed_port(STACK, 81),
    ];
    for step in steps {
        report(console, &step()?);
    }
    let (received, sent) = tally.frames();
    console.log(format_args!("\n{received} frames received and {sent} sent by the stack:\n\n{tally}"));
    if let Ok(Err(error)) = started.try_recv() {
        return Err(anyhow!(error).context("the stack stopped"));
    }
    Ok(())
}

async fn run_stack(
    os: &os::Os<os::unix::Unix>,
    tally: Tally,
    pcap: Option<&std::path::Path>,
    ready: &Sender<Result<()>>,
) -> Result<Never> {
    let tap = Tap::open(os, TAP)?;
    setup::bring_up(TAP, PEER).context("bring the kernel's side up")?;
    let net = Meter::new(tap, tally);
    let console = os.console();
    ready.send(Ok(())).context("the demonstration is over")?;
    match pcap {
        Some(file) => {
            let net = capture::write(net, file)?;
            Ok(examples::custom_stack::start(&console, &net, os, os.random()).await?)
        }
        None => Ok(examples::custom_stack::start(&console, &net, os, os.random()).await?),
    }
}
