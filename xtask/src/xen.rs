//! `cargo xtask xen`: an application as a guest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use xshell::{Shell, cmd};

use crate::xen_packed;

/// The target for a program without an operating system. Where its standard
/// library is not installed, the host's does, since `core` and `alloc` of it
/// need nothing of the host.
const BARE: &str = "x86_64-unknown-none";
const HOST: &str = "x86_64-unknown-linux-gnu";

const SCRIPT: &str = "os/src/xen/guest/link.ld";

/// What to build.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The name of its program.
    #[arg(value_name = "APP")]
    pub(crate) application: String,
    /// As few bytes as possible instead of speed: for size above all, no text with
    /// panics but addresses, and what the program leaves out then.
    #[arg(long)]
    pub(crate) small: bool,
}

/// For [`Arguments::small`]. No tables of jumps; and a function that is called once is
/// inlined only if it is short: instructions and calls count sixteen times for the
/// inliner, so that its bonus for such functions is worth a sixteenth.
const SMALL: &str = " --cfg guest_small -C jump-tables=no -C llvm-args=-inline-instr-cost=80 \
    -C llvm-args=-inline-call-penalty=400";

/// A guest, built.
pub(crate) struct Guest {
    /// What Xen runs.
    pub(crate) elf: PathBuf,
    /// The same, compressed: what `xl` loads instead, of a small one.
    pub(crate) packed: Option<PathBuf>,
    /// What `xl create` takes.
    pub(crate) configuration: PathBuf,
    /// The same program with its symbols.
    pub(crate) symbols: PathBuf,
}

/// Where this run of cargo puts what it makes.
pub(crate) fn target_folder(shell: &Shell) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => shell.current_dir().join("target"),
    }
}

/// The target to build guests for.
fn target(shell: &Shell) -> Result<&'static str> {
    let root = cmd!(shell, "rustc --print sysroot").quiet().read()?;
    let has = |target: &str| Path::new(&root).join("lib/rustlib").join(target).join("lib").is_dir();
    match [BARE, HOST].into_iter().find(|target| has(target)) {
        Some(target) => Ok(target),
        None => bail!("the standard library of neither {BARE} nor {HOST} is here: rustup target add {BARE}"),
    }
}

/// Builds programs of `unikernels` as guests, all by one run of cargo, which links as
/// many at a time as there are processors; the small form of `web` is `web-small`.
pub(crate) fn build(shell: &Shell, applications: &[&str], small: bool) -> Result<Vec<Guest>> {
    let profile = if small { "guest-small" } else { "guest" };
    let target = target(shell)?;
    let folder = target_folder(shell).join("xen");
    let script = shell.current_dir().join(SCRIPT);
    let script = script.display();
    // Nothing relocates the program; the hypervisor's calls use its stack. -n: its
    // segments begin at pages in memory, but not in the file.
    let mut flags = format!(
        "--cfg xen_guest -C relocation-model=static -C no-redzone=yes -C force-unwind-tables=no \
         -C link-arg=--gc-sections -C link-arg=-n -C link-arg=--build-id=none -C link-arg=-T{script}"
    );
    if target == HOST {
        // Here it is a C compiler that links.
        flags = flags.replace("link-arg=-", "link-arg=-Wl,-").replace("-Wl,-T", "-Wl,-T,");
        flags += " -C link-arg=-nostartfiles -C link-arg=-nostdlib -C link-arg=-static -C link-arg=-no-pie";
    }
    if small {
        flags += SMALL;
    }
    let _flags = shell.push_env("RUSTFLAGS", flags);
    let programs = applications.iter().flat_map(|application| ["--bin", application]);
    cmd!(
        shell,
        "cargo build --package unikernels {programs...} --no-default-features --features xen
            --profile {profile} --target {target} --target-dir {folder}"
    )
    .run()?;
    let built = folder.join(target).join(profile);
    applications
        .iter()
        .map(|application| finish(shell, &folder, built.join(application), application, small))
        .collect()
}

