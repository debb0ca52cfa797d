//! Connections, bytes exact.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use fata::prelude::*;
use fata::traits::Offload;
use fata_cli::http::fill_bytes;
use sha2::{Digest, Sha256};
use tests::lab::{self, ECHO, KERNEL, STACK, Scratch, Setting, WEB, run};

const BULK: usize = 256 << 20;

/// The stream that the server sends, in pieces, with its digest.
fn stream(len: usize, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<String> {
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    for start in (0..len).step_by(buffer.len()) {
        let piece = (len - start).min(buffer.len());
        fill_bytes(start as u64 / 8, &mut buffer[..piece]);
        digest.update(&buffer[..piece]);
        each(&buffer[..piece])?;
    }
    Ok(hex(digest))
}

fn hex(digest: Sha256) -> String {
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
    let file = Scratch::new("got");
    let url = format!("http://{STACK}:{WEB}/bytes/{len}");
    run("curl", &["-sS", "--fail", "--max-time", "200", "-o", file.path(), &url])?;
    let mut digest = Sha256::new();
    std::io::copy(&mut File::open(file.path())?, &mut digest)?;
    let expected = stream(len, |_| Ok(()))?;
    ensure!(hex(digest) == expected, "not the bytes that were sent");
    Ok(())
}

pub(crate) fn put() -> Result<()> {
    put_to(Setting::default(), BULK)
}

pub(crate) fn put_plain() -> Result<()> {
    put_to(without_offloads(), BULK)
}

fn put_to(setting: Setting, len: usize) -> Result<()> {
    let scratch = Scratch::new("put");
    let mut file = File::create(scratch.path())?;
    let expected = stream(len, |piece| Ok(file.write_all(piece)?))?;
    lab::start(setting)?;
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
    let mut flow = TcpStream::connect((STACK, ECHO))?;
    flow.set_nodelay(true)?;
    flow.set_read_timeout(Some(Duration::from_secs(5)))?;
    for round in 0..2000usize {
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
    let (sent, got) = (Scratch::new("sent"), Scratch::new("got"));
    let mut file = File::create(sent.path())?;
    let expected = stream(1 << 20, |piece| Ok(file.write_all(piece)?))?;
    let script = format!("nc -N -w 20 {STACK} {ECHO} < {} > {}", sent.path(), got.path());
    run("sh", &["-c", &script])?;
    let mut digest = Sha256::new();
    std::io::copy(&mut File::open(got.path())?, &mut digest)?;
    ensure!(hex(digest) == expected, "not the bytes that were sent");
    Ok(())
}

pub(crate) fn closed() -> Result<()> {
    lab::start(Setting::default())?;
    let address = SocketAddrV4::new(STACK, 4711);
    let error = TcpStream::connect_timeout(&address.into(), Duration::from_secs(5)).err();
    let kind = error.map(|error| error.kind());
    ensure!(kind == Some(std::io::ErrorKind::ConnectionRefused), "{kind:?}");
    Ok(())
}

/// The stack opens the connection and the kernel serves.
pub(crate) fn outgoing() -> Result<()> {
    const LEN: usize = 4 << 20;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 9000))?;
    let (answers, done) = std::sync::mpsc::channel();
    lab::start_with(Setting::default(), async move |os, net, _| {
        let e = Ethif::connect(net);
        let i = Ipv4::connect(&e);
        i.set_ipv4(STACK);
        i.set_ipv4_netmask(Ipv4Addr::new(255, 255, 255, 0));
        let tcp = Tcp::connect(&i, &mut os.random());
        let packets = net.listen(|frame| {
            e.input(
                frame,
                ethif::listeners().ipv4(|p| i.input(p, ipv4::listeners().tcp(|s| tcp.input(s, |_| None)))),
            );
        });
        let client = async {
            let mut flow = tcp.create_connection(SocketAddrV4::new(KERNEL.address(), 9000)).await?;
            let (mut sent, mut buffer) = (0, [0; 4096]);
            while sent < LEN {
                fill_bytes(sent as u64 / 8, &mut buffer);
                flow.write_all(&buffer).await?;
                sent += buffer.len();
            }
            flow.close().await?;
            let mut answer = Vec::new();
            loop {
                match flow.read(&mut buffer).await? {
                    0 => break,
                    n => answer.extend_from_slice(&buffer[..n]),
                }
            }
            answers.send(String::from_utf8(answer)?)?;
            std::future::pending().await
        };
        let tasks = async {
            match tcp.run(os).await {
                Ok(never) | Err(never) => match never {},
            }
        };
        let packets = async {
            match packets.await {
                Ok(never) => match never {},
                Err(error) => Err(error.into()),
            }
        };
        fata::os::race!(packets, client, tasks)
    })?;
    let (mut flow, _) = listener.accept()?;
    flow.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut got = Vec::new();
    flow.read_to_end(&mut got)?;
    let digest = hex(Sha256::new().chain_update(&got));
    ensure!(got.len() == LEN && digest == stream(LEN, |_| Ok(()))?, "not the bytes that were sent");
    flow.write_all(b"thanks")?;
    drop(flow);
    let answer = done.recv_timeout(Duration::from_secs(20)).context("the stack got no answer")?;
    ensure!(answer == "thanks", "{answer:?}");
    Ok(())
}

/// Not every link has 1500 bytes.
pub(crate) fn small_mtu() -> Result<()> {
    get_from(Setting { mtu: 600, ..without_offloads() }, 4 << 20)
}
