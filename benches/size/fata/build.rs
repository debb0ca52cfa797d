//! Links nothing that the program does not bring itself, in as few pages as
//! it takes.

fn main() {
    // Nothing unwinds; the compiler's own library names the function all the same.
    let personality = "-Wl,--defsym=rust_eh_personality=0";
    for argument in
        ["-nostdlib", "-nostartfiles", "-static", "-no-pie", "-Wl,-z,noseparate-code,--build-id=none", personality]
    {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
