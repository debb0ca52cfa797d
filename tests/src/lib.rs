//! Tests of whole towers. What the test programs share.

pub mod frames;
pub mod hostile;
pub mod lab;
pub mod paced;
pub mod remarks;
pub mod standstill;

/// What tshark is asked for the frames of a capture that `filter` lets through,
/// checksums verified.
pub(crate) fn tshark_arguments<'a>(capture: &'a str, filter: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["-n", "-r", capture, "-Y", filter];
    for preference in ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"] {
        arguments.extend(["-o", preference]);
    }
    arguments
}

/// What tshark says of the frames of a capture that `filter` lets through, one
/// line each; `None`, and said so, where it is not installed.
///
/// # Panics
///
/// Where it can't read the capture; in CI, where it is not installed.
pub fn tshark(capture: &std::path::Path, filter: &str) -> Option<String> {
    let capture = capture.to_str().expect("a path of UTF-8");
    let Ok(output) = std::process::Command::new("tshark").args(tshark_arguments(capture, filter)).output()
    else {
        assert!(std::env::var_os("CI").is_none(), "tshark is not installed");
        eprintln!("SKIPPED: tshark is not installed, nobody else reads {capture}");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
