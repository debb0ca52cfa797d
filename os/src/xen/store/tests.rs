//! The client against a daemon in the same process, in the same page.

use alloc::collections::BTreeMap;
use core::future::Future;
use core::pin::pin;
use core::task::Context;
use std::vec;

use super::*;
use crate::xen::events::Events;
use crate::xen::ring::{ByteRing, Layout};
use crate::xen::window;

/// The daemon's end of the rings.
struct Daemon {
    from: ByteRing,
    to: ByteRing,
    heard: Vec<u8>,
    nodes: BTreeMap<Vec<u8>, Vec<u8>>,
    watches: Vec<(Vec<u8>, Vec<u8>)>,
    said: Vec<u8>,
    /// The most bytes said in one go.
    pace: usize,
}

fn pair() -> (Store, Daemon, Window) {
    let page = window::tests::page();
    let port = Events::new(window::tests::page()).bind(1).unwrap();
    let daemon = Daemon {
        from: ByteRing::new(page, Layout { bytes: 0, size: 1024, consumed: 2048, produced: 2052 }),
        to: ByteRing::new(page, Layout { bytes: 1024, size: 1024, consumed: 2056, produced: 2060 }),
        heard: Vec::new(),
        nodes: BTreeMap::new(),
        watches: Vec::new(),
        said: Vec::new(),
        pace: usize::MAX,
    };
    (Store::new(page, port), daemon, page)
}

impl Daemon {
    fn say(&mut self, kind: u32, request: u32, payload: &[u8]) {
        let header = wire::Header { kind, request, transaction: 0, len: payload.len() as u32 };
        self.said.extend(header.bytes());
        self.said.extend(payload);
    }

    fn work(&mut self) {
        let mut bytes = [0; 1024];
        let taken = self.from.take(&mut bytes).unwrap();
        self.heard.extend(&bytes[..taken]);
        while let Some(header) = wire::Header::parse(&self.heard) {
            let end = wire::HEADER + header.len as usize;
            if self.heard.len() < end {
                break;
            }
            let payload = self.heard[wire::HEADER..end].to_vec();
            self.heard.drain(..end);
            self.answer(header, &payload);
        }
        let most = self.said.len().min(self.pace);
        let put = self.to.put(&self.said[..most]).unwrap();
        self.said.drain(..put);
    }

    fn answer(&mut self, header: wire::Header, payload: &[u8]) {
        let (kind, request) = (header.kind, header.request);
        let mut texts = payload.splitn(2, |&byte| byte == 0).map(<[u8]>::to_vec);
        let (path, rest) = (texts.next().unwrap(), texts.next().unwrap_or_default());
        match kind {
            2 => match self.nodes.get(&path).cloned() {
                Some(value) => self.say(kind, request, &value),
                None => self.say(wire::ERROR, request, b"ENOENT\0"),
            },
            11 => {
                self.nodes.insert(path.clone(), rest);
                self.say(kind, request, b"OK\0");
                self.change(&path);
            }
            1 => {
                let names: Vec<_> = self.nodes.keys().flat_map(|k| [k.as_slice(), &[0]].concat()).collect();
                self.say(kind, request, &names);
            }
            4 => {
                let token = rest.strip_suffix(&[0]).unwrap().to_vec();
                self.watches.push((path.clone(), token.clone()));
                self.say(kind, request, b"OK\0");
                self.say(wire::WATCH_EVENT, 0, &[path, vec![0], token, vec![0]].concat());
            }
            5 => {
                self.watches.retain(|(_, token)| token[..] != rest[..rest.len() - 1]);
                self.say(kind, request, b"OK\0");
            }
            6 => self.say(kind, request, b"17\0"),
            7 if header.transaction == 17 && payload == b"T\0" => self.say(wire::ERROR, request, b"EAGAIN\0"),
            _ => self.say(kind, request, b"OK\0"),
        }
    }

    fn change(&mut self, path: &[u8]) {
        let hit: Vec<_> = self.watches.iter().filter(|(at, _)| path.starts_with(at)).cloned().collect();
        for (_, token) in hit {
            self.say(wire::WATCH_EVENT, 0, &[path, &[0], &token, &[0]].concat());
        }
    }
}

fn now<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs `future` with the daemon, to its end.
fn finish<F: Future>(store: &Store, daemon: &mut Daemon, future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..10_000 {
        if let Poll::Ready(output) = now(future.as_mut()) {
            return output;
        }
        daemon.work();
        store.pump();
    }
    panic!("no answer");
}

#[test]
fn values_are_written_and_read() {
    let (store, mut daemon, _) = pair();
    for pace in [usize::MAX, 1, 7] {
        daemon.pace = pace;
        let mut value = [0; 8];
        finish(&store, &mut daemon, async {
            assert_eq!(store.read("nothing").await, Err(StoreError::Missing));
            store.write("a/b", b"value").await.unwrap();
            assert_eq!(store.read("a/b").await.unwrap(), b"value");
            assert_eq!(store.read_into("a/b", &mut value).await.unwrap(), b"value");
            assert_eq!(store.read_into("a/b", &mut [0; 4]).await, Err(StoreError::TooLong));
            assert_eq!(store.directory("").await.unwrap(), ["a/b"]);
        });
    }
}

