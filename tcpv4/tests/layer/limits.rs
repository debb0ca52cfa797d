//! What is given up when memory is short, step by step; and what never is.

use std::task::Poll;

use crate::net;
use crate::net::raw::{ACK, FIN, RST, Raw, SYN, Seen};
use crate::net::{B, MockIp, Net, SECOND, accept, once, speak, with_limits};
use tcpv4::{Flow, Limits, Listener, Storage, Usage};
use traits::{ConnectError, Layer as _};

type Open<'t, 'n, S> = (Flow<'t, &'n MockIp, S>, u32);

/// A peer's end of a connection, by its port.
fn peer(port: u16) -> Raw {
    Raw::new(0, 1000, 0).from(net::raw::PEER, port)
}

/// A connection to a peer whose window is closed.
fn shut<'t, 'n, S: Storage>(net: &'t Net<'n, S>, listener: &Listener<4>, port: u16) -> Open<'t, 'n, S> {
    let mut opening = peer(port);
    opening.window = 0;
    accept(net, listener, &opening)
}

/// A connection that was closed here and in which `len` bytes wait for the peer.
fn orphan<S: Storage>(net: &Net<'_, S>, listener: &Listener<4>, port: u16, len: usize) {
    let (mut flow, _) = shut(net, listener, port);
    assert_eq!(once(flow.write(&vec![1; len])), Poll::Ready(Ok(len)));
    assert!(once(flow.close()).is_pending());
    drop(flow);
    speak(net);
}

/// A connection in TIME-WAIT.
fn time_wait<S: Storage>(net: &Net<'_, S>, listener: &Listener<4>, port: u16) {
    let (mut flow, next) = accept(net, listener, &peer(port));
    assert!(once(flow.close()).is_pending());
    speak(net);
    let mut fin = peer(port);
    (fin.flags, fin.seq, fin.ack) = (FIN | ACK, 1001, next.wrapping_add(1));
    fin.input(net.a(), None);
    speak(net);
    drop(flow);
    speak(net);
}

/// A SYN from `port`, and the number that its answer acknowledges next.
fn syn<S: Storage>(net: &Net<'_, S>, listener: &Listener<4>, port: u16) -> u32 {
    let mut syn = peer(port);
    syn.flags = SYN;
    syn.input(net.a(), Some(listener));
    speak(net)[0].seq.wrapping_add(1)
}

/// The end of a handshake.
fn establish<S: Storage>(net: &Net<'_, S>, listener: &Listener<4>, port: u16, next: u32) {
    let mut ack = peer(port);
    (ack.flags, ack.seq, ack.ack) = (ACK, 1001, next);
    ack.input(net.a(), Some(listener));
}

/// A peer that sends a kilobyte after the other.
struct Sender {
    port: u16,
    next: u32,
    sent: u32,
}

impl Sender {
    /// The next kilobyte; what is said to it, and whether it was taken.
    fn send<S: Storage>(&mut self, net: &Net<'_, S>) -> (Vec<Seen>, bool) {
        let before = net.a().statistics().no_memory;
        let mut data = peer(self.port).payload(&[7; 1000]);
        (data.flags, data.seq, data.ack) = (ACK, 1001 + self.sent, self.next);
        data.input(net.a(), None);
        let is_taken = net.a().statistics().no_memory == before;
        self.sent += if is_taken { 1000 } else { 0 };
        (speak(net), is_taken)
    }

    /// Until the budget is used up.
    fn fill<S: Storage>(&mut self, net: &Net<'_, S>, bytes: usize) {
        while net.a().usage().bytes < bytes {
            assert!(self.send(net).1);
        }
    }
}

