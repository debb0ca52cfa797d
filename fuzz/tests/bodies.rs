//! Every target over its corpus, its seeds, and inputs made of them: the same
//! ones each time.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fuzz::mutate::Mutator;
use fuzz::{TARGETS, Target, target};

/// The seeds and what is in the corpus, in order of the files' names.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    let mut corpus = (target.seeds)();
    corpus.extend(files.into_iter().map(|file| fs::read(file).unwrap()));
    corpus
}

fn run(name: &str) {
    let target = target(name).unwrap();
    let corpus = corpus(target);
    assert!(!corpus.is_empty());
    let mut mutator = Mutator::new(1);
    let made = (0..target.runs).map(|_| mutator.input(&corpus));
    for input in corpus.iter().cloned().chain(made).collect::<Vec<_>>() {
        if catch_unwind(AssertUnwindSafe(|| (target.body)(&input))).is_err() {
            let file = std::env::temp_dir().join(format!("fata-fuzz-{name}"));
            let kept = fs::write(&file, &input).map(|()| file.display().to_string());
            panic!("{name} found something; the input is in {kept:?}: {input:02x?}");
        }
    }
}

macro_rules! bodies {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_is_here() {
            let here = [$(stringify!($name)),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), here);
            for name in here {
                assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz_targets/{name}.rs")).exists());
            }
        }
    };
}

bodies! {
    arp capture dhcp dhcp_message ethernet icmp ipv4 offload reassembly tcp tcp_pair tcp_wire tower udp virtio
    xen_ring
}
