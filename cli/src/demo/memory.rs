//! The stack on a link in memory, a second stack at the other end.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fata::os::{self, Os, unix::Unix};
use fata::prelude::*;
use fata::traits::{ConnectError, Connections, Flow, IcmpErrorKind, UnreachableCode, WakerSet};
use netif_memory::{Link, Settings};

use super::{Outcome, PEER, STACK, report};
use crate::arguments::DemoArguments;
use crate::capture;
use crate::meter::{Meter, Tally};
use crate::ping::Pinger;

/// How long to wait for any one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs both stacks in one run loop.
pub(super) fn show(console: &impl Console, arguments: &DemoArguments) -> Result<()> {
    let tally = Tally::default();
    os::unix::run(async |os| {
        let link = Link::new(os, Settings::new());
        let [near, far] = link.ports();
        let near = Meter::new(near, tally.clone());
        let peer = act(console, os, &far);
        match &arguments.pcap {
            Some(file) => beside(console, os, &capture::write(near, file)?, peer).await,
            None => beside(console, os, &near, peer).await,
        }
    })??;
    let (received, sent) = tally.frames();
    console.log(format_args!("\n{received} frames received and {sent} sent by the stack:\n\n{tally}"));
    Ok(())
}

/// Runs the slides' stack on `net` until `peer` is through.
async fn beside(
    console: &impl Console,
    os: &Os<Unix>,
    net: &impl Network<Error: Send + Sync + 'static>,
    peer: impl Future<Output = Result<()>>,
) -> Result<()> {
    let stack = async {
        match examples::custom_stack::start(console, net, os, os.random()).await {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        }
    };
    os::race!(stack, peer)
}

/// The peer: a tower of its own that does what the kernel does elsewhere.
async fn act(
    console: &impl Console,
    os: &Os<Unix>,
    net: &impl Network<Error: Send + Sync + 'static>,
) -> Result<()> {
    let e = Ethif::connect(net);
    let i = Ipv4::connect_with(&e, &mut os.random());
    i.configure(&Config { addresses: &[PEER], ..Config::default() });
    let udp = Udp::connect(&i);
    let tcp = Tcp::connect(&i, &mut os.random());
    let pinger = Pinger::new(1);
    let refusals = Refusals::default();
    let packets = async {
        let listen = net.listen(|frame| {
            let labels = || {
                ipv4::listeners()
                    .icmp(|m| pinger.input(m))
                    .tcp(|s| tcp.input(s, |_| None))
                    .udp(|d| udp.input(d, |_| Some(&refusals)))
            };
            e.input(frame, ethif::listeners().ipv4(|p| i.input(p, labels())));
        });
        match listen.await {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        }
    };
    let steps = async {
        for size in [56, 8_000, 65_507] {
            let title = format!("ping {STACK}, {size} bytes");
            timed(console, os, title, async {
                pinger.ping(&i, os, STACK, 1, size, PATIENCE).await?;
                Ok("answered with the bytes sent".to_owned())
            })
            .await?;
        }
        timed(console, os, format!("get http://{STACK}/ over TCP"), get(&tcp)).await?;
        timed(console, os, format!("send UDP to {STACK} port 53"), async {
            udp.send(9_000, SocketAddrV4::new(STACK, 53), b"hello")?;
            refusals.next().await;
            Ok("seen by the stack, and answered: port unreachable".to_owned())
        })
        .await?;
        timed(console, os, format!("connect to {STACK} port 81, which is closed"), be_refused(&tcp)).await
    };
    let tasks = async {
        match tcp.run(os).await {
            Ok(never) | Err(never) => match never {},
        }
    };
    os::race!(packets, steps, tasks)
}

/// Gets the page of the stack's server.
async fn get(tcp: &impl Connections) -> Result<String> {
    page(&mut tcp.create_connection(SocketAddrV4::new(STACK, 80)).await?).await
}

/// Connects to a port that is closed.
async fn be_refused(tcp: &impl Connections) -> Result<String> {
    match tcp.create_connection(SocketAddrV4::new(STACK, 81)).await {
        Err(ConnectError::Refused) => Ok("refused".to_owned()),
        Err(error) => bail!("expected a refusal, got: {error}"),
        Ok(_) => bail!("expected a refusal, got a connection"),
    }
}

/// Does one step, within its time, and reports it.
async fn timed(
    console: &impl Console,
    time: &impl Time,
    title: String,
    step: impl Future<Output = Result<String>>,
) -> Result<()> {
    let start = time.now();
    let late = async {
        time.sleep(PATIENCE).await;
        bail!("no answer within {} s", PATIENCE.as_secs())
    };
    let result = os::race!(step, late).with_context(|| title.clone())?;
    report(console, &Outcome { title, result, took: time.now().duration_since(start) });
    Ok(())
}

/// Gets `/` and returns what the page says.
async fn page(flow: &mut impl Flow) -> Result<String> {
    flow.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match flow.read(&mut buffer).await? {
            0 => break,
            n => answer.extend_from_slice(&buffer[..n]),
        }
    }
    flow.close().await?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    ensure!(head.contains("200 OK"), "refused: {head}");
    Ok(format!("{:?}", body.trim_end()))
}

/// Waits for the report that a port is unreachable.
#[derive(Default)]
struct Refusals {
    seen: Cell<bool>,
    waker: WakerSet<1>,
}

impl Refusals {
    async fn next(&self) {
        poll_fn(|context| {
            if self.seen.take() {
                return Poll::Ready(());
            }
            self.waker.register(context.waker());
            Poll::Pending
        })
        .await;
    }
}

impl Receive for Refusals {
    fn receive(&self, _: fata::traits::Datagram<'_>) {}

    fn error(&self, error: fata::traits::DatagramError) {
        if error.kind == IcmpErrorKind::Unreachable(UnreachableCode::Port) {
            self.seen.set(true);
            self.waker.wake();
        }
    }
}
