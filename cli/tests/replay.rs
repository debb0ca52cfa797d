//! `fata replay`, as a user runs it.

use std::path::PathBuf;
use std::process::{Command, Output};

use netif_pcap::{Direction, Format, Recording};

fn capture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/captures").join(name).with_extension("pcapng")
}

fn replay(file: PathBuf, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fata"))
        .arg("replay")
        .arg(file)
        .args(arguments)
        .output()
        .expect("the program runs")
}

#[test]
fn it_tells_what_was_answered_and_what_is_left() {
    let output = replay(capture("tcp_connected"), &["--expect"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}");
    for wanted in ["[S] seq", "TimeWait", "ARP 10.0.0.1 is at", "tcp: opened 1", "8 frames as expected, 0 diff"]
    {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[test]
fn it_tells_which_are_answered() {
    let output = replay(capture("ping"), &[]);
    let text = String::from_utf8(output.stdout).expect("text");
    // Each ping and each question by ARP is; the announcement is a timer's.
    let asked = text.lines().filter(|line| line.contains("echo request") || line.contains("tell 10.0.0.1 "));
    let asked = asked.count();
    assert!(asked >= 5, "{text}");
    let wanted = format!("{asked} frames received, {asked} of them answered; {} sent, 1 of them", asked + 1);
    assert!(text.contains(&wanted), "{wanted}: {text}");
}

#[test]
fn it_tells_a_retransmission_and_compares_it() {
    let output = replay(capture("tcp_with_loss"), &["--json", "--expect"]);
    assert!(output.status.success());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(json["state"]["counters"]["tcp"]["retransmitted"].as_u64() >= Some(2));
    let events = json["events"].as_array().expect("events");
    let count = |key: &str| events.iter().filter(|event| event[key] == true).count();
    // Timers announce the address and send something again; answered are the
    // question by ARP, the SYN, data of either end and the last of each batch.
    assert!(count("by_timer") >= 2 && count("answered") >= 4, "{}", count("answered"));
}

#[test]
fn it_tells_all_as_json() {
    let output = replay(capture("curl_get"), &["--json", "--expect"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["expected"]["differences"], serde_json::json!([]));
    assert_eq!(json["state"]["address"], "10.0.0.2");
    assert_eq!(json["state"]["counters"]["tcp"]["accepted"], 2);
    let events = json["events"].as_array().expect("events");
    assert!(events.iter().any(|event| event["sent"] == true && event["frame"].is_string()));
}

#[test]
fn it_fails_where_the_answers_differ() {
    let recording = fata_cli::replay::read(&capture("ping")).expect("a capture");
    let epoch = fata::traits::Instant::ZERO + recording.epoch();
    let mut frames = recording.starting_at(epoch).frames().to_vec();
    // The last byte of an answer.
    let answer = frames.iter_mut().rfind(|f| f.direction == Some(Direction::Outbound) && f.bytes.len() > 60);
    *answer.and_then(|frame| frame.bytes.last_mut()).expect("an answer") ^= 1;
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("changed.pcapng");
    let file = std::fs::File::create(&path).expect("a file");
    Recording::new(frames).write(file, Format::PcapNg).expect("it is written");
    let output = replay(path.clone(), &["--expect"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("1 difference\n") && text.contains("@97 data: 36 -> 37"), "{text}");
    // Without being asked to compare, all is well.
    assert!(replay(path, &[]).status.success());
}

#[test]
fn a_file_that_is_none_is_refused() {
    let output = replay(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("neither a pcapng nor a pcap file"));
}

#[test]
fn a_time_that_is_none_is_refused() {
    for option in ["--linger=-1", "--linger=nan", "--tolerance=1e30"] {
        let output = replay(capture("ping"), &[option]);
        assert_eq!(output.status.code(), Some(1), "{option}");
    }
}

#[test]
fn it_says_what_a_capture_lacks() {
    let whole = std::fs::read(capture("ping")).expect("a capture");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("lacking.pcapng");
    std::fs::write(&path, &whole[..whole.len() - 10]).expect("a file");
    let cut = replay(path.clone(), &[]);
    // The same, as a tool writes it that keeps 40 bytes of each frame.
    let mut frames = Recording::read(&whole).expect("a capture").frames().to_vec();
    frames.iter_mut().for_each(|frame| frame.bytes.truncate(40));
    let file = std::fs::File::create(&path).expect("a file");
    Recording::new(frames).write(file, Format::PcapNg).expect("it is written");
    let (short, compared) = (replay(path.clone(), &["--json"]), replay(path, &["--expect"]));
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(cut.status.success() && said(&cut).contains("in the middle of a frame"), "{}", said(&cut));
    assert!(short.status.success() && said(&short).contains("only the beginning"), "{}", said(&short));
    let json: serde_json::Value = serde_json::from_slice(&short.stdout).expect("JSON");
    assert_eq!(json["lacks"].as_array().map(Vec::len), Some(1));
    assert!(!compared.status.success() && said(&compared).contains("can't be compared"), "{}", said(&compared));
}
