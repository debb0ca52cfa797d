//! `fata demo`: the whole stack at work, on a machine that is not prepared.

mod kernel;
mod memory;
mod tap;

use std::fs::OpenOptions;
use std::process::ExitCode;
use std::time::Duration;

use fata::netif_unix_tap::namespace;
use fata::os::unix::Console as Stdout;
use fata::prelude::*;

use crate::arguments::DemoArguments;

/// The stack's own address, as in the slides.
const STACK: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The other side.
const PEER: Cidr = Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 24);

/// What came of one step, and how long it took.
struct Outcome {
    title: String,
    result: String,
    took: Duration,
}

/// Shows the stack against the kernel, or in memory where that can't be.
///
/// To be called before the program starts threads.
pub fn run(arguments: &DemoArguments) -> ExitCode {
    let console = Stdout::stdout();
    let shown = if arguments.memory {
        console.log("A link in memory, as asked; the peer is a second stack.\n");
        memory::show(&console, arguments)
    } else {
        // A namespace is of no use without taps to put into it.
        let driver = OpenOptions::new().read(true).write(true).open("/dev/net/tun");
        let entered = driver.map_err(anyhow::Error::from).and_then(|_| Ok(namespace::enter()?));
        match entered {
            Ok(()) => tap::show(&console, arguments),
            Err(error) => {
                console.log(yellow(format_args!("No tap of its own: {error}.")));
                console.log("A link in memory then; the peer is a second stack.\n");
                memory::show(&console, arguments)
            }
        }
    };
    match shown {
        Ok(()) => {
            console.log(green("It works: every answer came, and was right."));
            ExitCode::SUCCESS
        }
        Err(error) => {
            console.log(red(format_args!("It failed: {error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn report(console: &impl Console, outcome: &Outcome) {
    let Outcome { title, result, took } = outcome;
    let took = took.as_secs_f64() * 1e3;
    console.log(green(format_args!("  {title}\n    {result} ({took:.2} ms)")));
}
