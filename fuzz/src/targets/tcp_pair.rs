//! Two stacks with a network between them that the fuzzer spoils.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ethif::Ethif;
use ipv4::Ipv4;
use netif_faults::{Faults, Impairments, Probability};
use netif_memory::{Link, Settings, Simulator, VirtualClock};
use rand_chacha::rand_core::TryRng;
use tcpv4::{Listener, Tcp};
use traits::{Cidr, Config, FlowError, Instant, Ip, Layer, Network};

use crate::Bytes;
use crate::device::Checked;
use crate::host::random;

use outcome::{Ended, Failure, judge};

mod outcome;

/// A generator whose numbers are the fuzzer's; when they run out, the largest
/// there is, which means that nothing goes wrong any more.
struct Chosen<'b>(&'b RefCell<Bytes<'b>>);

impl TryRng for Chosen<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = self.0.borrow_mut();
        Ok(if bytes.is_empty() { u32::MAX } else { u32::from(bytes.u8()) * 0x0101_0101 })
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(self.try_next_u32()?))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        dst.fill_with(|| self.0.borrow_mut().u8());
        Ok(())
    }
}

/// What one side sent and received, and how it ended.
#[derive(Default)]
struct Side {
    received: RefCell<Vec<u8>>,
    /// Whether what it had to send is acknowledged, its close as well.
    all_said: Cell<bool>,
    ended: Cell<Option<Result<(), Failure>>>,
    /// Frames harmed by then.
    harmed: Cell<u64>,
    /// Frames that came for a hardware address that nobody has: a spoilt answer of
    /// ARP, which has no checksum, leads all astray that go by it.
    astray: Cell<u64>,
}

/// Two stacks that send each other data over a network that loses,
/// duplicates, reorders, delays, spoils and marks what the fuzzer says, with ECN and
/// without. What arrives is what was sent, byte for byte; when nothing goes wrong
/// any more, it comes to an end; and to a bad one only where enough went wrong for that.
pub fn tcp_pair(data: &[u8]) {
    let mut head = Bytes::new(data);
    // How much each side sends, and whether the client offers ECN.
    let sizes = [usize::from(head.u16()), usize::from(head.u16())];
    let (lengths, ecn) = (sizes.map(|size| size % MOST), sizes[0] / MOST % 2 == 1);
    let bytes = RefCell::new(head);
    let clock = VirtualClock::new();
    let delay = Duration::from_millis(u64::from(bytes.borrow_mut().u8()));
    let link = Link::new(&clock, Settings::new().with_delay(delay).with_rate(10_000_000));
    let often = Probability::percent(20);
    let bad = Impairments::NONE
        .with_loss(often)
        .with_duplication(often)
        .with_bit_error(Probability::percent(10))
        .with_truncation(Probability::percent(5))
        .with_marking(often)
        .with_reordering(often, Duration::from_millis(400));
    let spoil = |port| Checked(Faults::new(port, Chosen(&bytes), bad, Impairments::NONE));
    let [a, b] = link.ports().map(spoil);
    let sides = [Side::default(), Side::default()];
    {
        let listener = Listener::new();
        let client = host(&a, &clock, 1, &listener, &sides[0], (lengths[0], ecn));
        let server = host(&b, &clock, 2, &listener, &sides[1], (lengths[1], false));
        let (mut client, mut server) = (pin!(client), pin!(server));
        let both = poll_fn(|context: &mut Context<'_>| {
            let _ = (client.as_mut().poll(context), server.as_mut().poll(context));
            let astray: u64 = sides.iter().map(|side| side.astray.get()).sum();
            let harmed = harmed(&a.0) + harmed(&b.0) + astray;
            // Of those that ended by now it stays.
            sides.iter().filter(|side| side.ended.get().is_none()).for_each(|side| side.harmed.set(harmed));
            if sides.iter().all(|side| side.ended.get().is_some()) { Poll::Ready(()) } else { Poll::Pending }
        });
        let run = Simulator::new(&clock).until(Instant::from_secs(7200)).run(both);
        let ended = sides.each_ref().map(|side| Ended {
            result: side.ended.get(),
            harmed: side.harmed.get(),
            all_said: side.all_said.get(),
        });
        if let Err(finding) = judge(ended, run) {
            panic!("{finding}: {run:?}: {ended:?}");
        }
    }
    for (side, expected) in sides.iter().zip([lengths[1], lengths[0]]) {
        let received = side.received.borrow();
        let exact = CONTENT.starts_with(&received);
        assert!(exact && received.len() <= expected, "received what was not sent");
    }
    if sides.iter().all(|side| side.ended.get() == Some(Ok(()))) {
        let received = sides.each_ref().map(|side| side.received.borrow().len());
        assert_eq!(received, [lengths[1], lengths[0]], "ended well, and not whole");
    }
}

