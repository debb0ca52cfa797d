//! The same stack under the run loop of `os`, with blocking clients of the
//! kernel's in another thread.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use netif_unix_tap::{Tap, setup};
use os::Os;
use traits::{Network, Time};
use wire::Cidr;

use crate::packets::{KERNEL, OURS};
use crate::under_tokio::example::echo;

const PEER: SocketAddrV4 = SocketAddrV4::new(OURS, 7);
const PATIENCE: Duration = Duration::from_secs(60);

/// Wakes the loop when the thread that owns it ends, in whatever way.
#[derive(Default)]
struct Ended {
    yes: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

struct AtEnd(Arc<Ended>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.yes.store(true, Ordering::SeqCst);
        if let Some(waker) = self.0.waker.lock().unwrap().take() {
            waker.wake();
        }
    }
}

impl Ended {
    async fn wait(&self) {
        poll_fn(|context| {
            *self.waker.lock().unwrap() = Some(context.waker().clone());
            if self.yes.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await
    }
}

pub fn echoes_datagrams_and_connections() {
    let os = Os::new_unix().unwrap();
    let tap = Tap::open(&os, "tap0").unwrap();
    setup::bring_up("tap0", Cidr::new(KERNEL, 24)).unwrap();
    let ended = Arc::new(Ended::default());
    let at_end = AtEnd(ended.clone());
    let clients = thread::spawn(move || {
        let _at_end = at_end;
        datagrams();
        connection();
    });
    let mut random = os.random();
    os.run(async {
        let stack = async { panic!("{:?}", echo(&tap, &os, &mut random, OURS).await) };
        let late = async {
            os.sleep(PATIENCE).await;
            panic!("the clients never came to their end")
        };
        os::race!(stack, ended.wait(), late);
    });
    clients.join().unwrap();
    assert_eq!((tap.statistics().rx_dropped, tap.statistics().tx_dropped), (0, 0));
}

fn datagrams() {
    let socket = UdpSocket::bind(SocketAddrV4::new(KERNEL, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for number in 0..1_000_u16 {
        let sent = number.to_be_bytes();
        socket.send_to(&sent, PEER).unwrap();
        let mut received = [0; 4];
        assert_eq!(socket.recv(&mut received).unwrap(), 2);
        assert_eq!(received[..2], sent);
    }
}

/// Ten megabytes there and back, both at once.
fn connection() {
    const LEN: usize = 10 << 20;
    let byte = |index: usize| (index * 7 % 251) as u8;
    let mut stream = TcpStream::connect(PEER).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let writes = thread::spawn(move || {
        let sent: Vec<u8> = (0..LEN).map(byte).collect();
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writes.join().unwrap();
    assert_eq!(received.len(), LEN);
    assert!(received.iter().enumerate().all(|(index, &got)| got == byte(index)));
}
