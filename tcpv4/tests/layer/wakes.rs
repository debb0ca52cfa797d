//! What a batch of segments costs: polls, wakes, and segments sent.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::net;
use crate::net::raw::{ACK, PSH, Raw, SYN, take};
use crate::net::{Flag, Net, once};
use tcpv4::{Accept, ConnectionId, Listener, Place, Storage};
use traits::{FlowError, Layer as _};

on_both! {
    /// An acknowledgement that has come and was not read yet is not missed.
    fn timers_wait_for_what_was_not_read_yet(net) {
        let listener = Listener::<2>::with_capacity();
        Raw::new(SYN, 1000, 0).options(&[2, 4, 5, 180]).input(net.a(), Some(&listener));
        let poll = |now| net.a().poll(now, Waker::noop());
        let ip = net.hosts[0].ip;
        poll(net.clock.now());
        assert_eq!(take(ip).len(), 1);
        let due = net.clock.now() + Duration::from_secs(2);
        net.clock.set(due);
        ip.backlog.set(true);
        assert!(poll(due).is_some_and(|next| next > due));
        assert_eq!(take(ip).len(), 0);
        ip.backlog.set(false);
        poll(due);
        assert_eq!(take(ip).len(), 1);
    }

    /// Twelve segments in one batch: one wake of the reader, one of the task,
    /// one acknowledgement.
    fn one_of_each_for_a_batch(net) {
        let listener = Listener::<2>::with_capacity();
        let (task, reader) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
        let wakes = |flag: &Arc<Flag>| flag.count.swap(0, Ordering::Relaxed);
        let now = net.clock.now();
        let poll = || net.a().poll(now, &Waker::from(task.clone()));
        poll();
        Raw::new(SYN, 1000, 0).options(&[2, 4, 5, 180]).input(net.a(), Some(&listener));
        assert_eq!(wakes(&task), 1);
        poll();
        let iss = take(net.hosts[0].ip)[0].seq;
        Raw::new(ACK, 1001, iss + 1).input(net.a(), Some(&listener));
        let mut accept = Box::pin(listener.accept(net.a()));
        let Poll::Ready(mut flow) = accept.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { panic!() };
        poll();
        take(net.hosts[0].ip);
        wakes(&task);

        let mut buffer = [0; 20_000];
        let mut read = Box::pin(flow.read(&mut buffer));
        let waker = Waker::from(reader.clone());
        assert!(read.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        for n in 0..5 {
            let data = [n as u8; 1400];
            Raw::new(ACK | PSH, 1001 + n * 1400, iss + 1).payload(&data).input(net.a(), Some(&listener));
        }
        assert_eq!((wakes(&reader), wakes(&task)), (1, 1));
        let Poll::Ready(Ok(7000)) = read.as_mut().poll(&mut Context::from_waker(&waker)) else { panic!() };
        let flushes = net.hosts[0].ip.flushes.get();
        poll();
        let spoken = take(net.hosts[0].ip);
        assert_eq!(spoken.len(), 1, "{spoken:?}");
        assert_eq!((spoken[0].flags, spoken[0].ack), (ACK, 8001));
        assert_eq!(net.hosts[0].ip.flushes.get() - flushes, 1);
        // Nothing more to do until something comes.
        let flushes = net.hosts[0].ip.flushes.get();
        wakes(&task);
        poll();
        assert_eq!((net.hosts[0].ip.flushes.get(), wakes(&task)), (flushes, 0));
        drop(read);
    }

    /// RFC 9293 §3.8.6.2.2: a peer that waits for room is told of it as soon
    /// as there is; reading while there is room says nothing.
    fn the_window_that_opens_is_told_at_once(net) {
        let listener = Listener::<2>::with_capacity();
        let task = Arc::new(Flag::default());
        let now = net.clock.now();
        let poll = || {
            net.a().poll(now, &Waker::from(task.clone()));
            take(net.hosts[0].ip)
        };
        Raw::new(SYN, 1000, 0).options(&[2, 4, 5, 180]).input(net.a(), Some(&listener));
        let iss = poll()[0].seq;
        Raw::new(ACK, 1001, iss + 1).input(net.a(), Some(&listener));
        let Poll::Ready(mut flow) = once(listener.accept(net.a())) else { panic!() };
        // Fills the window, however it grows meanwhile.
        let (mut seq, mut edge) = (1001u32, 1001 + 1400);
        while seq < edge {
            let data = vec![7; (edge - seq).min(1400) as usize];
            Raw::new(ACK | PSH, seq, iss + 1).payload(&data).input(net.a(), Some(&listener));
            seq += data.len() as u32;
            edge = poll().last().map_or(edge, |s| s.ack + u32::from(s.window));
        }
        task.count.store(0, Ordering::Relaxed);
        assert_eq!(once(flow.read(&mut [0; 10])), Poll::Ready(Ok(10)));
        assert_eq!((task.count.load(Ordering::Relaxed), poll().len()), (0, 0), "too little to tell");
        let mut rest = vec![0; 100_000];
        assert!(matches!(once(flow.read(&mut rest)), Poll::Ready(Ok(n)) if n > 5000));
        assert_eq!(task.count.load(Ordering::Relaxed), 1);
        let [update] = &poll()[..] else { panic!() };
        assert_eq!((update.flags, update.ack), (ACK, seq));
        assert!(update.window > 5000);
    }

    /// Once a second at most, so that a fast path stays one.
    fn the_path_is_confirmed_now_and_then(net) {
        let listener = Listener::<2>::with_capacity();
        let b = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
        let client = async {
            let mut flow = net.a().create_connection(b).await.unwrap();
            for _ in 0..50 {
                flow.write_all(b"x").await.unwrap();
                flow.flush().await.unwrap();
                net.sleep(Duration::from_millis(50)).await;
            }
            flow.close().await.unwrap();
        };
        let server = listener.serve(net.b(), async |mut flow: tcpv4::Flow<'_, _, _>| {
            while flow.read(&mut [0; 10]).await != Ok(0) {}
            flow.close().await.unwrap();
        });
        let started = net.clock.now();
        let mut session = net.session().listen(1, 80, &listener).background(server).spawn(client);
        assert!(session.run_for(Duration::from_secs(20)));
        let seconds = net.clock.now().duration_since(started).as_secs();
        let confirmed = net.hosts[0].ip.confirmed.get();
        assert!(confirmed >= seconds && confirmed <= seconds + 2, "{confirmed} in {seconds} s");
    }

    /// The last segment of a handshake shows both ends that the other one hears.
    fn a_handshake_confirms_the_path_of_both(net) {
        let listener = Listener::<2>::with_capacity();
        let b = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
        let client = async {
            let _flow = net.a().create_connection(b).await.unwrap();
            net.sleep(Duration::from_millis(100)).await;
        };
        let server = async {
            let _flow = listener.accept(net.b()).await;
            net.sleep(Duration::from_millis(100)).await;
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(Duration::from_secs(1)));
        let confirmed = [0, 1].map(|host| net.hosts[host].ip.confirmed.get());
        assert_eq!(confirmed, [1, 1]);
    }

    /// A listener that calls back into the layer, in every way, from within
    /// `input`; a layer below that does so from within `write`.
    fn calling_back_is_no_panic(net) {
        let calling = Calling { listener: Listener::with_capacity(), call: Cell::new(0), flows: RefCell::default(), net };
        let tcp = net.a();
        let reenter = |tcp: &tcpv4::Tcp<_, S>| {
            Raw::new(SYN, 1000, 0).from(net::raw::PEER, 7000).input(tcp, Some(&calling.listener));
            tcp.poll(net.clock.now(), Waker::noop());
            let _ = tcp.statistics();
            let _ = tcp.usage();
            let dst = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
            let mut attempt = Box::pin(tcp.create_connection(dst));
            let _ = attempt.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        };
        for port in 1..4 {
            Raw::new(SYN, 1000, 0).from(net::raw::PEER, port).input(tcp, Some(&calling));
            reenter(tcp);
        }
        tcp.poll(net.clock.now(), Waker::noop());
        let answers = take(net.hosts[0].ip);
        for answer in answers.iter().filter(|a| a.flags == SYN | ACK && a.dst_port < 4) {
            Raw::new(ACK, 1001, answer.seq + 1)
                .from(net::raw::PEER, answer.dst_port)
                .payload(b"hello")
                .input(tcp, Some(&calling));
        }
        assert!(calling.call.get() > 6);
        tcp.poll(net.clock.now(), Waker::noop());
        let mut flow = {
            let mut accept = Box::pin(calling.listener.accept(tcp));
            let Poll::Ready(flow) = accept.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { panic!() };
            flow
        };
        let mut buffer = [0; 10];
        let mut read = Box::pin(flow.read(&mut buffer));
        assert_eq!(read.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(5)));
        drop(read);
        flow.abort();
        assert_eq!(once(flow.write(b"x")), Poll::Ready(Err(FlowError::Closed)));
    }
}

