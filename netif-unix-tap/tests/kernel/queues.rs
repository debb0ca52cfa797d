//! Several queues of one interface, with a stack on each in a thread of its
//! own: every flow stays with one of them.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use netif_unix_tap::{Options, setup};
use os::Os;
use traits::{Network, Time};
use wire::Cidr;

use crate::packets::{KERNEL, OURS};
use crate::under_tokio::example::echo;

const QUEUES: usize = 2;
/// With a hash that is any good, one of them gets none once in 2⁶³ runs.
const CONNECTIONS: u8 = 64;

/// Runs until the process ends; counts what came through its queue.
fn stack(ready: &Sender<()>, received: &AtomicU64) {
    let os = Os::new_unix().unwrap();
    let tap = Options::new().multi_queue(true).open(&os, "tap0").unwrap();
    ready.send(()).unwrap();
    let mut random = os.random();
    os.run(async {
        let count = async {
            loop {
                os.sleep(Duration::from_millis(10)).await;
                received.store(tap.statistics().rx_packets, Ordering::SeqCst);
            }
        };
        os::race!(async { panic!("{:?}", echo(&tap, &os, &mut random, OURS).await) }, count);
    });
}

pub fn a_stack_on_each() {
    let (ready, started) = channel();
    let received: Vec<_> = (0..QUEUES).map(|_| Arc::new(AtomicU64::new(0))).collect();
    for received in &received {
        let (ready, received) = (ready.clone(), received.clone());
        let large = thread::Builder::new().stack_size(16 << 20);
        large.spawn(move || stack(&ready, &received)).unwrap();
        started.recv().unwrap();
    }
    setup::bring_up("tap0", Cidr::new(KERNEL, 24)).unwrap();
    // Half of them at once, so that both stacks are busy at the same time.
    let mut streams: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let address = SocketAddrV4::new(OURS, 7).into();
            let stream = TcpStream::connect_timeout(&address, Duration::from_secs(30)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream
        })
        .collect();
    for round in 0..20 {
        for (number, stream) in (0..).zip(&mut streams) {
            stream.write_all(&[number, round]).unwrap();
        }
        for (number, stream) in (0..).zip(&mut streams) {
            let mut back = [0; 2];
            stream.read_exact(&mut back).unwrap();
            assert_eq!(back, [number, round]);
        }
    }
    let counts = || received.iter().map(|received| received.load(Ordering::SeqCst)).collect::<Vec<_>>();
    // Each stack tells its count now and then.
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while counts().iter().any(|count| *count <= 100) && std::time::Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
    assert!(counts().iter().all(|count| *count > 100), "{:?}", counts());
}
