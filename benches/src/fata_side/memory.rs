//! Both ends in one thread, over the link in memory.

use core::future::Future;
use core::hint::black_box;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::cell::Cell;

use anyhow::{Context as _, Result, ensure};
use fata::os::{join, race};
use fata::traits::{Datagrams as _, Endpoint, Layer as _, MacAddr, SendError};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::link::{Clock, End};
use super::tower::{self, Flow, PORT, Tower, server};
use crate::meter::{Meter, Report};
use crate::ring::Ring;
use crate::{Arguments, Row, allocator};

/// What passes between two polls of the whole.
const TICK: u64 = 1_000;
/// Bytes written or read at once.
const CHUNK: usize = 65_536;
/// Connections from one address to one port: all its own ports from 1024 on.
const PER_PORT: usize = 60_000;

type Pair<'a, 'i, 'n, 'r> = [&'a Tower<'i, 'n, End<'r>>; 2];

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let (clock, there, back) = (Clock::default(), Ring::new(), Ring::new());
    let end = |transmit, receive, last| End {
        clock: &clock,
        transmit,
        receive,
        mac: MacAddr([2, 0, 0, 0, 0, last]),
        checksums: arguments.checksums,
    };
    let (near, far) = (end(&there, &back, 1), end(&back, &there, 2));
    let below = [tower::below(&near, tower::CLIENT), tower::below(&far, tower::SERVER)];
    let towers = [Tower::new(&near, &below[0]), Tower::new(&far, &below[1])];
    let [client, server] = &towers;
    let received = Cell::new(0);
    let take = |datagram: fata::traits::Datagram<'_>| {
        black_box(datagram.payload);
        received.set(received.get() + 1);
    };
    let pair = [client, server];
    let measured = async {
        match arguments.row {
            Row::MemoryBulk => bulk(arguments, pair).await,
            Row::MemoryRoundTrips => round_trips(arguments, pair).await,
            Row::MemoryConnect => connect(arguments, pair, &clock).await,
            Row::MemoryUdp => datagrams(arguments, pair, &received).await,
            Row::MemoryIdle => idle(arguments, pair, &clock).await,
            _ => Err(anyhow::anyhow!("not in memory")),
        }
    };
    // Packets first, then the applications, then what there is to say. Both ends
    // run the same code, as smoltcp's do: as two copies of it, inlined here, it would
    // not fit into the processor's cache of instructions, as that of one end does.
    let ended = || Err(anyhow::anyhow!("a tower ended"));
    let listen = |tower| -> Listening<'_> { Box::pin(tower_listens(tower, &take)) };
    let (near, far) = (listen(client), listen(server));
    drive(&clock, async {
        race!(
            near,
            far,
            measured,
            async {
                let _ = client.tcp.run(&clock).await;
                ended()
            },
            async {
                let _ = server.tcp.run(&clock).await;
                ended()
            }
        )
    })
}

type Listening<'a> = Pin<Box<dyn Future<Output = Result<Report>> + 'a>>;