/// The budget of bytes, which memory from the allocator has alone.
#[test]
fn what_goes_when_bytes_are_short() {
    const BYTES: usize = 127_500;
    let mut limits = Limits::default();
    limits.bytes = BYTES;
    with_limits(limits, |net| {
        let listener = Listener::<4>::with_capacity();
        let statistics = || net.a().statistics();
        // Those that are never given up: two that somebody holds, with bytes that
        // were written and bytes that were received; one in TIME-WAIT; one half-open.
        let (mut writer, _) = shut(net, &listener, 1);
        let (mut reader, next) = accept(net, &listener, &peer(2));
        let mut sender = Sender { port: 2, next, sent: 0 };
        time_wait(net, &listener, 3);
        let last = syn(net, &listener, 4);
        // Those that are.
        orphan(net, &listener, 5, 10_000);
        orphan(net, &listener, 6, 20_000);
        assert!(sender.send(net).1);

        // First writers wait: each takes half of what is left, and when that is
        // little, 4096 bytes once all before are acknowledged.
        let mut written = 0;
        loop {
            let free = BYTES.saturating_sub(net.a().usage().bytes);
            match once(writer.write(&[1; BYTES])) {
                Poll::Ready(Ok(n)) => {
                    assert!(n <= free / 2, "{n} of {free}");
                    written += n;
                }
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => break,
            }
        }
        assert!(written > 20_000 && net.a().usage().bytes < BYTES, "{written} {:?}", net.a().usage());
        let (mut other, _) = shut(net, &listener, 7);
        assert_eq!(once(other.write(&[1; 10_000])), Poll::Ready(Ok(4096)));
        assert!(once(other.write(&[1; 10_000])).is_pending());
        assert_eq!((statistics().no_room, statistics().no_memory, statistics().given_up), (0, 0, 0));

        // Then, with nothing left, nobody new is let in. What is half-open stays.
        sender.fill(net, BYTES);
        let refused = once(net.a().create_connection(B));
        assert!(matches!(refused, Poll::Ready(Err(ConnectError::NoRoom))));
        establish(net, &listener, 4, last);
        assert_eq!((statistics().no_room, statistics().no_memory, statistics().given_up), (2, 0, 0));
        assert_eq!(net.a().usage().half_open, 1);

        // Then what arrives is dropped, and for that, each time, one goes that was
        // closed here and waits for its peer, which is told.
        let mut orphans = vec![5, 6];
        for n in 1..=2 {
            sender.fill(net, BYTES);
            let connections = net.a().usage().connections;
            let (said, is_taken) = sender.send(net);
            let resets: Vec<u16> =
                said.iter().filter(|seen| seen.flags & RST != 0).map(|seen| seen.dst_port).collect();
            assert_eq!((is_taken, resets.len(), statistics().given_up), (false, 1, n));
            orphans.retain(|port| *port != resets[0]);
            assert_eq!(net.a().usage().connections, connections - 1);
            assert!(net.a().usage().bytes < BYTES);
            assert!(sender.send(net).1, "sent again, it is taken");
        }
        assert!(orphans.is_empty());

        // And then there is no more to give up.
        sender.fill(net, BYTES);
        for _ in 0..40 {
            assert!(!sender.send(net).1);
        }
        assert_eq!(statistics().given_up, 2);
        let bytes = net.a().usage().bytes;
        assert_eq!(net.a().usage(), usage(net, 3, 1, 1, bytes));
        assert!(once(writer.write(&[1])).is_pending() && once(other.write(&[1])).is_pending());

        // All is taken again where a reader makes room; what it leaves goes back
        // after a second.
        let mut buffer = vec![0; 2 * BYTES];
        assert_eq!(once(reader.read(&mut buffer)), Poll::Ready(Ok(sender.sent as usize)));
        net.clock.set(net.clock.now() + SECOND * 2);
        speak(net);
        assert!(sender.send(net).1);
        establish(net, &listener, 4, last);
        assert!(once(listener.accept(net.a())).is_ready());
        assert!(once(net.a().create_connection(B)).is_pending());
        assert_eq!(statistics().given_up, 2);
    });
}

/// What `usage` tells; the type can't be made elsewhere.
fn usage<S: Storage>(
    net: &Net<'_, S>,
    connections: usize,
    half_open: usize,
    time_wait: usize,
    bytes: usize,
) -> Usage {
    let mut usage = net.a().usage();
    (usage.connections, usage.half_open, usage.time_wait, usage.bytes) =
        (connections, half_open, time_wait, bytes);
    usage
}

on_small! {
    /// Entries have bounds of their own, eight of each kind here, and none of them
    /// takes from another.
    fn what_goes_when_entries_are_short(net) {
        let listener = Listener::<4>::with_capacity();
        let statistics = || net.a().statistics();
        let (mut flow, next) = accept(net, &listener, &peer(1));
        let mut sender = Sender { port: 1, next, sent: 0 };

        // The oldest in TIME-WAIT makes room for a new one.
        for port in 100..108 {
            net.clock.set(net.clock.now() + SECOND);
            time_wait(net, &listener, port);
        }
        assert_eq!((net.a().usage().time_wait, statistics().time_wait_evicted), (8, 0));
        time_wait(net, &listener, 108);
        assert_eq!((net.a().usage().time_wait, statistics().time_wait_evicted), (8, 1));
        let mut left = Vec::new();
        net.a().connections(|known| {
            if known.state == tcpv4::connection::State::TimeWait {
                left.push(known.remote.port());
            }
        });
        left.sort_unstable();
        assert_eq!(left, [101, 102, 103, 104, 105, 106, 107, 108]);

        // Beyond eight half-open connections, SYNs are answered by cookies.
        let nexts: Vec<(u16, u32)> = (200..208).map(|port| (port, syn(net, &listener, port))).collect();
        assert_eq!((net.a().usage().half_open, statistics().cookies_sent), (8, 0));
        let cookie = syn(net, &listener, 208);
        assert_eq!((net.a().usage().half_open, statistics().cookies_sent), (8, 1));
        establish(net, &listener, 208, cookie);
        assert_eq!(statistics().cookies_accepted, 1);
        let mut flows = vec![];
        let Poll::Ready(accepted) = once(listener.accept(net.a())) else { panic!() };
        flows.push(accepted);

        // Beyond eight connections, none is made, and what is half-open waits.
        for (port, next) in &nexts[..6] {
            establish(net, &listener, *port, *next);
            let Poll::Ready(accepted) = once(listener.accept(net.a())) else { panic!() };
            flows.push(accepted);
        }
        assert_eq!((net.a().usage().connections, net.a().usage().half_open), (8, 2));
        let refused = once(net.a().create_connection(B));
        assert!(matches!(refused, Poll::Ready(Err(ConnectError::NoRoom))));
        let (port, last) = nexts[6];
        establish(net, &listener, port, last);
        assert_eq!(statistics().no_room, 2);
        assert_eq!((net.a().usage().connections, net.a().usage().half_open), (8, 2));

        // Those that are open go on; and who waits gets in when one of them goes.
        assert!(sender.send(net).1);
        assert_eq!(once(flow.read(&mut [0; 2000])), Poll::Ready(Ok(1000)));
        drop(flows.pop());
        net.a().poll(net.clock.now(), std::task::Waker::noop());
        establish(net, &listener, port, last);
        assert!(once(listener.accept(net.a())).is_ready());
        assert_eq!((statistics().given_up, statistics().no_memory), (0, 0));
    }
}
