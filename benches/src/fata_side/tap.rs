//! The tower on the tap.

use core::future::{Future, poll_fn};
use core::hint::black_box;
use core::task::Poll;
use std::cell::Cell;
use std::num::NonZeroU16;

use anyhow::{Result, anyhow};
use fata::netif_unix_tap::{Options, Tap};
use fata::os::race;
use fata::os::unix::Unix;
use fata::os::{self, Os};
use fata::traits::{Datagram, Datagrams as _, Endpoint, Layer as _, SendError, WakerSet};

use super::tower::{self, Tower};
use crate::meter::{Meter, Report};
use crate::tap::{CHUNK, DATAGRAM, KERNEL, MAC, PORT, Ready, SEGMENTS, STACK, TAP, offload};
use crate::{Arguments, Row};

type Device<'o> = Tap<&'o Os<Unix>>;

/// The report of datagrams received, and who waits for it.
#[derive(Default)]
struct Done {
    report: Cell<Option<Report>>,
    waiting: WakerSet<1>,
}

pub(crate) fn run(arguments: &Arguments, ready: Ready) -> Result<Report> {
    let loops = os::unix::run(async |os: &Os<Unix>| {
        os.set_spinning(arguments.spin);
        let options = Options::new().mac(MAC).offload(offload(arguments)).vnet_header(!arguments.no_offload);
        let net = options.open(os, TAP).map_err(|error| anyhow!("{error}"))?;
        let _ = ready.send(());
        let below = tower::below(&net, STACK);
        let tower = Tower::new(&net, &below);
        // Made once the row begins to count.
        let meter = Cell::new(None);
        let done = Done::default();
        let take = |datagram: Datagram<'_>| {
            black_box(datagram.payload);
            let kept = meter.take().unwrap_or_else(|| Meter::wall(arguments, 4096));
            if kept.add(1) {
                done.report.set(Some(kept.report()));
                done.waiting.wake();
            }
            meter.set(Some(kept));
        };
        let packets =
            async { tower.listen(take).await.map_err(|error| anyhow!("{error}")).map(|never| match never {}) };
        let timers = async {
            let _ = tower.tcp.run(os).await;
            Err(anyhow!("the tower ended"))
        };
        race!(packets, row(arguments, os, &tower, &done), timers)
    });
    loops?
}

async fn row(
    arguments: &Arguments,
    os: &Os<Unix>,
    tower: &Tower<'_, '_, Device<'_>>,
    done: &Done,
) -> Result<Report> {
    match arguments.row {
        Row::TapSend => send(arguments, tower).await,
        Row::TapReceive => receive(arguments, tower).await,
        Row::TapRoundTrips => serve(tower, false).await,
        Row::TapConnect => serve(tower, true).await,
        Row::TapUdpReceive => {
            poll_fn(|context| {
                done.waiting.register(context.waker());
                done.report.take().map_or(Poll::Pending, |report| Poll::Ready(Ok(report)))
            })
            .await
        }
        Row::TapUdpSend => datagrams(arguments, os, tower, 1).await,
        Row::TapUdpSegmented => datagrams(arguments, os, tower, SEGMENTS).await,
        _ => Err(anyhow!("not on a tap")),
    }
}

async fn send(arguments: &Arguments, tower: &Tower<'_, '_, Device<'_>>) -> Result<Report> {
    let mut flow = tower.listener.accept(&tower.tcp).await;
    if arguments.in_place {
        loop {
            flow.write_with(|room| {
                room.fill(black_box(1));
                (room.len(), ())
            })
            .await?;
        }
    }
    if arguments.constant {
        static SOURCE: [u8; CHUNK] = [1; CHUNK];
        loop {
            flow.write_static(black_box(&SOURCE)).await?;
        }
    }
    let source = vec![1; CHUNK];
    loop {
        flow.write_all(&source).await?;
    }
}

async fn receive(arguments: &Arguments, tower: &Tower<'_, '_, Device<'_>>) -> Result<Report> {
    let mut flow = tower.listener.accept(&tower.tcp).await;
    let meter = Meter::wall(arguments, 1 << 22);
    let mut sink = vec![0; 4 * CHUNK];
    loop {
        let len = flow.read(&mut sink).await?;
        black_box(&sink);
        if meter.add(len as u64) {
            return Ok(meter.report());
        }
    }
}

/// Sends back what comes, for all connections; closes after the first byte of
/// those to the port that is counted.
async fn serve(tower: &Tower<'_, '_, Device<'_>>, closes: bool) -> Result<Report> {
    let ended = tower.listener.serve(&tower.tcp, async |mut flow| {
        let mut byte = [0; 64];
        while let Ok(len @ 1..) = flow.read(&mut byte).await {
            if flow.write_all(&byte[..len]).await.is_err() || closes && flow.local().port() == PORT {
                break;
            }
        }
        let _ = flow.close().await;
    });
    let _ = ended.await;
    Err(anyhow!("the server ended"))
}

async fn datagrams(
    arguments: &Arguments,
    os: &Os<Unix>,
    tower: &Tower<'_, '_, Device<'_>>,
    count: usize,
) -> Result<Report> {
    use fata::traits::Time as _;
    // Until the kernel's socket and its end of the cable are there.
    os.sleep(core::time::Duration::from_millis(300)).await;
    let mut endpoint = Endpoint::new(PORT, core::net::SocketAddrV4::new(KERNEL, PORT));
    endpoint.segment_size = if count > 1 { NonZeroU16::new(DATAGRAM as u16) } else { None };
    // 64 at a time, of which the last is said by `flush`.
    endpoint.more = true;
    let meter = Meter::wall(arguments, 4096);
    let payload = [1; DATAGRAM * SEGMENTS];
    let payload = &payload[..count * DATAGRAM];
    loop {
        for _ in 0..64 {
            let sent = tower.udp.write(endpoint, payload.len(), |buffer| {
                buffer.copy_from_slice(black_box(payload));
                buffer.len()
            });
            match sent {
                Ok(()) => {
                    if meter.add(count as u64) {
                        return Ok(meter.report());
                    }
                }
                // The next hop is being asked for.
                Err(SendError::Full | SendError::Unresolved) => break,
                Err(error) => return Err(anyhow!("{error}")),
            }
        }
        tower.udp.flush();
        turn().await;
    }
}

/// Lets the others have their turn.
fn turn() -> impl Future<Output = ()> {
    let mut turned = false;
    poll_fn(move |context| {
        if core::mem::replace(&mut turned, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}
