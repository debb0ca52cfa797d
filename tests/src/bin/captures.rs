//! Makes the captures in `tests/captures` anew: exchanges of the stack with
//! the Linux kernel, curl and dnsmasq, in a network namespace of its own.
//!
//! `cargo xtask captures` runs it. Each capture is replayed at once, and made
//! again if that gives other answers: the machine may have been held up
//! between two readings of its clock.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fata::netif_unix_tap::Tap;
use fata::os::{Os, unix::Unix};
use fata::prelude::*;
use fata::traits::Offload;
use fata_cli::replay::{self, Generators};
use fata_cli::tower::{Services, serve};
use netif_faults::{Faults, Impairments, Probability};
use netif_pcap::{Capture, Format, Recorder};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tests::hostile;
use tests::lab::{self, Case, Daemon, ECHO, KERNEL, STACK, Scratch, Setting, TAP, WEB, run, until};

/// How often a capture is made before it is given up.
const TRIES: usize = 8;

const CASES: &[Case] = &[
    ("ping", ping),
    ("ping_in_fragments", ping_in_fragments),
    ("tcp_accepted", accepted),
    ("tcp_connected", connected),
    ("tcp_closed_port", closed_port),
    ("tcp_with_loss", with_loss),
    ("udp", udp),
    ("curl_get", curl_get),
    ("curl_put", curl_put),
    ("dhcp_lease", dhcp_lease),
];

