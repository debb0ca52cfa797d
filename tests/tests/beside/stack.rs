//! This stack as the host, in virtual time.

use std::cell::RefCell;
use std::pin::{Pin, pin};

use anyhow::{Context as _, Result, anyhow};
use fata::prelude::*;
use fata::tcpv4::{self, Heap};
use fata::traits::{ConnectError, Frame, Inbound, Ip, TxMeta};
use futures_util::FutureExt;
use netif_memory::{Link, Settings, Simulator, VirtualClock};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::dialogue::{Act, Dialogue, Step};
use crate::peer::{Peer, Said};
use crate::{HOST, LISTENED, PAUSE, PEER};

/// What it answered, step by step.
pub(crate) fn play(dialogue: &Dialogue) -> Result<Vec<Vec<Said>>> {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [near, far] = link.ports();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let ip = Ipv4::connect(Ethif::connect(&near));
    ip.configure(&Config { addresses: &[Cidr::new(HOST, 24)], ..Config::default() });
    let tcp = Tcp::connect(&ip, &mut random);
    let listener: Listener = Listener::new();
    let input = |frame: Frame<'_>| {
        let tcp = |s: Inbound<'_>| tcp.input(s, |port| (port == LISTENED).then_some(&listener as _));
        ip.ethernet().input(frame, ethif::listeners().ipv4(|p| ip.input(p, ipv4::listeners().tcp(tcp))));
    };
    let heard = RefCell::new(Vec::new());
    let hear = far.listen(|frame| heard.borrow_mut().push(frame.bytes.to_vec()));
    let mut peer = Peer::new(near.mac(), [PEER, HOST], [PORT, LISTENED]);
    let mut program = Program { tcp: &tcp, listener: &listener, flow: None, connecting: None };
    let talk = async {
        let write = |frame: Vec<u8>| {
            let written = far.write(TxMeta::NONE, frame.len(), |buffer| {
                buffer.copy_from_slice(&frame);
                frame.len()
            });
            far.flush();
            written.map_err(|error| anyhow!("{error:?}"))
        };
        // What it says of itself when it starts.
        write(peer.introduce())?;
        clock.sleep(PAUSE).await;
        let mut answers = Vec::new();
        for step in &dialogue.steps {
            heard.borrow_mut().clear();
            let mut said = Vec::new();
            match step {
                Step::Says(probe) => write(peer.say(probe))?,
                Step::Does(act) => said.extend(program.act(*act)),
            }
            clock.sleep(PAUSE).await;
            program.go_on();
            let frames = std::mem::take(&mut *heard.borrow_mut());
            said.extend(frames.iter().filter_map(|frame| peer.hear(frame)));
            answers.push(said);
        }
        anyhow::Ok(answers)
    };
    let tower = async {
        fata::os::race!(
            async { Err(anyhow!("{:?}", near.listen(input).await)) },
            async { Err(anyhow!("{:?}", hear.await)) },
            async { Err(anyhow!("{:?}", tcp.run(&clock).await)) },
            talk
        )
    };
    Simulator::new(&clock).run(pin!(tower)).context("the simulation")?
}

/// A connection of the host's.
type Flow<'t, I> = tcpv4::Flow<'t, I, Heap>;

/// What becomes of an attempt to connect.
type Connected<'t, I> = Result<Flow<'t, I>, ConnectError>;

/// The peer's port.
const PORT: u16 = 7000;
/// From where the host connects.
const OWN_PORT: u16 = 20_000;

/// The host's program.
struct Program<'t, I: Ip> {
    tcp: &'t Tcp<I>,
    listener: &'t Listener,
    flow: Option<Flow<'t, I>>,
    connecting: Option<Pin<Box<dyn Future<Output = Connected<'t, I>> + 't>>>,
}

impl<'t, I: Ip> Program<'t, I> {
    /// A connection may have come about.
    fn go_on(&mut self) {
        if let Some(Some(ended)) = self.connecting.as_mut().map(|future| future.now_or_never()) {
            self.connecting = None;
            self.flow = ended.ok();
        }
    }

    fn act(&mut self, act: Act) -> Option<Said> {
        match act {
            Act::Connect => {
                let (tcp, to) = (self.tcp, SocketAddrV4::new(PEER, PORT));
                self.connecting = Some(Box::pin(tcp.create_connection_from(OWN_PORT, to)));
                self.go_on();
                return None;
            }
            Act::Accept => {
                self.flow = self.listener.accept(self.tcp).now_or_never();
                return None;
            }
            Act::Write(_) | Act::Read | Act::Shutdown | Act::Close | Act::Abort => {}
        }
        let flow = self.flow.as_mut()?;
        match act {
            Act::Connect | Act::Accept => {}
            Act::Write(len) => drop(flow.write(&vec![b'y'; len]).now_or_never()),
            Act::Read => return Some(read(flow)),
            Act::Shutdown => drop(flow.close().now_or_never()),
            Act::Close => {
                let _ = flow.close().now_or_never();
                self.flow = None;
            }
            Act::Abort => {
                flow.abort();
                self.flow = None;
            }
        }
        None
    }
}

/// Reads all that is there.
fn read<I: Ip>(flow: &mut Flow<'_, I>) -> Said {
    let (mut buffer, mut count) = ([0; 4096], 0);
    loop {
        match flow.read(&mut buffer).now_or_never() {
            None => return Said::Read(count, ""),
            Some(Ok(0)) => return Said::Read(count, "the end"),
            Some(Ok(len)) => count += len,
            Some(Err(_)) => return Said::Read(count, "an error"),
        }
    }
}