async fn tower_listens(
    tower: &Tower<'_, '_, End<'_>>,
    take: &dyn Fn(fata::traits::Datagram<'_>),
) -> Result<Report> {
    let _ = tower.listen(take).await;
    Err(anyhow::anyhow!("a tower ended"))
}

/// Polls over and over; there is always work to do.
fn drive<F: Future>(clock: &Clock, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        clock.advance(TICK);
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Opens `count` connections and leaves them open: nobody holds their flows.
async fn open<'r>(count: usize, [client, server]: Pair<'_, '_, '_, 'r>) -> Result<()> {
    for n in 0..count {
        let (near, far) = one(n, [client, server]).await?;
        core::mem::forget((near, far));
    }
    Ok(())
}

type Flows<'t, 'i, 'n, 'r> = (Flow<'t, 'i, 'n, End<'r>>, Flow<'t, 'i, 'n, End<'r>>);

/// Opens the `n`th connection.
async fn one<'t, 'i, 'n, 'r>(
    n: usize,
    [client, server]: Pair<'t, 'i, 'n, 'r>,
) -> Result<Flows<'t, 'i, 'n, 'r>> {
    let own = 1024 + (n % PER_PORT) as u16;
    let port = PORT + 1 + (n / PER_PORT) as u16;
    let connect = client.tcp.create_connection_from(own, tower::server(port));
    let (near, far) = join!(connect, server.listener.accept(&server.tcp));
    Ok((near.with_context(|| format!("connection {n}"))?, far))
}

/// Bytes that the reader has got.
async fn bulk(arguments: &Arguments, pair: Pair<'_, '_, '_, '_>) -> Result<Report> {
    open(arguments.others, pair).await?;
    let (mut near, mut far) = one(arguments.others, pair).await?;
    let meter = Meter::cpu(arguments, 1 << 20);
    let source = vec![1; CHUNK];
    let write = async { while near.write_all(black_box(&source)).await.is_ok() {} };
    let read = async {
        if arguments.in_place {
            return look(&mut far, &meter).await;
        }
        let mut sink = vec![0; CHUNK];
        while let Ok(len @ 1..) = far.read(&mut sink).await {
            black_box(&sink);
            if meter.add(len as u64) {
                break;
            }
        }
    };
    race!(write, read);
    Ok(meter.report())
}

/// Reads without a copy.
async fn look(far: &mut Flow<'_, '_, '_, End<'_>>, meter: &Meter) {
    loop {
        let looked = far.read_with(|bytes| (bytes.len(), black_box(bytes).len())).await;
        if !matches!(looked, Ok(Some(len)) if !meter.add(len as u64)) {
            return;
        }
    }
}

/// Round trips of one byte, over all connections.
async fn round_trips(arguments: &Arguments, pair: Pair<'_, '_, '_, '_>) -> Result<Report> {
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for n in 0..arguments.others.max(1) {
        let (near, far) = one(n, pair).await?;
        clients.push(near);
        servers.push(far);
    }
    let meter = Meter::cpu(arguments, 4096);
    if let ([near], [far]) = (&mut clients[..], &mut servers[..]) {
        race!(ask(near, &meter), echo(far));
        return Ok(meter.report());
    }
    if arguments.in_turn {
        let mut echoing: FuturesUnordered<_> = servers.iter_mut().map(echo).collect();
        let asking = async {
            let mut byte = [1];
            loop {
                for flow in &mut clients {
                    let asked = flow.write_all(&byte).await.is_ok() && flow.read(&mut byte).await == Ok(1);
                    if !asked || meter.add(1) {
                        return;
                    }
                }
            }
        };
        race!(asking, async { while echoing.next().await.is_some() {} });
        return Ok(meter.report());
    }
    let mut asking: FuturesUnordered<_> = clients.iter_mut().map(|flow| ask(flow, &meter)).collect();
    let mut echoing: FuturesUnordered<_> = servers.iter_mut().map(echo).collect();
    let echoes = async { while echoing.next().await.is_some() {} };
    race!(
        async {
            let _ = asking.next().await;
        },
        echoes
    );
    Ok(meter.report())
}

async fn ask(flow: &mut Flow<'_, '_, '_, End<'_>>, meter: &Meter) {
    let mut byte = [1];
    loop {
        if flow.write_all(&byte).await.is_err() || flow.read(&mut byte).await != Ok(1) || meter.add(1) {
            return;
        }
    }
}

async fn echo(flow: &mut Flow<'_, '_, '_, End<'_>>) {
    let mut byte = [0];
    while let Ok(1..) = flow.read(&mut byte).await {
        if flow.write_all(&byte).await.is_err() {
            return;
        }
    }
}

/// Connections opened, closed by the client and then by the server.
async fn connect(arguments: &Arguments, pair: Pair<'_, '_, '_, '_>, clock: &Clock) -> Result<Report> {
    open(arguments.others, pair).await?;
    let meter = Meter::cpu(arguments, 256);
    let [client, server] = pair;
    let serve = server.listener.serve(&server.tcp, async |mut flow| {
        let ended = flow.read(&mut [0]).await;
        let closed = flow.close().await;
        (ended, closed)
    });
    let ask = async {
        loop {
            let mut flow = client.tcp.create_connection(server_port()).await?;
            flow.close().await?;
            ensure!(flow.read(&mut [0]).await == Ok(0), "the server did not close");
            drop(flow);
            // As many a second as there are ports for, a minute of waiting
            // after each considered.
            clock.advance(5_000_000);
            if meter.add(1) {
                return Ok(meter.report());
            }
        }
    };
    race!(
        async {
            let _ = serve.await;
            Err(anyhow::anyhow!("the server ended"))
        },
        ask
    )
}

fn server_port() -> core::net::SocketAddrV4 {
    server(PORT)
}

/// Datagrams received, of 64 sent at a time.
async fn datagrams(
    arguments: &Arguments,
    [client, _]: Pair<'_, '_, '_, '_>,
    received: &Cell<u64>,
) -> Result<Report> {
    let meter = Meter::cpu(arguments, 4096);
    let endpoint = Endpoint::new(2000, server(PORT));
    let payload = [1; 18];
    loop {
        for _ in 0..64 {
            let sent = client.udp.write(endpoint, payload.len(), |buffer| {
                buffer.copy_from_slice(black_box(&payload));
                buffer.len()
            });
            if sent == Err(SendError::Full) {
                break;
            }
        }
        client.udp.flush();
        yield_now().await;
        if meter.add(received.take()) {
            return Ok(meter.report());
        }
    }
}

async fn yield_now() {
    let mut yielded = false;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Bytes that an end of an idle connection takes: allocated (`work`) and in
/// memory (`seconds`).
async fn idle(arguments: &Arguments, pair: Pair<'_, '_, '_, '_>, clock: &Clock) -> Result<Report> {
    // What the first connection allocates is not of its kind.
    open(1, pair).await?;
    let before = (allocator::held(), allocator::resident());
    for n in 1..arguments.others {
        // Ten thousand a second: what a handshake takes is given back when its
        // timers have run off.
        clock.advance(100_000);
        let flows = one(n, pair).await?;
        core::mem::forget(flows);
    }
    // Delayed acknowledgements have gone by then.
    clock.advance(2_000_000_000);
    yield_now().await;
    yield_now().await;
    let after = (allocator::held(), allocator::resident());
    let ends = 2.0 * arguments.others as f64;
    let each = |before: usize, after: usize| after.saturating_sub(before) as f64 / ends;
    Ok(Report { work: each(before.0, after.0), seconds: each(before.1, after.1) })
}
