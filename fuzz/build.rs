//! Makes `cfg(fuzzing)` known, which fuzzers set.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(fuzzing)");
    println!("cargo::rerun-if-changed=build.rs");
}