fn main() -> ExitCode {
    if let Some(code) = lab::child(CASES.iter()) {
        return code;
    }
    let wanted = std::env::args().nth(1);
    let chosen = CASES.iter().filter(|(name, _)| wanted.as_deref().is_none_or(|text| name.contains(text)));
    let mut failed = false;
    for (name, _) in chosen {
        match make(name) {
            Ok(said) => println!("{name}: {said}"),
            Err(error) => {
                failed = true;
                println!("{name}: {error:#}");
            }
        }
    }
    for scene in hostile::scenes() {
        let name = format!("hostile/{}", scene.name);
        if wanted.as_deref().is_none_or(|text| name.contains(text))
            && let Err(error) = hostile_capture(&scene)
        {
            failed = true;
            println!("{}: {error:#}", scene.name);
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).with_extension("pcapng")
}

/// Hostile traffic, and what the stack makes of it.
fn hostile_capture(scene: &hostile::Scene) -> Result<()> {
    let (recording, _) = scene.play()?;
    let file = path(&format!("hostile/{}", scene.name));
    recording.write(File::create(&file)?, Format::PcapNg)?;
    println!("{}: {} frames, {} bytes", scene.name, recording.frames().len(), fs::metadata(file)?.len());
    Ok(())
}

/// Makes one, until it is one that replays.
fn make(name: &str) -> Result<String> {
    let mut last = String::new();
    for tries in 1..=TRIES {
        lab::in_child(name, Duration::from_secs(240))?;
        let recording = replay::read(&path(name))?;
        let (report, differences) = replay::replay(recording, &replay::Options::default())?;
        let again = report.state.counter("tcp", "retransmitted").unwrap_or_default();
        if name == "tcp_with_loss" && again < 2 {
            last = format!("{again} segments sent again");
        } else if differences.is_same() {
            let size = fs::metadata(path(name))?.len();
            return Ok(format!("{} frames as expected, {size} bytes, made {tries} times", differences.same));
        } else {
            last = differences.to_string();
        }
    }
    bail!("replays otherwise, made {TRIES} times: {last}")
}

/// The device of all towers here.
type Net<'a, 'o> = Capture<&'a Tap<&'o Os<Unix>>, File>;

/// As on a wire: large frames would be cut into segments, which arrive one by
/// one in a replay.
fn as_on_a_wire() -> Setting {
    Setting { offload: Offload::empty(), ..Setting::default() }
}

/// What passes `net`, written to the file of `name`.
fn captured<N: Network>(name: &str, os: &Os<Unix>, net: N) -> Result<Capture<N, File>> {
    let recorder = Rc::new(Recorder::new(File::create(path(name))?, Format::PcapNg));
    // Whole ticks of the timestamps of TCP.
    recorder.set_origin(fata::traits::Instant::from_millis(os.now().as_millis()));
    Ok(Capture::shared(net, &recorder, TAP))
}

/// Starts `tower` on a tap, captured.
fn capture<F>(name: &'static str, tower: F) -> Result<()>
where
    F: AsyncFnOnce(&Os<Unix>, &Net<'_, '_>) -> Result<Never> + Send + 'static,
{
    lab::start_with(as_on_a_wire(), async move |os, net, _| tower(os, &captured(name, os, net)?).await)
}

/// The servers.
async fn serving<N: Network<Error: Send + Sync + 'static>>(os: &Os<Unix>, net: &N) -> Result<Never> {
    let address = Cidr::new(STACK, 24);
    let addressing = fata_cli::tower::Addressing::Static { address, gateways: vec![KERNEL.address()] };
    match serve(os, net, &addressing, Services { web: Some(WEB), echo: Some(ECHO) }).await {
        Ok(never) => match never {},
        Err(error) => Err(error.into()),
    }
}

/// The servers, captured.
fn servers(name: &'static str) -> Result<()> {
    capture(name, async |os, net| serving(os, net).await)
}

/// Lets what is under way arrive, and timers of the stack's run out.
fn settle() {
    thread::sleep(Duration::from_millis(300));
}

fn ping() -> Result<()> {
    servers("ping")?;
    run("ping", &["-q", "-c", "3", "-i", "0.2", "10.0.0.2"])?;
    run("arping", &["-c", "1", "-I", TAP, "10.0.0.2"])?;
    settle();
    Ok(())
}

fn ping_in_fragments() -> Result<()> {
    servers("ping_in_fragments")?;
    run("ping", &["-q", "-c", "1", "-s", "3000", "10.0.0.2"])?;
    settle();
    Ok(())
}

/// The kernel connects, and there is an exchange to and fro.
fn accepted() -> Result<()> {
    servers("tcp_accepted")?;
    let mut flow = TcpStream::connect((STACK, ECHO))?;
    flow.set_nodelay(true)?;
    for text in ["one", "two, a little later", "three"] {
        flow.write_all(text.as_bytes())?;
        let mut answer = vec![0; text.len()];
        flow.read_exact(&mut answer)?;
        ensure!(answer == text.as_bytes());
        thread::sleep(Duration::from_millis(60));
    }
    flow.write_all(&[7; 4000])?;
    flow.shutdown(Shutdown::Write)?;
    let mut rest = Vec::new();
    flow.read_to_end(&mut rest)?;
    ensure!(rest == [7; 4000]);
    settle();
    Ok(())
}

/// The stack connects to the kernel.
fn connected() -> Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", 9000))?;
    capture("tcp_connected", async |os, net| {
        let e = Ethif::connect(net);
        let i = Ipv4::connect(&e);
        i.configure(&Config { addresses: &[Cidr::new(STACK, 24)], ..Config::default() });
        let tcp = Tcp::connect(&i, &mut os.random());
        let packets = net.listen(|frame| {
            e.input(
                frame,
                ethif::listeners().ipv4(|p| i.input(p, ipv4::listeners().tcp(|s| tcp.input(s, |_| None)))),
            );
        });
        let client = async {
            let mut flow = tcp.create_connection(SocketAddrV4::new(KERNEL.address(), 9000)).await?;
            flow.write_all(&[1; 3000]).await?;
            let mut answer = [0; 64];
            let len = flow.read(&mut answer).await?;
            ensure!(&answer[..len] == b"thanks", "another answer");
            flow.write_all(b"bye").await?;
            flow.close().await?;
            std::future::pending().await
        };
        try_join!(packets, client, tcp.run(os))
    })?;
    let (mut flow, _) = listener.accept()?;
    let mut got = vec![0; 3000];
    flow.read_exact(&mut got)?;
    thread::sleep(Duration::from_millis(50));
    flow.write_all(b"thanks")?;
    let mut rest = String::new();
    flow.read_to_string(&mut rest)?;
    ensure!(rest == "bye", "{rest:?}");
    drop(flow);
    settle();
    Ok(())
}