/// Calls back from every method.
struct Calling<'n, 'i, S: Storage> {
    listener: Listener<4>,
    call: Cell<u32>,
    flows: RefCell<Vec<()>>,
    net: &'n Net<'i, S>,
}

impl<S: Storage> Calling<'_, '_, S> {
    fn call_back(&self) {
        self.call.set(self.call.get() + 1);
        if self.call.get() > 50 {
            return;
        }
        let tcp = self.net.a();
        tcp.poll(self.net.clock.now(), Waker::noop());
        Raw::new(ACK, 1, 1).from(net::raw::PEER, 9).input(tcp, None);
        Raw::new(SYN, 1000, 0).from(net::raw::PEER, 3).input(tcp, Some(&self.listener));
        let dst = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
        assert!(once(tcp.create_connection(dst)).is_pending() || tcp.usage().connections == 8);
        self.flows.borrow_mut().push(());
    }
}

impl<S: Storage> Accept for Calling<'_, '_, S> {
    fn has_room(&self) -> bool {
        self.call_back();
        self.listener.has_room()
    }

    fn offer(&self, connection: ConnectionId) -> Option<Place> {
        self.call_back();
        self.listener.offer(connection)
    }

    fn holds(&self, connection: ConnectionId, place: Place) -> bool {
        self.call_back();
        self.listener.holds(connection, place)
    }
}

