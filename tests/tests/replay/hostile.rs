//! Traffic that means no good: silence mostly, each drop counted by its
//! reason, and afterwards the stack is alive.

use fata_cli::replay::read;
use netif_pcap::{Direction, Recorded};
use tests::hostile::{options, scenes};

use super::{captures, same};

#[test]
fn attacks_come_to_what_they_should() {
    let captures = captures("hostile");
    for scene in scenes() {
        let (_, path) = captures.iter().find(|(name, _)| name == scene.name).expect("its capture is there");
        let report = same(path, &options());
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("hostile_{}", scene.name), report);
        });
        let sent = report.events.iter().filter(|event| event.sent);
        assert_eq!(sent.count(), scene.answers, "{}: {report}", scene.name);
        for (layer, counter, count) in scene.counters {
            let counted = report.state.counter(layer, counter);
            assert_eq!(counted, Some(*count), "{} {layer} {counter}: {report}", scene.name);
        }
        assert_eq!(report.state.counter("ipv4", "icmp_echo_answered").map(|n| n > 0), Some(true));
    }
}

/// What the script makes is what is there.
#[test]
fn attacks_are_the_same_when_made_again() {
    let received = |frames: &[Recorded]| -> Vec<_> {
        let inbound = frames.iter().filter(|frame| frame.direction == Some(Direction::Inbound));
        inbound.map(|frame| frame.bytes.clone()).collect()
    };
    for (name, path) in captures("hostile") {
        let scene = scenes().into_iter().find(|scene| scene.name == name).expect("its scene is there");
        let (made, _) = scene.play().expect("it is played");
        assert!(received(made.frames()) == received(read(&path).expect("a capture").frames()), "{name}");
    }
}
