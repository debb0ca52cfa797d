//! `docs/bad-inputs.md` names what there is.

use std::collections::BTreeSet;
use std::path::Path;

use tests::hostile::scenes;

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
            assert!(before.is_some_and(|text| text.ends_with("#[test]")), "{path} has no test {name}");
        }
        for (name, path) in captures {
            assert!(path.ends_with(&format!("/{name}.pcapng")) && root.join(path).exists(), "{path}");
            named.insert(name);
        }
    }
    let scenes = scenes();
    assert_eq!(named, scenes.iter().map(|scene| scene.name).collect());
}
