//! What becomes of what a future had begun when it is dropped.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::net;
use crate::net::{B, Link, Net, SECOND, assert_forgotten, exchange, once, pattern, read_all};
use tcpv4::{Flow, Listener};
use traits::{FlowError, Layer as _};

on_both! {
    /// Not polled, it has not begun: no port is taken and nothing is sent.
    fn a_connect_that_was_never_polled(net) {
        drop(net.a().create_connection(B));
        assert_eq!(net.a().usage().connections, 0);
        assert!(net.session().run_for(SECOND));
        assert_eq!(net.a().statistics().sent, 0);
    }

    /// Given up before its SYN is out, the peer never hears of it.
    fn a_connect_before_its_syn(net) {
        assert!(once(net.a().create_connection(B)).is_pending());
        assert!(net.session().run_for(SECOND));
        assert_eq!(net.a().statistics().sent, 0);
        assert_forgotten(net);
    }

    /// Given up after its SYN: the answer is refused, and the peer forgets too.
    fn a_connect_after_its_syn(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut attempt = Box::pin(net.a().create_connection(B));
            let attempt = std::future::poll_fn(|context| Poll::Ready(attempt.as_mut().poll(context)));
            assert!(attempt.await.is_pending());
            // The SYN is on its way.
            net.sleep(SECOND / 1000).await;
            assert_eq!(net.a().statistics().sent, 1);
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client);
        assert!(session.run_for(SECOND));
        session.run_for(SECOND);
        assert_eq!(net.b().statistics().half_open_reset, 1);
        assert_eq!((net.b().usage().half_open, listener.len()), (0, 0));
        assert_forgotten(net);
    }

    /// A connection that arrives meanwhile is the next one's, who is woken.
    fn an_accept_leaves_it_to_the_next(net) {
        let listener = Listener::<2>::with_capacity();
        let impatient = async {
            let mut first = Box::pin(listener.accept(net.b()));
            let waits = std::future::poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending()));
            assert!(waits.await);
            // Until one is there, which it has been woken for and does not take.
            while listener.is_empty() {
                net.sleep(SECOND / 1000).await;
            }
        };
        let patient = async { assert_eq!(read_all(&mut listener.accept(net.b()).await).await, b"hi") };
        let client = async {
            let flow = net.a().create_connection(B).await.unwrap();
            assert_eq!(exchange(flow, b"hi").await, b"");
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(impatient).spawn(patient).spawn(client);
        assert!(session.run_for(SECOND));
        assert_forgotten(net);
    }

    /// All reading futures, dropped while they wait: what comes then is whole.
    fn reads_lose_nothing(net) {
        let listener = Listener::<2>::with_capacity();
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            assert!(once(flow.read(&mut [0; 10])).is_pending());
            assert!(once(flow.read_with(|_| -> (usize, ()) { panic!("called") })).is_pending());
            net.sleep(SECOND).await;
            assert_eq!(read_all(&mut flow).await, b"hello");
        };
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            net.sleep(SECOND / 2).await;
            flow.write_all(b"hello").await.unwrap();
            flow.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
    }

    /// A plain write that waits has queued nothing; `write_all` what went
    /// before: some part of its bytes from their start on.
    fn writes_have_queued_what_they_say(net) {
        let listener = Listener::<2>::with_capacity();
        let data = pattern(20_000, 1);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.set_send_limit(4000);
            assert!(once(flow.write_all(&data)).is_pending());
            let queued = flow.info().unwrap().unsent as usize;
            assert!((1..data.len()).contains(&queued), "{queued}");
            assert!(once(flow.write(b"nothing of this")).is_pending());
            assert!(once(flow.write_nodelay(b"nor of this")).is_pending());
            flow.close().await.unwrap();
            assert_eq!(flow.info().unwrap().totals.bytes_acknowledged as usize, queued);
        };
        let server = async {
            let got = read_all(&mut listener.accept(net.b()).await).await;
            assert!(!got.is_empty() && data.starts_with(&got));
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_forgotten(net);
    }

    /// What was written goes on its way without the flush, and another flush
    /// waits for the same.
    fn a_flush_only_waits(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(b"hello").await.unwrap();
            assert!(once(flow.flush()).is_pending());
            net.sleep(SECOND).await;
            assert_eq!(once(flow.flush()), Poll::Ready(Ok(())), "acknowledged meanwhile");
            flow.write_all(b" there").await.unwrap();
            assert!(once(flow.flush()).is_pending());
            flow.flush().await.unwrap();
            flow.close().await.unwrap();
        };
        let server =
            async { assert_eq!(read_all(&mut listener.accept(net.b()).await).await, b"hello there") };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_forgotten(net);
    }

    /// Polled once, a close goes on by itself: nothing is written after it,
    /// and another close waits for the same.
    fn a_close_goes_on(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(b"all").await.unwrap();
            assert!(once(flow.close()).is_pending());
            assert_eq!(once(flow.write(b"x")), Poll::Ready(Err(FlowError::Closed)));
            flow.close().await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Ok(0));
        };
        let server = async { assert_eq!(read_all(&mut listener.accept(net.b()).await).await, b"all") };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_forgotten(net);
    }

    /// Never polled, a close has closed nothing.
    fn a_close_that_was_never_polled(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(b"one ").await.unwrap();
            drop(flow.close());
            flow.write_all(b"two").await.unwrap();
            flow.flush().await.unwrap();
            drop(flow.close());
            drop(flow);
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            net.sleep(SECOND).await;
            let mut buffer = [0; 10];
            assert_eq!(flow.read(&mut buffer).await, Ok(7));
            assert_eq!(flow.read(&mut buffer).await, Err(FlowError::Reset), "the flow was dropped open");
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_forgotten(net);
    }

    /// With `serve` all its handlers go, and their connections as those of
    /// dropped flows; the backlog stays.
    fn serve_takes_its_handlers_along(net) {
        let listener = Listener::<2>::with_capacity();
        let dropped = Cell::new(0);
        let serve = async {
            let handler = async |_flow: Flow<'_, _, _>| {
                let _count = Count(&dropped);
                std::future::pending::<()>().await;
            };
            let mut serve = Box::pin(listener.serve(net.b(), handler));
            let mut due = Box::pin(net.sleep(SECOND));
            std::future::poll_fn(|context| {
                assert!(serve.as_mut().poll(context).is_pending());
                due.as_mut().poll(context)
            })
            .await;
        };
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Err(FlowError::Reset));
        };
        let late = async {
            net.sleep(SECOND * 2).await;
            let flow = net.a().create_connection(B).await.unwrap();
            assert_eq!(exchange(flow, b"late").await, b"");
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(serve).spawn(client).spawn(late);
        let server = async {
            net.sleep(SECOND * 3).await;
            assert_eq!(read_all(&mut listener.accept(net.b()).await).await, b"late");
        };
        session = session.spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_eq!(dropped.get(), 1);
        assert_forgotten(net);
    }

    /// The task itself: it only drives, so that another one takes over.
    fn the_task_can_be_taken_over(net) {
        net.link.set(Link { lost: 1000, ..Link::CLEAN });
        let mut attempt = pin!(net.a().create_connection(B));
        let mut context = Context::from_waker(Waker::noop());
        assert!(attempt.as_mut().poll(&mut context).is_pending());
        let due = net.a().poll(net.clock.now(), Waker::noop()).unwrap();
        net.clock.set(due);
        net.hosts[0].ip.take();
        net.a().poll(due, &Waker::from(net::Flag::new_set()));
        assert_eq!(net.hosts[0].ip.take().len(), 1, "the SYN once more");
    }
}

struct Count<'c>(&'c Cell<u32>);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Reading in place: what was not shown yet comes with the next.
#[test]
fn a_fill_loses_nothing() {
    net::with_heap(|net| {
        let listener = Listener::<2>::with_capacity();
        let server = async {
            let mut reader = listener.accept(net.b()).await.buffered();
            assert!(once(reader.fill()).is_pending());
            net.sleep(SECOND).await;
            assert_eq!(reader.fill().await, Ok(&b"hello"[..]));
            assert_eq!(reader.fill().await, Ok(&b"hello"[..]), "nothing was consumed");
            assert_eq!(reader.into_inner().0.close().await, Ok(()));
        };
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            net.sleep(SECOND / 2).await;
            flow.write_all(b"hello").await.unwrap();
            flow.close().await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Ok(0));
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_forgotten(net);
    });
}
