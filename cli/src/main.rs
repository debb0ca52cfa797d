//! The program `fata`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use fata_cli::arguments::{Arguments, Command, DemoArguments};
use fata_cli::tower::Services;
use fata_cli::{commands, demo, doctor, replay};

fn main() -> ExitCode {
    if let Some(code) = doctor::probe() {
        return code;
    }
    match Arguments::parse().command.unwrap_or(Command::Demo(DemoArguments::default())) {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Doctor => doctor::run(),
        command => match run(command) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("fata: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(_) | Command::Doctor => Ok(()),
        Command::Replay(arguments) => return replay::run(&arguments),
        Command::Web { tower, port } => {
            commands::servers(&tower, Services { web: Some(port), ..Services::default() })
        }
        Command::Echo { tower, port } => {
            commands::servers(&tower, Services { echo: Some(port), ..Services::default() })
        }
        Command::Ping { tower, host, count, size } => commands::ping(&tower, host, count, size),
        Command::Dhcp { device, once } => commands::dhcp(&device, once),
    }
    .map(|()| ExitCode::SUCCESS)
}
