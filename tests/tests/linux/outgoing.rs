//! Connections that the stack opens, bytes exact.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use fata::os::Os;
use fata::os::unix::Unix;
use fata::prelude::*;
use fata_cli::http::fill_bytes;
use fata_cli::tower::Connections;
use sha2::{Digest, Sha256};
use tests::lab::{self, Daemon, KERNEL, Scratch, Setting};

use crate::tcp::{digest_of, hex, stream};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
const BULK_PORT: u16 = 9000;
const SHELL_PORT: u16 = 9001;
const NETCAT_PORT: u16 = 9002;

fn kernel(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(KERNEL.address(), port)
}

/// The kernel's end of the next connection.
fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (flow, _) = listener.accept()?;
    flow.set_read_timeout(Some(PATIENCE))?;
    flow.set_nodelay(true)?;
    Ok(flow)
}

fn listen(port: u16) -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?)
}

/// Runs what the stack begins, and the kernel's part in it.
fn both<F>(client: F, part: impl FnOnce() -> Result<()>) -> Result<()>
where
    F: AsyncFnOnce(&Os<Unix>, &Connections<'_, lab::Device<'_>>) -> Result<()> + Send + 'static,
{
    let client = lab::start_beside(Setting::default(), client)?;
    part()?;
    client.recv_timeout(PATIENCE).context("the stack does not end")?
}

pub(crate) fn bulk() -> Result<()> {
    const LEN: usize = 4 << 20;
    let server = BulkServer::new()?;
    both(async |_, tcp| send_bulk(tcp, LEN).await, || server.take(LEN))
}

pub(crate) fn interactive() -> Result<()> {
    let shell = Shell::new()?;
    both(async |os, tcp| type_and_read(os, tcp, 300).await, || shell.serve(300))
}

pub(crate) fn netcat() -> Result<()> {
    const LEN: usize = 1 << 20;
    let netcat = Netcat::new(LEN)?;
    both(async |os, tcp| to_netcat(os, tcp, LEN).await, || netcat.check())
}

/// Takes a stream to its end, then thanks for it.
pub(crate) struct BulkServer(TcpListener);

impl BulkServer {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(listen(BULK_PORT)?))
    }

    pub(crate) fn take(&self, len: usize) -> Result<()> {
        let mut flow = accept(&self.0)?;
        let mut got = Vec::new();
        flow.read_to_end(&mut got)?;
        let digest = hex(Sha256::new().chain_update(&got));
        ensure!(got.len() == len && digest == stream(len, |_| Ok(()))?, "not the bytes that were sent");
        Ok(flow.write_all(b"thanks")?)
    }
}

/// The stack sends to [`BulkServer`].
pub(crate) async fn send_bulk<N: Network>(tcp: &Connections<'_, N>, len: usize) -> Result<()> {
    let mut flow = tcp.create_connection(kernel(BULK_PORT)).await?;
    let mut buffer = [0; 4096];
    for start in (0..len).step_by(buffer.len()) {
        let piece = (len - start).min(buffer.len());
        fill_bytes(start as u64 / 8, &mut buffer[..piece]);
        flow.write_all(&buffer[..piece]).await?;
    }
    flow.close().await?;
    let mut answer = Vec::new();
    loop {
        match flow.read(&mut buffer).await? {
            0 => break,
            n => answer.extend_from_slice(&buffer[..n]),
        }
    }
    ensure!(answer == b"thanks", "{answer:?}");
    Ok(())
}

/// What one end of a session says at a time: a key, a line, a few of them.
fn saying(end: u8, round: usize) -> Vec<u8> {
    (0..1 + round * 7 % 60).map(|at| (at * 11 + round) as u8 ^ end).collect()
}

/// All that one end says.
fn said(end: u8, rounds: usize) -> Vec<u8> {
    (0..rounds).flat_map(|round| saying(end, round)).collect()
}

/// The kernel's end of a session, as of a remote shell: both say small things
/// whenever they like, and each hears all of the other. Before that, each key
/// comes back.
pub(crate) struct Shell(TcpListener);