/// The layer below calls back from within `write`, before and after the
/// filler: nothing panics, and nothing is lost.
#[test]
fn a_layer_below_that_calls_back() {
    let clock = net::Clock::default();
    clock.set(traits::Instant::from_secs(1000));
    let ip: &'static net::MockIp = Box::leak(Box::new(net::MockIp::new(&clock, 1)));
    let tcp = Rc::new(tcpv4::Tcp::connect(ip, &mut net::random(1)));
    let weak = Rc::downgrade(&tcp);
    let now = clock.now();
    *ip.on_write.borrow_mut() = Some(Box::new(move || {
        let tcp = weak.upgrade().unwrap();
        Raw::new(ACK, 1, 1).from(net::raw::PEER, 9).input(&tcp, None);
        let _ = tcp.usage();
        tcp.poll(now, Waker::noop());
        let dst = SocketAddrV4::new(net::raw::PEER, 80);
        assert!(once(tcp.create_connection(dst)).is_pending());
    }));
    let listener = Listener::<2>::with_capacity();
    Raw::new(SYN, 1000, 0).input(&tcp, Some(&listener));
    tcp.poll(now, Waker::noop());
    *ip.on_write.borrow_mut() = None;
    // Each reset that was written had another asked for: what one pass leaves is
    // the next one's.
    tcp.poll(now, Waker::noop());
    tcp.poll(now, Waker::noop());
    let seen = take(ip);
    assert_eq!(tcp.usage().connections, 0);
    assert!(seen.iter().any(|s| s.flags == SYN | ACK));
}

/// An idle tower does nothing.
#[test]
fn no_deadline_when_nothing_is_going_on() {
    net::with_heap(|net| {
        assert_eq!(net.a().poll(net.clock.now(), Waker::noop()), None);
        let listener = Listener::new();
        let b = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
        let mut open = std::pin::pin!(async {
            let mut flow = net.a().create_connection(b).await.unwrap();
            flow.write_all(b"x").await.unwrap();
            flow.flush().await.unwrap();
            std::future::pending::<()>().await;
        });
        let mut session = net
            .session()
            .listen(1, 80, &listener)
            .background(listener.serve(
                net.b(),
                async |mut flow: tcpv4::Flow<'_, _, _>| {
                    while flow.read(&mut [0; 10]).await != Ok(0) {}
                },
            ))
            .background(&mut open);
        session.run_for(Duration::from_secs(10));
        drop(session);
        for tcp in [net.a(), net.b()] {
            assert_eq!(tcp.usage().connections, 1);
            assert_eq!(tcp.usage().bytes, 0, "an idle connection holds no memory");
            assert_eq!(tcp.poll(net.clock.now(), Waker::noop()), None);
        }
    });
}
