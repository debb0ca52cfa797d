//! Linux as the host, in the namespace that the process is in. Real time passes,
//! so many dialogues go on side by side.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use fata::netif_unix_tap::{Options, Tap, setup};
use fata::os::{self, Os, unix::Unix};
use fata::prelude::*;
use fata::traits::{EtherType, MacAddr, TxMeta};
use rustix::event::{self, PollFd, PollFlags, Timespec};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use tests::frames::PEER_MAC;
use tests::lab::{TAP, run};

use crate::dialogue::{Act, Dialogue, Step};
use crate::peer::{self, Peer, Said};
use crate::{HOST, LISTENED, PAUSE, PEER};

/// Dialogues side by side.
const SIDE_BY_SIDE: usize = 250;

/// So many of them say something before what the kernel says is read: it has room for
/// some 500 frames.
const READ_AFTER: usize = 25;

/// So many steps together may take so much longer than their pauses: the kernel sends
/// again what is not acknowledged for 260 ms.
const TOGETHER: usize = 3;
const HELD_UP: Duration = Duration::from_millis(60);

/// What it answered, dialogue by dialogue and step by step.
pub(crate) fn play(dialogues: &[Dialogue]) -> Result<Vec<Vec<Vec<Said>>>> {
    os::unix::run(async |os| {
        let net = Options::new().vnet_header(false).open(os, TAP)?;
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{TAP}/disable_ipv6"), "1")?;
        for (setting, value) in SETTINGS {
            let file = format!("/proc/sys/net/ipv4/{setting}");
            std::fs::write(&file, value).with_context(|| format!("write {value:?} to {file}"))?;
        }
        setup::bring_up(TAP, Cidr::new(HOST, 24))?;
        let mac = setup::mac(TAP)?;
        // For good: how long this process stands still is no matter of the peer's.
        let (peer, at) = (PEER.to_string(), PEER_MAC.to_string());
        run("ip", &["neighbour", "replace", &peer, "lladdr", &at, "dev", TAP, "nud", "permanent"])?;
        let heard = RefCell::new(Vec::new());
        let hear = net.listen(|frame| heard.borrow_mut().push(frame.bytes.to_vec()));
        let talk = async {
            let mut answers = Vec::new();
            let mut port: u16 = 1024;
            for some in dialogues.chunks(SIDE_BY_SIDE) {
                // Others, where the kernel may have said something of itself in between.
                loop {
                    let talks = some.iter().zip(port..).map(|(dialogue, port)| Talk::new(mac, port, dialogue));
                    let room = Room { os, net: &net, heard: &heard, talks: talks.collect() };
                    port =
                        port.checked_add(SIDE_BY_SIDE as u16).context("the machine stands still too often")?;
                    if let Some(played) = room.play().await? {
                        answers.extend(played);
                        break;
                    }
                }
            }
            anyhow::Ok(answers)
        };
        fata::os::race!(async { Err(anyhow!("{:?}", hear.await)) }, talk)
    })?
}

/// What a new namespace has where nobody has set anything else.
const SETTINGS: &[(&str, &str)] = &[
    ("tcp_sack", "1"),
    ("tcp_timestamps", "1"),
    ("tcp_window_scaling", "1"),
    ("tcp_ecn", "2"),
    ("tcp_syncookies", "1"),
    ("tcp_max_syn_backlog", "4096"),
];

/// Which Linux it is.
pub(crate) fn version() -> Result<(u32, u32)> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(anyhow!("not a release of Linux: {release}")),
    }
}

/// One dialogue.
struct Talk<'d> {
    dialogue: &'d Dialogue,
    port: u16,
    peer: Peer,
    flow: Option<TcpStream>,
    /// Whether the flow has been connected: before, there is nothing to read.
    has_connected: bool,
    answers: Vec<Vec<Said>>,
}

impl<'d> Talk<'d> {
    fn new(host: MacAddr, port: u16, dialogue: &'d Dialogue) -> Self {
        let peer = Peer::new(host, [PEER, HOST], [port, LISTENED]);
        Self { dialogue, port, peer, flow: None, has_connected: false, answers: Vec::new() }
    }
}

/// Dialogues side by side, each with a port of its own.
struct Room<'r, 'd> {
    os: &'r Os<Unix>,
    net: &'r Tap<&'r Os<Unix>>,
    heard: &'r RefCell<Vec<Vec<u8>>>,
    talks: Vec<Talk<'d>>,
}

