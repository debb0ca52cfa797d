//! Connections, bytes exact.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use fata::traits::Offload;
use fata_cli::http::fill_bytes;
use sha2::{Digest, Sha256};
use tests::lab::{self, ECHO, STACK, Scratch, Setting, WEB, run};

const BULK: usize = 256 << 20;

/// The stream that the server sends, in pieces, with its digest.
pub(crate) fn stream(len: usize, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<String> {
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    for start in (0..len).step_by(buffer.len()) {
        let piece = (len - start).min(buffer.len());
        fill_bytes(start as u64 / 8, &mut buffer[..piece]);
        digest.update(&buffer[..piece]);
        each(&buffer[..piece])?;
    }
    Ok(hex(digest))
}

pub(crate) fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn without_offloads() -> Setting {
    Setting { offload: Offload::empty(), ..Setting::default() }
}

pub(crate) fn get() -> Result<()> {
    get_from(Setting::default(), BULK)
}

pub(crate) fn get_plain() -> Result<()> {
    get_from(without_offloads(), BULK)
}

fn get_from(setting: Setting, len: usize) -> Result<()> {
    lab::start(setting)?;
    download(len)
}

/// So many bytes from the stack's server.
pub(crate) fn download(len: usize) -> Result<()> {
    let file = Scratch::new("got");
    let url = format!("http://{STACK}:{WEB}/bytes/{len}");
    run("curl", &["-sS", "--fail", "--max-time", "200", "-o", file.path(), &url])?;
    ensure!(digest_of(file.path())? == stream(len, |_| Ok(()))?, "not the bytes that were sent");
    Ok(())
}

pub(crate) fn put() -> Result<()> {
    put_to(Setting::default(), BULK)
}

pub(crate) fn put_plain() -> Result<()> {
    put_to(without_offloads(), BULK)
}

fn put_to(setting: Setting, len: usize) -> Result<()> {
    lab::start(setting)?;
    upload(len)
}

/// So many bytes to the stack's server.
pub(crate) fn upload(len: usize) -> Result<()> {
    let scratch = Scratch::new("put");
    let mut file = File::create(scratch.path())?;
    let expected = stream(len, |piece| Ok(file.write_all(piece)?))?;
    let url = format!("http://{STACK}:{WEB}/");
    let said = run("curl", &["-sS", "--fail", "--max-time", "200", "-T", scratch.path(), &url])?;
    ensure!(said.trim() == format!("{len} bytes, sha256 {expected}"), "{said}");
    Ok(())
}

/// All are open before the first asks for anything.
pub(crate) fn hundred() -> Result<()> {
    lab::start(Setting::default())?;
    let mut flows = Vec::new();
    for _ in 0..100 {
        let flow = TcpStream::connect((STACK, WEB))?;
        flow.set_read_timeout(Some(Duration::from_secs(30)))?;
        flows.push(flow);
    }
    let expected = stream(100_000, |_| Ok(()))?;
    let threads: Vec<_> = flows.into_iter().map(|flow| thread::spawn(move || get_over(flow))).collect();
    for thread in threads {
        let got = thread.join().map_err(|_| anyhow!("a client panicked"))??;
        ensure!(got == expected, "not the bytes that were sent");
    }
    Ok(())
}

fn get_over(mut flow: TcpStream) -> Result<String> {
    flow.write_all(b"GET /bytes/100000 HTTP/1.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    flow.read_to_end(&mut answer)?;
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").context("no head")?;
    Ok(hex(Sha256::new().chain_update(&answer[at + 4..])))
}

/// Small messages to and fro, as an interactive session has them.
pub(crate) fn ping_pong() -> Result<()> {
    lab::start(Setting::default())?;
    to_and_fro(2000)
}

/// So many messages to the stack, each sent back; then the end.
pub(crate) fn to_and_fro(rounds: usize) -> Result<()> {
    let mut flow = TcpStream::connect((STACK, ECHO))?;
    flow.set_nodelay(true)?;
    flow.set_read_timeout(Some(Duration::from_secs(30)))?;
    for round in 0..rounds {
        let sent: Vec<u8> = (0..1 + round % 40).map(|i| (round + i) as u8).collect();
        flow.write_all(&sent)?;
        let mut got = vec![0; sent.len()];
        flow.read_exact(&mut got).with_context(|| format!("round {round}"))?;
        ensure!(got == sent, "round {round}");
    }
    // Half-closed: what is on its way still comes back, then the end.
    flow.write_all(b"the last")?;
    flow.shutdown(std::net::Shutdown::Write)?;
    let mut rest = String::new();
    flow.read_to_string(&mut rest)?;
    ensure!(rest == "the last", "{rest:?}");
    Ok(())
}

/// What netcat sends comes back to it, and then the end.
pub(crate) fn netcat() -> Result<()> {
    lab::start(Setting::default())?;
    through_netcat(1 << 20)
}

/// So many bytes from netcat to the stack and back.
pub(crate) fn through_netcat(len: usize) -> Result<()> {
    let (sent, got) = (Scratch::new("sent"), Scratch::new("got"));
    let mut file = File::create(sent.path())?;
    let expected = stream(len, |piece| Ok(file.write_all(piece)?))?;
    let script = format!("nc -N -w 20 {STACK} {ECHO} < {} > {}", sent.path(), got.path());
    run("sh", &["-c", &script])?;
    ensure!(digest_of(got.path())? == expected, "not the bytes that were sent");
    Ok(())
}

/// The digest of a file.
pub(crate) fn digest_of(path: &str) -> Result<String> {
    let mut digest = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(hex(digest))
}

pub(crate) fn closed() -> Result<()> {
    lab::start(Setting::default())?;
    let address = SocketAddrV4::new(STACK, 4711);
    let error = TcpStream::connect_timeout(&address.into(), Duration::from_secs(30)).err();
    let kind = error.map(|error| error.kind());
    ensure!(kind == Some(std::io::ErrorKind::ConnectionRefused), "{kind:?}");
    Ok(())
}

/// Not every link has 1500 bytes.
pub(crate) fn small_mtu() -> Result<()> {
    get_from(Setting { mtu: 600, ..without_offloads() }, 4 << 20)
}