/// Makes of a program with its symbols what `xl` takes.
fn finish(shell: &Shell, folder: &Path, symbols: PathBuf, application: &str, small: bool) -> Result<Guest> {
    let name = format!("{application}{}", if small { "-small" } else { "" });
    let elf = folder.join(format!("{name}.elf"));
    cmd!(shell, "objcopy --strip-all {symbols} {elf}").run()?;
    let packed = if small { Some(xen_packed::pack(shell, &elf)?) } else { None };
    let configuration = folder.join(format!("{name}.cfg"));
    shell.write_file(&configuration, settings(&name, packed.as_ref().unwrap_or(&elf)))?;
    Ok(Guest { elf, packed, configuration, symbols })
}

fn settings(name: &str, kernel: &Path) -> String {
    let kernel = kernel.display();
    format!(
        "# For `xl create`. The command line: ip=10.0.0.2/24 gw=10.0.0.1; DHCP without.\n\
         name = \"{name}\"\n\
         type = \"pvh\"\n\
         kernel = \"{kernel}\"\n\
         cmdline = \"\"\n\
         memory = 32\n\
         vcpus = 1\n\
         vif = [ \"bridge=xenbr0\" ]\n"
    )
}

/// Builds a guest, and prints what it is and how large its parts are.
pub(crate) fn run(shell: &Shell, arguments: &Arguments) -> Result<()> {
    let guests = build(shell, &[&arguments.application], arguments.small)?;
    let guest = guests.first().context("no guest")?;
    let (elf, symbols) = (&guest.elf, &guest.symbols);
    for file in [Some(elf), guest.packed.as_ref()].into_iter().flatten() {
        println!("guest: {} ({} bytes)", file.display(), shell.read_binary_file(file)?.len());
    }
    println!("configuration: {}\n", guest.configuration.display());
    let list = cmd!(shell, "nm --print-size --radix=d --demangle {symbols}").quiet().read()?;
    let mut by_crate = BTreeMap::<String, (u64, u64)>::new();
    for (size, kind, name) in list.lines().filter_map(symbol) {
        let sizes = by_crate.entry(crate_of(name)).or_default();
        // Zeroed data takes memory, and nothing in the file.
        if "bB".contains(kind) { sizes.1 += size } else { sizes.0 += size }
    }
    ensure!(!by_crate.is_empty(), "the guest has no symbols");
    let mut rows: Vec<_> = by_crate.into_iter().collect();
    rows.sort_by_key(|(_, (file, zeroed))| std::cmp::Reverse((*file, *zeroed)));
    println!("{:>9} {:>9}  by crate of the function", "in file", "zeroed");
    rows.iter().for_each(|(name, (file, zeroed))| println!("{file:>9} {zeroed:>9}  {name}"));
    let sections = cmd!(shell, "size -A -d {symbols}").quiet().read().context("binutils")?;
    println!("\n{sections}");
    Ok(())
}

/// Size, kind and name in a line of `nm`: address, size, kind, name.
fn symbol(line: &str) -> Option<(u64, char, &str)> {
    let mut words = line.splitn(4, ' ');
    let _address = words.next()?;
    let size = words.next()?.parse().ok()?;
    let kind = words.next()?.chars().next()?;
    Some((size, kind, words.next()?))
}

/// The crate that a function is of: the first path in its name. A method of a
/// trait counts to its type's crate, a closure to its function's.
fn crate_of(name: &str) -> String {
    let path =
        name.trim_start_matches(['<', '&', '(', '[']).trim_start_matches("mut ").trim_start_matches("dyn ");
    match path.split_once("::") {
        Some((first, _)) => first.split(['[', '<']).next().unwrap_or_default().to_owned(),
        None => String::from("(assembly, data)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_crates() {
        assert_eq!(crate_of("tcpv4::layer::Tcp<I>::input"), "tcpv4");
        assert_eq!(crate_of("<tcpv4::layer::Tcp<I> as traits::Layer>::poll"), "tcpv4");
        assert_eq!(crate_of("<&mut alloc::string::String as core::fmt::Write>::write_str"), "alloc");
        assert_eq!(crate_of("memcpy"), "(assembly, data)");
        assert_eq!(symbol("0000000001048608 0000000000000016 t a::b c"), Some((16, 't', "a::b c")));
        assert_eq!(symbol("0000000001048608 t a"), None);
    }
}
