//! This stack beside Linux: both are told the same, segment by segment, and have
//! to answer the same: flags, numbers, SACK blocks, whether the window is closed,
//! and what the program reads. Not compared are the size of the window, the options
//! of a SYN, and what is sent again (by timers, which differ).

mod departures;
mod dialogue;
mod kernel;
mod peer;
mod random;
mod stack;

use std::fmt;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use departures::DEPARTURES;
use dialogue::Dialogue;
use peer::Said;
use tests::lab::{self, Case};

/// The host.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Whoever talks to it.
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
/// Where it listens.
pub(crate) const LISTENED: u16 = 80;
/// After each step: more than an acknowledgement waits, less than it takes
/// until something is sent again.
pub(crate) const PAUSE: Duration = Duration::from_millis(60);

const CASES: &[Case] = &[("strays_in_every_state", strays), ("said_in_order", in_order)];

fn main() -> ExitCode {
    if let Some(code) = lab::child(CASES.iter()) {
        return code;
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = CASES.iter().map(|&(name, _)| {
        libtest_mimic::Trial::test(name, move || Ok(lab::in_child(name, Duration::from_secs(240))?))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Segments out of place in each state; what is answered otherwise than by the
/// kernel is answered so for a reason, and no reason has become idle.
fn strays() -> Result<()> {
    let mut dialogues = dialogue::table();
    if kernel::version()? < (6, 7) {
        // It took acknowledgements of what had never been sent.
        dialogues.retain(|dialogue| dialogue.stray.is_none_or(|stray| stray.ack >= 0));
    }
    let mut departed = [0; DEPARTURES.len()];
    let mut different = differences(&dialogues)?;
    different.retain(|difference| match departures::departure(difference.dialogue) {
        Some(which) => {
            departed[which] += 1;
            false
        }
        None => true,
    });
    for (which, departure) in DEPARTURES.iter().enumerate() {
        let may = dialogues.iter().filter(|dialogue| departures::departure(dialogue) == Some(which)).count();
        println!("{} of {may}: {}", departed[which], departure.why);
        ensure!(departed[which] > 0 || may == 0, "no departure any more: {}", departure.why);
    }
    none(&different)
}

/// Data in order, early and again, and what is written meanwhile.
fn in_order() -> Result<()> {
    let dialogues: Vec<_> = (0..1000).map(random::dialogue).collect();
    none(&differences(&dialogues)?)
}

/// A dialogue that went otherwise than with the kernel.
struct Difference<'d> {
    dialogue: &'d Dialogue,
    /// The step, what the kernel did then, and what this stack did.
    at: usize,
    kernel: Vec<Said>,
    own: Vec<Said>,
}

/// Plays dialogues with both.
fn differences(dialogues: &[Dialogue]) -> Result<Vec<Difference<'_>>> {
    let mut different = Vec::new();
    for (dialogue, mut kernel) in dialogues.iter().zip(kernel::play(dialogues)?) {
        let mut own = stack::play(dialogue)?;
        for said in own.iter_mut().chain(&mut kernel) {
            peer::without_pushes_within(said);
        }
        if let Some(at) = (0..own.len()).find(|&at| own[at] != kernel[at]) {
            let (kernel, own) = (kernel.swap_remove(at), own.swap_remove(at));
            different.push(Difference { dialogue, at, kernel, own });
        }
    }
    Ok(different)
}

/// Fails with the differences, if there are any.
fn none(different: &[Difference<'_>]) -> Result<()> {
    let told: String = different.iter().take(SHOWN).map(Difference::to_string).collect();
    ensure!(different.is_empty(), "{} differ, of which:\n{told}", different.len());
    Ok(())
}

/// Differences that are told one by one.
const SHOWN: usize = 50;

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dialogue, at, kernel, own } = self;
        writeln!(f, "{}: {:?}, at {at}: {:?}", dialogue.state, dialogue.steps, dialogue.steps[*at])?;
        writeln!(f, "    linux: {}\n    fata:  {}", list(kernel), list(own))
    }
}

fn list(said: &[Said]) -> String {
    if said.is_empty() {
        return "nothing".to_owned();
    }
    said.iter().map(Said::to_string).collect::<Vec<_>>().join(", ")
}
