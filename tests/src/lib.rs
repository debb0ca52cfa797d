//! Tests of whole towers. What the test programs share.

pub mod hostile;
pub mod lab;
pub mod paced;

/// What tshark prints of a capture with these arguments; `None`, and said so,
/// where it is not installed.
///
/// # Panics
///
/// Where it can't read the capture; in CI, where it is not installed.
pub fn tshark(capture: &std::path::Path, arguments: &[&str]) -> Option<String> {
    let output = std::process::Command::new("tshark").args(["-n", "-r"]).arg(capture).args(arguments).output();
    let Ok(output) = output else {
        assert!(std::env::var_os("CI").is_none(), "tshark is not installed");
        eprintln!("SKIPPED: tshark is not installed, nobody else reads {}", capture.display());
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
