//! `docs/bad-inputs.md` names what there is.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser;
use fata_cli::arguments::{Arguments, Command};
use tests::hostile::{options, scenes};

/// The links of the table's cells: what each says, and where it leads.
fn links(row: &str) -> impl Iterator<Item = (&str, &str)> {
    row.split("[`").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("`](../")?;
        Some((name, rest.split_once(')')?.0))
    })
}

#[test]
fn each_line_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = std::fs::read_to_string(root.join("docs/bad-inputs.md")).expect("the table is there");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    assert!(rows.len() >= 28, "{} rows", rows.len());
    let mut named = BTreeSet::new();
    for row in rows {
        let (captures, tests): (Vec<_>, Vec<_>) = links(row).partition(|(_, path)| path.ends_with(".pcapng"));
        assert!(!tests.is_empty(), "no test in: {row}");
        for (name, path) in tests {
            let source = std::fs::read_to_string(root.join(path)).unwrap_or_default();
            let before = source.split_once(&format!("fn {name}(")).map(|(before, _)| before.trim_end());
            // Or a scenario that a macro makes a test of each form of memory.
            let is_scenario = source.contains("on_both! {") && source.contains(&format!("    fn {name}(net"));
            let is_test = is_scenario || before.is_some_and(|text| text.ends_with("#[test]"));
            assert!(is_test, "{path} has no test {name}");
        }
        for (name, path) in captures {
            assert!(path.ends_with(&format!("/{name}.pcapng")) && root.join(path).exists(), "{path}");
            named.insert(name);
        }
    }
    let scenes = scenes();
    assert_eq!(named, scenes.iter().map(|scene| scene.name).collect());
}

/// The command that shows a scene says how it is played, but for those that are
/// named beside it.
#[test]
fn the_command_plays_scenes_as_the_tests_do() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/bad-inputs.md")).expect("the text is there");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, rest) = text.split_once("`fata replay").expect("a command");
    let (command, rest) = rest.split_once('`').expect("its end");
    let words = ["fata", "replay"].into_iter().chain(command.split_whitespace());
    let Some(Command::Replay(said)) = Arguments::try_parse_from(words).expect("arguments").command else {
        panic!("another command");
    };
    let usual = options();
    assert_eq!((said.ip, &said.tcp, &said.udp), (usual.address, &usual.tcp, &usual.udp));
    let (named, _) = rest.split_once("have settings of their own").expect("exceptions");
    let named: BTreeSet<_> = named.split('`').skip(1).step_by(2).collect();
    let (usual, scenes) = (format!("{usual:?}"), scenes());
    let others = scenes.iter().filter(|scene| format!("{:?}", scene.options) != usual);
    assert_eq!(named, others.map(|scene| scene.name).collect());
}