/// Frames that did not arrive, or not as they were sent.
fn harmed<N: Network, R: traits::Rng>(device: &Faults<N, R>) -> u64 {
    let counts = device.faults().transmit;
    counts.lost + counts.truncated + counts.bit_errors + counts.overflow
}

/// The most bytes that a side sends.
const MOST: usize = 12_000;

/// What both send.
static CONTENT: [u8; MOST] = {
    let mut bytes = [0; MOST];
    let mut at = 0;
    while at < MOST {
        bytes[at] = (at ^ at >> 8).wrapping_mul(167) as u8;
        at += 1;
    }
    bytes
};

/// One host: 1 connects, 2 listens. It sends `len` bytes, and may offer ECN; who
/// listens takes that up.
async fn host(
    net: &impl Network,
    clock: &VirtualClock,
    number: u8,
    listener: &Listener,
    side: &Side,
    (len, ecn): (usize, bool),
) {
    let ethernet = Ethif::<_, 4, 4>::with_capacity(net);
    let ip = Ipv4::<_, 1, 2048, 2, 2>::with_capacity(&ethernet);
    ip.configure(&Config { addresses: &[Cidr::new([10, 0, 0, number].into(), 24)], ..Config::default() });
    let tcp = Tcp::connect(&ip, &mut random(number.into()));
    let mut settings = tcp.settings();
    settings.ecn = ecn;
    tcp.set_settings(settings);
    let packets = net.listen(|frame| {
        ethernet.input(
            frame,
            ethif::listeners().ipv4(|packet| {
                let labels = ipv4::listeners().tcp(|segment| tcp.input(segment, |_| Some(listener as _)));
                ip.input(packet, labels);
            }),
        );
    });
    let talk = async {
        let result = if number == 1 {
            let dst = std::net::SocketAddrV4::new([10, 0, 0, 2].into(), 80);
            match tcp.create_connection(dst).await {
                Ok(flow) => exchange(flow, side, len).await.map_err(Failure::Flow),
                Err(error) => Err(Failure::Connect(error)),
            }
        } else {
            // A client that gave up comes no more.
            let timeout = traits::Time::sleep(clock, Duration::from_secs(3600));
            let (mut accept, mut timeout) = (pin!(listener.accept(&tcp)), pin!(timeout));
            let first = poll_fn(|context| match accept.as_mut().poll(context) {
                Poll::Ready(flow) => Poll::Ready(Some(flow)),
                Poll::Pending => timeout.as_mut().poll(context).map(|()| None),
            });
            match first.await {
                Some(flow) => exchange(flow, side, len).await.map_err(Failure::Flow),
                None => Err(Failure::Nobody),
            }
        };
        side.ended.set(Some(result));
        std::future::pending::<()>().await;
    };
    let (mut packets, mut talk, mut run) = (pin!(packets), pin!(talk), pin!(tcp.run(clock)));
    poll_fn(|context| {
        let _ = packets.as_mut().poll(context).is_pending();
        side.astray.set(ethernet.statistics().other_host);
        let _ = talk.as_mut().poll(context).is_pending();
        run.as_mut().poll(context).map(|_| ())
    })
    .await;
}

/// Sends `len` bytes and closes, while it reads to the end.
async fn exchange(
    flow: tcpv4::Flow<'_, impl Ip, impl tcpv4::Storage>,
    side: &Side,
    len: usize,
) -> Result<(), FlowError> {
    let (mut read, mut write) = flow.split();
    let reads = async {
        let mut buffer = [0; 3000];
        loop {
            match read.read(&mut buffer).await? {
                0 => return Ok::<(), FlowError>(()),
                n => side.received.borrow_mut().extend_from_slice(&buffer[..n]),
            }
        }
    };
    let writes = async {
        let data = &CONTENT[..len];
        if len.is_multiple_of(2) {
            write.write_all(data).await?;
        } else {
            for pieces in data.chunks(2500) {
                let (plain, constant) = pieces.split_at(pieces.len().min(len % 2500));
                write.write_all(plain).await?;
                write.write_static(constant).await?;
            }
        }
        write.close().await?;
        side.all_said.set(true);
        Ok(())
    };
    let (mut reads, mut writes) = (pin!(reads), pin!(writes));
    let (mut read_end, mut write_end) = (None, None);
    poll_fn(|context| {
        if read_end.is_none()
            && let Poll::Ready(result) = reads.as_mut().poll(context)
        {
            read_end = Some(result);
        }
        if write_end.is_none()
            && let Poll::Ready(result) = writes.as_mut().poll(context)
        {
            write_end = Some(result);
        }
        match (read_end, write_end) {
            (Some(read), Some(write)) => Poll::Ready(read.and(write)),
            _ => Poll::Pending,
        }
    })
    .await
}
