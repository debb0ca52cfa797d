//! The scripts and pairs of `machine` in memory that the caller hands over.

#[path = "../machine/abort.rs"]
mod abort;
#[path = "../machine/acks.rs"]
mod acks;
#[path = "../machine/acks_read.rs"]
mod acks_read;
#[path = "../machine/attacks.rs"]
mod attacks;
#[path = "../machine/black_hole.rs"]
mod black_hole;
#[path = "../machine/close.rs"]
mod close;
#[path = "../machine/congestion.rs"]
mod congestion;
#[path = "../machine/cubic.rs"]
mod cubic;
#[path = "../machine/ecn.rs"]
mod ecn;
#[path = "../machine/end_of_stream.rs"]
mod end_of_stream;
#[path = "../machine/handshake.rs"]
mod handshake;
#[path = "../machine/harness/mod.rs"]
mod harness;
#[path = "../machine/pair.rs"]
mod pair;
#[path = "../machine/path.rs"]
mod path;
#[path = "../machine/patience.rs"]
mod patience;
#[path = "../machine/receive.rs"]
mod receive;
#[path = "../machine/recovery.rs"]
mod recovery;
#[path = "../machine/reneging.rs"]
mod reneging;
#[path = "../machine/reordering.rs"]
mod reordering;
#[path = "../machine/script/mod.rs"]
mod script;
#[path = "../machine/slow_start.rs"]
mod slow_start;
#[path = "../machine/small.rs"]
mod small;
#[path = "../machine/spurious.rs"]
mod spurious;
#[path = "../machine/syn.rs"]
mod syn;
#[path = "../machine/tail_probe.rs"]
mod tail_probe;
#[path = "../machine/timeout.rs"]
mod timeout;
#[path = "../machine/timestamps.rs"]
mod timestamps;
#[path = "../machine/unreachable.rs"]
mod unreachable;
#[path = "../machine/windows.rs"]
mod windows;
#[path = "../machine/wire.rs"]
mod wire;

use tcpv4::buffer::Fixed;
use tcpv4::connection::{Buffers, Settings};

/// What the machines of all scripts have their bytes and lists in.
type Memory = Fixed<'static, 64>;

/// The buffers of a machine with these settings, as large as those allow. They
/// are never given back.
fn buffers(settings: &Settings) -> Buffers<Memory> {
    let buffer = |len: u32| vec![0; len as usize].leak();
    Buffers { send: buffer(settings.send_limit), receive: buffer(settings.receive_limit) }
}

/// Modules that are not mounted here, and why.
const EXCEPT: [&str; 3] = [
    "main",  // Has a test of its own for each form of memory.
    "chaos", // What fixed memory has no need of.
    "growth",
];

/// This list of modules is as long as the other.
#[test]
fn all_modules_are_here() {
    let here = include_str!("main.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(EXCEPT.contains(&name) != here.contains(&format!("\nmod {name};\n")), "{name}");
    }
}
