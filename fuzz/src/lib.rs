//! Fuzz targets: one for each parser, one for each state machine.
//!
//! The body of each is a function of bytes that panics on a finding. A
//! fuzzer calls it from the thin programs in `fuzz_targets/`; where none was
//! asked for, these run files through it, and `tests/bodies.rs` runs its
//! corpus and a number of inputs made of it. `README.md` says how.
//!
//! What counts as a finding, beside panics and arithmetic that overflows:
//!
//! - a frame sent that an independent parser does not take, or whose lengths
//!   or checksums do not hold;
//! - a deadline that is not after the present;
//! - more remembered than the bound says, or something left behind when the
//!   peer has fallen silent;
//! - bytes delivered that nobody sent;
//! - a parser and an encoder that disagree.

#![forbid(unsafe_code)]

mod bytes;
pub mod device;
pub mod groups;
pub mod host;
pub mod mutate;
pub mod packet;
mod recorded;
pub mod seeds;
pub mod targets;
pub mod wire_check;

pub use bytes::Bytes;

/// A target: its name, its body and what to begin with.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its program and of its folder in `corpus/`.
    pub name: &'static str,
    /// The body.
    pub body: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Inputs that a test makes of the corpus and runs.
    pub runs: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "arp", body: targets::arp, seeds: seeds::arp, runs: 8000 },
    Target { name: "capture", body: targets::capture, seeds: seeds::capture, runs: 10_000 },
    Target { name: "dhcp", body: targets::dhcp, seeds: seeds::dhcp, runs: 8000 },
    Target { name: "dhcp_message", body: targets::dhcp_message, seeds: seeds::dhcp_message, runs: 10_000 },
    Target { name: "ethernet", body: targets::ethernet, seeds: seeds::ethernet, runs: 8000 },
    Target { name: "icmp", body: targets::icmp, seeds: seeds::icmp, runs: 8000 },
    Target { name: "ipv4", body: targets::ipv4, seeds: seeds::ipv4, runs: 8000 },
    Target { name: "offload", body: targets::offload, seeds: seeds::offload, runs: 10_000 },
    Target { name: "reassembly", body: targets::reassembly, seeds: seeds::reassembly, runs: 8000 },
    Target { name: "tcp", body: targets::tcp, seeds: seeds::tcp, runs: 8000 },
    Target { name: "tcp_pair", body: targets::tcp_pair, seeds: seeds::tcp_pair, runs: 1000 },
    Target { name: "tcp_wire", body: targets::tcp_wire, seeds: seeds::tcp_wire, runs: 8000 },
    Target { name: "tower", body: targets::tower, seeds: seeds::tower, runs: 8000 },
    Target { name: "udp", body: targets::udp, seeds: seeds::udp, runs: 8000 },
    Target { name: "virtio", body: targets::virtio, seeds: seeds::virtio, runs: 8000 },
    Target { name: "xen_ring", body: targets::xen_ring, seeds: seeds::xen_ring, runs: 4000 },
];

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// What a program in `fuzz_targets/` does without a fuzzer: runs each file
/// named on the command line through the body, to see a finding again; or,
/// with `--seeds FOLDER`, writes the seeds as files there.
///
/// # Errors
///
/// What can't be read or written.
pub fn run(body: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> std::io::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [] => println!("usage: FILE... | --seeds FOLDER; fuzz/README.md says how to fuzz"),
        [option, folder] if option == "--seeds" => {
            write_seeds(std::path::Path::new(folder), seeds)?;
        }
        files => {
            for file in files {
                let data = std::fs::read(file)?;
                println!("{}: {} bytes", std::path::Path::new(file).display(), data.len());
                body(&data);
            }
        }
    }
    Ok(())
}

/// Writes the seeds as files into the folder that the environment names in
/// `FUZZ_SEEDS`, for a fuzzer that is about to read its corpus.
pub fn write_seeds_if_asked(seeds: fn() -> Vec<Vec<u8>>) {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    if let Err(error) = write_seeds(std::path::Path::new(&folder), seeds) {
        eprintln!("no seeds: {error}");
    }
}

fn write_seeds(folder: &std::path::Path, seeds: fn() -> Vec<Vec<u8>>) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (index, seed) in seeds().into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{index}")), seed)?;
    }
    Ok(())
}

/// The main function of a program in `fuzz_targets/`: the fuzzer's where one
/// was asked for, else [`run`].
#[macro_export]
macro_rules! program {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(
            init: $crate::write_seeds_if_asked($crate::seeds::$name),
            |data: &[u8]| $crate::targets::$name(data)
        );

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::run($crate::targets::$name, $crate::seeds::$name)
        }
    };
}
