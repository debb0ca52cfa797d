//! What can be said on the command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fata::traits::Cidr;

/// A network stack built of layers, each over the one below.
///
/// Without a command it shows itself: in a network namespace of its own it
/// makes a tap device, starts the stack on one side, and from the kernel's
/// side pings it, gets a page over TCP and sends it UDP.
#[derive(Parser)]
#[command(name = "fata", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do; `demo` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program does.
#[derive(Subcommand)]
pub enum Command {
    /// Show the whole stack at work, with no preparation and no privileges.
    Demo(DemoArguments),
    /// Serve HTTP: a page on /, N bytes on /bytes/N, anything by PUT.
    Web {
        /// The device and the addresses.
        #[command(flatten)]
        tower: TowerArguments,
        /// The port to listen on.
        #[arg(long, default_value_t = 80)]
        port: u16,
    },
    /// Send back what comes, over TCP and UDP.
    Echo {
        /// The device and the addresses.
        #[command(flatten)]
        tower: TowerArguments,
        /// The port to listen on.
        #[arg(long, default_value_t = 7)]
        port: u16,
    },
    /// Ping a host.
    Ping {
        /// The device and the addresses.
        #[command(flatten)]
        tower: TowerArguments,
        /// Whom to ping.
        host: Ipv4Addr,
        /// How many requests to send.
        #[arg(short, long, default_value_t = 4)]
        count: u32,
        /// Bytes of payload in each, 0 to 65507.
        #[arg(short, long, default_value_t = 56, value_parser = clap::value_parser!(u16).range(..=65_507))]
        size: u16,
    },
    /// Get a lease by DHCP and keep it, showing what happens.
    Dhcp {
        /// The device.
        #[command(flatten)]
        device: DeviceArguments,
        /// Give the lease back and end once there is one.
        #[arg(long)]
        once: bool,
    },
    /// Replay a capture to the stack: say which packets it would answer, and
    /// what it comes to.
    Replay(ReplayArguments),
    /// Say what this machine has of what the program can use, and how to get
    /// the rest.
    Doctor,
}

/// How to show the stack.
#[derive(Args, Default)]
pub struct DemoArguments {
    /// Use a link in memory even where a tap could be made.
    #[arg(long)]
    pub memory: bool,
    /// Write what passes to a capture file (pcapng).
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
}

/// Which device, and how.
#[derive(Args)]
pub struct DeviceArguments {
    /// The tap device, made if it is not there.
    #[arg(long, value_name = "TAP")]
    pub net: String,
    /// Write what passes to a capture file (pcapng).
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Leave checksums and segmentation to the kernel.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub offload: Switch,
}

/// On or off.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Use it.
    On,
    /// Do without.
    Off,
}

/// A device, and the addresses over it.
#[derive(Args)]
pub struct TowerArguments {
    /// The device.
    #[command(flatten)]
    pub device: DeviceArguments,
    /// The stack's own address with its prefix.
    #[arg(long, value_name = "ADDRESS/PREFIX", default_value = "10.0.0.2/24", conflicts_with = "dhcp")]
    pub ipv4: Cidr,
    /// The gateway; can be said more than once.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "dhcp")]
    pub gateway: Vec<Ipv4Addr>,
    /// Get addresses by DHCP instead.
    #[arg(long)]
    pub dhcp: bool,
}

/// Which capture, which of its hosts, and how.
#[derive(Args)]
pub struct ReplayArguments {
    /// The capture: pcapng or pcap.
    pub file: PathBuf,
    /// The address of the host to play; the one that captured unless said.
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    pub ip: Option<Cidr>,
    /// Its gateway; can be said more than once.
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Vec<Ipv4Addr>,
    /// A TCP port that it listens on, beside those that it did in the capture.
    #[arg(long, value_name = "PORT")]
    pub tcp: Vec<u16>,
    /// A UDP port that it listens on; unless said, all that the capture does
    /// not show to be closed.
    #[arg(long, value_name = "PORT")]
    pub udp: Vec<u16>,
    /// Compare what is sent with the capture, print how it differs, and end
    /// with status 1 if it does.
    #[arg(long)]
    pub expect: bool,
    /// Compare times too: they may be off by so many milliseconds. A timer
    /// that is due up to 5 ms before the host sent something fires then, so
    /// that less than that is not told.
    #[arg(long, value_name = "MS")]
    pub tolerance: Option<f64>,
    /// How many seconds to go on after the last frame.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub linger: f64,
    /// What the stack draws its random numbers from.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Say it all as JSON.
    #[arg(long)]
    pub json: bool,
}