#[test]
fn the_command_line_has_the_last_word() {
    use crate::xen::config::{WORDS, word, words};
    let (store, mut daemon, _) = pair();
    assert_eq!(finish(&store, &mut daemon, words(&store, "ip=a")), " ip=a");
    finish(&store, &mut daemon, store.write(WORDS, b"ip=b gw=c")).unwrap();
    let told = finish(&store, &mut daemon, words(&store, "ip=a"));
    assert_eq!((word(&told, "ip"), word(&told, "gw")), (Some("a"), Some("c")));
    finish(&store, &mut daemon, store.write(WORDS, b"ip=\xff")).unwrap();
    assert_eq!(finish(&store, &mut daemon, words(&store, "ip=a")), " ip=a");
}

#[test]
fn what_is_longer_than_the_ring_passes_in_pieces() {
    let (store, mut daemon, _) = pair();
    let long: Vec<u8> = (0..4090_u32).map(|i| i as u8).collect();
    finish(&store, &mut daemon, async {
        store.write("a", &long).await.unwrap();
        assert_eq!(store.read("a").await.unwrap(), long);
        assert_eq!(store.write("a", &[1; 4096]).await, Err(StoreError::TooLong));
    });
}

#[test]
fn several_requests_are_under_way_and_answered_in_any_order() {
    let (store, mut daemon, _) = pair();
    let (mut first, mut second) = (pin!(store.read("first")), pin!(store.read("second")));
    assert!(now(first.as_mut()).is_pending() && now(second.as_mut()).is_pending());
    daemon.say(2, 2, b"two");
    daemon.say(2, 1, b"one");
    let put = daemon.to.put(&daemon.said).unwrap();
    daemon.said.drain(..put);
    store.pump();
    assert_eq!(now(first), Poll::Ready(Ok(b"one".to_vec())));
    assert_eq!(now(second), Poll::Ready(Ok(b"two".to_vec())));
}

#[test]
fn a_request_given_up_leaves_no_trace() {
    let (store, mut daemon, _) = pair();
    for _ in 0..200 {
        let mut read = alloc::boxed::Box::pin(store.read("a"));
        assert!(now(read.as_mut()).is_pending());
        drop(read);
        daemon.work();
        store.pump();
    }
    assert_eq!(finish(&store, &mut daemon, store.read("a")), Err(StoreError::Missing));
}

#[test]
fn a_watch_fires_at_the_beginning_and_at_each_change() {
    let (store, mut daemon, _) = pair();
    let watch = finish(&store, &mut daemon, store.watch("a")).unwrap();
    finish(&store, &mut daemon, watch.fired());
    assert!(watch.poll_fired(Waker::noop()).is_pending());
    finish(&store, &mut daemon, store.write("a/b", b"1")).unwrap();
    finish(&store, &mut daemon, watch.fired());
    finish(&store, &mut daemon, store.write("c", b"1")).unwrap();
    assert!(watch.poll_fired(Waker::noop()).is_pending());
    drop(watch);
    daemon.work();
    assert!(daemon.watches.is_empty());
}

#[test]
fn watches_and_requests_are_bounded() {
    let (store, mut daemon, _) = pair();
    let watches: Vec<_> = (0..64).map(|_| finish(&store, &mut daemon, store.watch("a")).unwrap()).collect();
    assert_eq!(finish(&store, &mut daemon, store.watch("a")).err(), Some(StoreError::Refused));
    drop(watches);
    finish(&store, &mut daemon, store.read("a")).unwrap_err();
    let mut reads: Vec<_> = (0..65).map(|_| alloc::boxed::Box::pin(store.read("a"))).collect();
    let last = reads.iter_mut().map(|read| now(read.as_mut())).last();
    assert_eq!(last, Some(Poll::Ready(Err(StoreError::Refused))));
}

#[test]
fn a_transaction_that_met_another_one_says_so() {
    let (store, mut daemon, _) = pair();
    let committed = finish(&store, &mut daemon, async {
        let transaction = store.transaction().await.unwrap();
        transaction.write("a", b"1").await.unwrap();
        transaction.commit().await
    });
    assert_eq!(committed, Err(StoreError::Again));
}

#[test]
fn a_daemon_out_of_order_refuses_everything_from_then_on() {
    for (at, value) in [(2060, 5000), (2048, 17)] {
        let (store, _daemon, page) = pair();
        let mut read = pin!(store.read("a"));
        page.store(at, value);
        assert_eq!(now(read.as_mut()), Poll::Ready(Err(StoreError::Refused)));
        assert_eq!(now(pin!(store.read("a"))), Poll::Ready(Err(StoreError::Refused)));
    }
    // A message longer than messages are.
    let (store, mut daemon, _) = pair();
    let mut read = pin!(store.read("a"));
    assert!(now(read.as_mut()).is_pending());
    daemon.said.extend(wire::Header { kind: 2, request: 1, transaction: 0, len: 4097 }.bytes());
    daemon.work();
    store.pump();
    assert_eq!(now(read), Poll::Ready(Err(StoreError::Refused)));
}

#[test]
fn a_path_with_a_zero_is_refused() {
    let (store, ..) = pair();
    assert_eq!(now(pin!(store.read("a\0b"))), Poll::Ready(Err(StoreError::Refused)));
}
