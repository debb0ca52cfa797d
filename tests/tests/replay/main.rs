//! Captures of real exchanges and of hostile ones, replayed: the stack gives
//! the same answers, and comes to the same state.
//!
//! `tests/captures` has the files; `cargo xtask captures` makes them anew, and
//! `INSTA_UPDATE=always cargo test -p tests --test replay` the snapshots of
//! what comes of them, which are to be reviewed.

mod exchanges;
mod hostile;
mod table;

use std::path::{Path, PathBuf};

use fata_cli::replay::{Options, Report, read, replay};

/// The files in a folder of captures, by name.
fn captures(folder: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the captures are there").flatten().map(|e| e.path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "pcapng"));
    let mut named: Vec<_> =
        files.filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path))).collect();
    named.sort();
    named
}

/// Replays a file, whose answers have to be the same as in it.
fn same(path: &Path, options: &Options) -> Report {
    let recording = read(path).expect("a capture");
    let (report, differences) = replay(recording, options).expect("it is replayed");
    assert!(differences.is_same(), "{}: {differences}", path.display());
    report
}
