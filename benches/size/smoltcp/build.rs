//! Links nothing that the program does not bring itself, in as few bytes as
//! it takes.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/link.ld");
    println!("cargo::rerun-if-changed={script}");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{script}");
    // Nothing unwinds; the compiler's own library names the function all the same.
    let personality = "-Wl,--defsym=rust_eh_personality=0";
    for argument in
        ["-nostdlib", "-nostartfiles", "-static", "-no-pie", "-Wl,--gc-sections,--build-id=none", personality]
    {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