impl Room<'_, '_> {
    /// What the kernel answered; `None` if steps took so long that its timers may have
    /// had a say.
    async fn play(mut self) -> Result<Option<Vec<Vec<Vec<Said>>>>> {
        // What the kernel says to the end of those before takes the room of what it says next.
        self.listen_to_the_end().await;
        let listener = TcpListener::bind((HOST, LISTENED))?;
        // Twice: the first one is for 128 that nobody accepts.
        net::listen(&listener, 4096)?;
        listener.set_nonblocking(true)?;
        let mut accepted = BTreeMap::new();
        let steps = self.talks.iter().map(|talk| talk.dialogue.steps.len()).max().unwrap_or(0);
        let mut began = [Instant::now(); TOGETHER];
        for step in 0..steps {
            self.hear();
            for at in 0..self.talks.len() {
                if at % READ_AFTER == 0 {
                    self.listen_to_the_end().await;
                }
                let talk = &mut self.talks[at];
                let Some(step) = talk.dialogue.steps.get(step) else { continue };
                match *step {
                    Step::Says(probe) => {
                        talk.answers.push(Vec::new());
                        let frame = talk.peer.say(&probe);
                        self.write(frame).await?;
                    }
                    Step::Does(act) => {
                        if act == Act::Accept {
                            accept(&listener, &mut accepted)?;
                            talk.flow = accepted.remove(&talk.port);
                        }
                        let said = talk.act(act)?;
                        talk.answers.push(said.into_iter().collect());
                    }
                }
            }
            if !self.is_taken().await? {
                return Ok(None);
            }
            self.os.sleep(PAUSE).await;
            self.listen_to_the_end().await;
            self.hear();
            for talk in &mut self.talks {
                talk.has_connected |= talk.flow.as_ref().is_some_and(is_open);
            }
            let now = Instant::now();
            if now - began[0] > PAUSE * TOGETHER as u32 + HELD_UP {
                return Ok(None);
            }
            began.rotate_left(1);
            began[TOGETHER - 1] = now;
        }
        Ok(Some(self.talks.into_iter().map(|talk| talk.answers).collect()))
    }

    async fn write(&self, frame: Vec<u8>) -> Result<()> {
        loop {
            let written = self.net.write(TxMeta::NONE, frame.len(), |buffer| {
                buffer.copy_from_slice(&frame);
                frame.len()
            });
            self.net.flush();
            match written {
                Ok(()) => return Ok(()),
                Err(fata::traits::SendError::Full) => self.os.sleep(PAUSE / 20).await,
                Err(error) => return Err(anyhow!("{error:?}")),
            }
        }
    }

    /// Whether the kernel has soon taken what was written, which is when it says its
    /// address to who asks for that last.
    async fn is_taken(&self) -> Result<bool> {
        let Some(question) = self.talks.first().map(|talk| talk.peer.introduce()) else { return Ok(true) };
        self.write(question).await?;
        let is_answer = |frame: &Vec<u8>| frame[12..14] == EtherType::ARP.0.to_be_bytes();
        for _ in 0..HELD_UP.as_millis() {
            if self.heard.borrow().iter().any(is_answer) {
                return Ok(true);
            }
            self.os.sleep(Duration::from_millis(1)).await;
        }
        Ok(false)
    }

    /// Lets the device hand over what it has.
    async fn listen_to_the_end(&self) {
        let mut known = usize::MAX;
        while known != self.heard.borrow().len() {
            known = self.heard.borrow().len();
            for _ in 0..3 {
                os::yield_now().await;
            }
        }
    }

    /// Hands what the kernel has sent to whose it is.
    fn hear(&mut self) {
        let frames = std::mem::take(&mut *self.heard.borrow_mut());
        for frame in frames {
            let Some(port) = peer::port(&frame) else { continue };
            let Some(talk) = self.talks.iter_mut().find(|talk| talk.port == port) else { continue };
            let said = talk.peer.hear(&frame);
            if let Some(answers) = talk.answers.last_mut() {
                answers.extend(said);
            }
        }
    }
}

/// Whether it may be read and written.
fn is_open(flow: &TcpStream) -> bool {
    let mut asked = [PollFd::new(flow, PollFlags::OUT)];
    let is_writable = event::poll(&mut asked, Some(&Timespec::default())) == Ok(1);
    is_writable && flow.peer_addr().is_ok()
}

fn accept(listener: &TcpListener, accepted: &mut BTreeMap<u16, TcpStream>) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((flow, SocketAddr::V4(from))) => {
                flow.set_nonblocking(true)?;
                accepted.insert(from.port(), flow);
            }
            Ok((_, SocketAddr::V6(_))) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

impl Talk<'_> {
    fn act(&mut self, act: Act) -> Result<Option<Said>> {
        if act == Act::Connect {
            self.flow = Some(connect(self.port)?);
            return Ok(None);
        }
        let Some(flow) = &mut self.flow else { return Ok(None) };
        if act == Act::Read && !self.has_connected {
            return Ok(None);
        }
        match act {
            Act::Connect | Act::Accept => {}
            // What can't be done shows in what is said.
            Act::Write(len) => drop(flow.write(&vec![b'y'; len])),
            Act::Read => return Ok(Some(read(flow))),
            Act::Shutdown => drop(flow.shutdown(Shutdown::Write)),
            Act::Close => self.flow = None,
            Act::Abort => {
                sockopt::set_socket_linger(&*flow, Some(Duration::ZERO))?;
                self.flow = None;
            }
        }
        Ok(None)
    }
}

fn connect(port: u16) -> Result<TcpStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    match net::connect(&socket, &SocketAddrV4::new(PEER, port)) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}

/// Reads all that is there.
fn read(flow: &mut TcpStream) -> Said {
    let (mut buffer, mut count) = ([0; 4096], 0);
    loop {
        match flow.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Said::Read(count, ""),
            Ok(0) => return Said::Read(count, "the end"),
            Ok(len) => count += len,
            Err(_) => return Said::Read(count, "an error"),
        }
    }
}
