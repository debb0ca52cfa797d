//! Data both ways, over good links and bad ones.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use crate::net;
use crate::net::{Link, Net, echo, exchange, join, pattern};
use tcpv4::{Listener, Storage};

const B: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 7);

/// Echoes `len` bytes over `link`.
fn run<S: Storage>(net: &Net<'_, S>, link: Link, len: usize) {
    net.link.set(link);
    let listener = Listener::<4>::with_capacity();
    let data = pattern(len, 1);
    let client = async {
        let flow = net.a().create_connection(B).await.unwrap();
        assert_eq!(flow.dest(), B);
        let back = exchange(flow, &data).await;
        assert!(back == data, "{} of {len} bytes came back", back.len());
    };
    let server = listener.serve(net.b(), async |flow| echo(flow).await);
    let mut session = net.session().listen(1, 7, &listener).background(server).spawn(client);
    assert!(
        session.run_for(Duration::from_secs(3000)),
        "{:?} {:?}",
        net.a().statistics(),
        net.b().statistics()
    );
    // Both ends are over and forgotten, but for TIME-WAIT. What may be left is the
    // FIN of the side that closed last, where it or its acknowledgement was lost:
    // it comes again after a timeout (200 ms and a round trip), and then twice that.
    session.run_for(Duration::from_secs(1));
    for tcp in [net.a(), net.b()] {
        assert_eq!((tcp.usage().connections, tcp.usage().bytes), (0, 0));
    }
    assert_eq!(net.a().usage().time_wait + net.b().usage().time_wait, 1);
    session.run_for(Duration::from_secs(61));
    assert_eq!(net.a().usage().time_wait + net.b().usage().time_wait, 0);
}

on_both! {
    fn a_byte_comes_back(net) {
        run(net, Link::CLEAN, 1);
    }

    fn nothing_comes_back(net) {
        run(net, Link::CLEAN, 0);
    }

    fn much_comes_back(net) {
        run(net, Link::CLEAN, 4 << 20);
    }

    fn much_comes_back_over_a_bad_link(net) {
        run(net, Link::BAD, 300_000);
    }

    fn at_no_distance(net) {
        run(net, Link { delay: Duration::ZERO, ..Link::CLEAN }, 1 << 20);
    }

    fn two_connections_at_once_from_each_side(net) {
        let listeners = [Listener::<4>::with_capacity(), Listener::with_capacity()];
        let data = [pattern(70_000, 3), pattern(70_000, 4)];
        let client = |from: usize| {
            let (tcp, to) = [(net.a(), 2), (net.b(), 1)][from];
            let data = &data[from];
            async move {
                let dst = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, to), 7);
                let (one, two) = join(tcp.create_connection(dst), tcp.create_connection(dst)).await;
                let (one, two) = join(exchange(one.unwrap(), data), exchange(two.unwrap(), data)).await;
                assert!(one == *data && two == *data);
            }
        };
        let mut session = net
            .session()
            .listen(0, 7, &listeners[0])
            .listen(1, 7, &listeners[1])
            .background(listeners[0].serve(net.a(), async |flow| echo(flow).await))
            .background(listeners[1].serve(net.b(), async |flow| echo(flow).await))
            .spawn(client(0))
            .spawn(client(1));
        assert!(session.run_for(Duration::from_secs(100)));
        session.run_for(Duration::from_secs(70));
        assert_eq!(net.a().usage().connections + net.b().usage().connections, 0);
    }
}

/// Byte-exact whatever the link does.
#[test]
fn seeds_of_bad_links() {
    for seed in 0..60 {
        net::with_heap(|net| {
            net.seed(seed);
            let link = Link {
                delay: Duration::from_millis(1 + seed % 40),
                lost: (seed as u32 * 7) % 100,
                twice: (seed as u32 * 3) % 50,
                late: (seed as u32 * 5) % 200,
                corrupt: (seed as u32 * 11) % 30,
                large_receive: false,
            };
            std::println!("seed {seed}");
            run(net, link, 50_000);
        });
    }
}