impl Shell {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(listen(SHELL_PORT)?))
    }

    pub(crate) fn serve(&self, rounds: usize) -> Result<()> {
        let mut flow = accept(&self.0)?;
        for round in 0..rounds {
            let mut key = vec![0; saying(0, round).len()];
            flow.read_exact(&mut key).with_context(|| format!("key {round}"))?;
            flow.write_all(&key)?;
        }
        let mut talking = flow.try_clone()?;
        let talk = thread::spawn(move || -> Result<()> {
            for round in 0..rounds {
                talking.write_all(&saying(1, round))?;
                thread::sleep(Duration::from_micros(700));
            }
            Ok(talking.shutdown(Shutdown::Write)?)
        });
        let mut heard = Vec::new();
        flow.read_to_end(&mut heard)?;
        talk.join().map_err(|_| anyhow!("the talker panicked"))??;
        ensure!(heard == said(2, rounds), "the kernel heard what was not said");
        Ok(())
    }
}

/// The stack's end of it.
pub(crate) async fn type_and_read<N: Network>(
    os: &Os<Unix>,
    tcp: &Connections<'_, N>,
    rounds: usize,
) -> Result<()> {
    let mut flow = tcp.create_connection(kernel(SHELL_PORT)).await?;
    flow.set_nodelay(true);
    for round in 0..rounds {
        let sent = saying(0, round);
        flow.write_all(&sent).await?;
        let mut got = vec![0; sent.len()];
        let mut len = 0;
        while len < got.len() {
            let n = flow.read(&mut got[len..]).await?;
            ensure!(n > 0, "ended at key {round}");
            len += n;
        }
        ensure!(got == sent, "key {round} came back as another");
    }
    let (mut reads, mut writes) = flow.split();
    let talk = async {
        for round in 0..rounds {
            writes.write_all(&saying(2, round)).await?;
            os.sleep(Duration::from_micros(500)).await;
        }
        writes.close().await?;
        anyhow::Ok(())
    };
    let hear = async {
        let (mut heard, mut buffer) = (Vec::new(), [0; 100]);
        loop {
            match reads.read(&mut buffer).await? {
                0 => break,
                n => heard.extend_from_slice(&buffer[..n]),
            }
        }
        ensure!(heard == said(1, rounds), "the stack heard what was not said");
        anyhow::Ok(())
    };
    let (talked, heard) = join!(talk, hear);
    talked.and(heard)
}

/// A netcat that waits for the stack, sends a file and keeps what comes.
pub(crate) struct Netcat {
    expected: String,
    got: Scratch,
    _sent: Scratch,
    netcat: Daemon,
}

impl Netcat {
    pub(crate) fn new(len: usize) -> Result<Self> {
        let (sent, got) = (Scratch::new("to-stack"), Scratch::new("from-stack"));
        let mut file = File::create(sent.path())?;
        let expected = stream(len, |piece| Ok(file.write_all(piece)?))?;
        let script = format!("exec nc -N -l {NETCAT_PORT} < {} > {}", sent.path(), got.path());
        let netcat = Daemon::start("sh", &["-c", &script])?;
        Ok(Self { expected, got, _sent: sent, netcat })
    }

    pub(crate) fn check(self) -> Result<()> {
        self.netcat.wait(PATIENCE)?;
        ensure!(digest_of(self.got.path())? == self.expected, "netcat got what was not sent");
        Ok(())
    }
}

/// The stack sends to netcat and reads from it, at the same time.
pub(crate) async fn to_netcat<N: Network>(os: &Os<Unix>, tcp: &Connections<'_, N>, len: usize) -> Result<()> {
    // A program that has been started does not listen yet.
    let mut tries = 0;
    let flow = loop {
        match tcp.create_connection(kernel(NETCAT_PORT)).await {
            Ok(flow) => break flow,
            Err(error) => ensure!(tries < 1500, "{error}"),
        }
        tries += 1;
        os.sleep(Duration::from_millis(20)).await;
    };
    let (mut reads, mut writes) = flow.split();
    let send = async {
        let mut buffer = vec![0; 1 << 16];
        for start in (0..len).step_by(buffer.len()) {
            let piece = (len - start).min(buffer.len());
            fill_bytes(start as u64 / 8, &mut buffer[..piece]);
            writes.write_all(&buffer[..piece]).await?;
        }
        anyhow::Ok(writes)
    };
    let receive = async {
        let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
        loop {
            match reads.read(&mut buffer).await? {
                0 => break,
                n => digest.update(&buffer[..n]),
            }
        }
        ensure!(hex(digest) == stream(len, |_| Ok(()))?, "the stack got what was not sent");
        anyhow::Ok(())
    };
    // A netcat that listens ends with its peer's stream, whatever it has left.
    let (sent, received) = join!(send, receive);
    received?;
    Ok(sent?.close().await?)
}