/// An exchange over a link that loses frames both ways, of which the stack
/// sends some again, and the kernel others. The capture has what the stack
/// saw: what it sent and was lost, and not what was lost on its way to it.
fn with_loss() -> Result<()> {
    /// One by which data is lost both ways, not at its end alone.
    const SEED: u64 = 2;
    lab::start_with(as_on_a_wire(), async move |os, net, _| {
        let bad = Impairments::NONE
            .with_loss(Probability::percent(15))
            .with_delay(Duration::from_millis(10), Duration::ZERO);
        let net = Faults::new(net, ChaCha8Rng::seed_from_u64(SEED), bad, bad);
        serving(os, &captured("tcp_with_loss", os, net)?).await
    })?;
    // Small segments: many of them in a small file.
    run("ip", &["route", "change", "10.0.0.0/24", "dev", TAP, "mtu", "576", "advmss", "536"])?;
    let mut flow = TcpStream::connect((STACK, ECHO))?;
    let data = [7; 10_000];
    flow.write_all(&data)?;
    flow.shutdown(Shutdown::Write)?;
    let mut rest = Vec::new();
    flow.read_to_end(&mut rest)?;
    ensure!(rest == data);
    settle();
    Ok(())
}

fn closed_port() -> Result<()> {
    servers("tcp_closed_port")?;
    ensure!(TcpStream::connect((STACK, 4711)).is_err(), "somebody listens");
    settle();
    Ok(())
}

fn udp() -> Result<()> {
    servers("udp")?;
    let socket = UdpSocket::bind((KERNEL.address(), 0))?;
    for size in [0, 5, 600, 2000] {
        let data = vec![9; size];
        socket.send_to(&data, (STACK, ECHO))?;
        let mut buffer = [0; 4096];
        let (len, _) = socket.recv_from(&mut buffer)?;
        ensure!(buffer[..len] == data);
    }
    socket.send_to(b"anybody?", (STACK, 4711))?;
    settle();
    Ok(())
}

fn curl_get() -> Result<()> {
    servers("curl_get")?;
    run("curl", &["-sS", "--fail", "--max-time", "20", "http://10.0.0.2/"])?;
    run("curl", &["-sS", "--fail", "--max-time", "20", "-o", "/dev/null", "http://10.0.0.2/bytes/10000"])?;
    settle();
    Ok(())
}

fn curl_put() -> Result<()> {
    servers("curl_put")?;
    let file = Scratch::new("put");
    fs::write(file.path(), [5; 9000])?;
    let said = run("curl", &["-sS", "--fail", "--max-time", "20", "-T", file.path(), "http://10.0.0.2/"])?;
    ensure!(said.contains("9000 bytes"), "{said}");
    settle();
    Ok(())
}

/// A lease from dnsmasq, renewed once.
fn dhcp_lease() -> Result<()> {
    let log = Scratch::new("log");
    let leases = Scratch::new("leases");
    fs::write(leases.path(), "")?;
    let facility = format!("--log-facility={}", log.path());
    let lease_file = format!("--dhcp-leasefile={}", leases.path());
    capture("dhcp_lease", async |os, net| {
        let generators = Generators::default();
        let console = &os.console();
        let e = Ethif::connect(net).seeded(&mut generators.ethernet());
        let i = Ipv4::connect_with(&e, &mut generators.ip());
        let udp = Udp::connect(&i);
        let dhcp = Dhcp::create(console, os, generators.dhcp(), &e, &i, &udp);
        let packets = net.listen(|frame| {
            e.input(
                frame,
                ethif::listeners()
                    .ipv4(|p| i.input(p, ipv4::listeners().udp(|d| udp.input(d, |port| dhcp.listen(port))))),
            );
        });
        try_join!(packets, dhcp.run(), udp.run(os))
    })?;
    let _server = Daemon::start(
        "dnsmasq",
        &[
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--interface=tap0",
            "--bind-interfaces",
            "--no-ping",
            "--dhcp-range=10.0.0.50,10.0.0.60,255.255.255.0,2m",
            "--dhcp-option=option:router,10.0.0.1",
            // Renewed soon.
            "--dhcp-option=option:T1,8",
            "--log-dhcp",
            &lease_file,
            "--user=root",
            "--pid-file=",
            &facility,
        ],
    )?;
    until("no second DHCPACK", Duration::from_secs(100), || {
        let text = fs::read_to_string(log.path()).unwrap_or_default();
        Ok(text.matches("DHCPACK").count() >= 2)
    })?;
    ping_leased(leases.path())?;
    settle();
    Ok(())
}

/// Pings whatever address was leased.
fn ping_leased(leases: &str) -> Result<()> {
    let text = fs::read_to_string(leases)?;
    let address = text.split_whitespace().nth(2).context("no lease")?;
    run("ping", &["-q", "-c", "1", address])?;
    Ok(())
}
