//! Traffic that means no good: silence mostly, each drop counted by its
//! reason, and afterwards the stack is alive.

use fata_cli::replay::{Report, read};
use netif_pcap::{Direction, Recorded};
use tests::hostile::{WELCOME, compare, scenes};

use super::{captures, same};

#[test]
fn attacks_come_to_what_they_should() {
    let captures = captures("hostile");
    let mut wrong = String::new();
    for scene in scenes() {
        let (_, path) = captures.iter().find(|(name, _)| name == scene.name).expect("its capture is there");
        let report = same(path, &scene.options);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("hostile_{}", scene.name), abridged(&report));
        });
        for line in compare(&report, &scene.answers).lines() {
            wrong += &format!("{}: {line}\n", scene.name);
        }
        for (layer, counter, count) in scene.counters {
            let counted = report.state.counter(layer, counter);
            if counted != Some(*count) {
                wrong += &format!("{}: {layer} {counter} {counted:?}, not {count}\n", scene.name);
            }
        }
        if report.state.counter("ipv4", "icmp_echo_answered").is_none_or(|answered| answered == 0) {
            wrong += &format!("{}: no ping is answered\n", scene.name);
        }
        if scene.serves && !is_served(&report) {
            wrong += &format!("{}: who means well is not served\n", scene.name);
        }
    }
    assert_eq!(wrong, "");
}

/// Whether who means well has a connection, and its answer.
fn is_served(report: &Report) -> bool {
    let mut connections = report.state.connections.iter();
    let connection = connections.find(|connection| connection.remote == "10.0.0.8:7000");
    let welcome: String = WELCOME.iter().map(|byte| format!("{byte:02x}")).collect();
    connection.is_some_and(|one| one.state == "Established" && one.outstanding == Some(0))
        && report.events.iter().any(|event| event.sent && event.frame.ends_with(&welcome))
}

/// A report in which what came in long rows is told by its number.
fn abridged(report: &Report) -> String {
    const SHOWN: usize = 4;
    let (mut text, mut row) = (String::new(), 0);
    for line in report.to_string().lines() {
        let received = line.get(15..17) == Some("< ");
        if !received && row > SHOWN {
            text += &format!("{:>17}{} more\n", "", row - SHOWN);
        }
        row = if received { row + 1 } else { 0 };
        if row <= SHOWN {
            text += line;
            text.push('\n');
        }
    }
    text
}

/// What the script makes is what is there, at the same times, and nothing else
/// is.
#[test]
fn attacks_are_the_same_when_made_again() {
    let received = |frames: &[Recorded]| -> Vec<_> {
        let inbound = frames.iter().filter(|frame| frame.direction == Some(Direction::Inbound));
        inbound.map(|frame| (frame.at, frame.bytes.clone())).collect()
    };
    let (captures, scenes) = (captures("hostile"), scenes());
    assert_eq!(captures.len(), scenes.len());
    for (name, path) in captures {
        let scene = scenes.iter().find(|scene| scene.name == name).expect("its scene is there");
        let (made, _) = scene.play().expect("it is played");
        assert!(received(made.frames()) == received(read(&path).expect("a capture").frames()), "{name}");
    }
}
