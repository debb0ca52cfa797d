//! A flood of SYNs from anywhere, beside a client that means well.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::task::Waker;
use std::time::Duration;

use crate::net::raw::{Raw, SYN};
use crate::net::{B, Net, echo, exchange, pattern, random};
use rand_chacha::rand_core::Rng as _;
use tcpv4::Listener;
use test_allocator::held;
use traits::Layer as _;

const SYNS: u32 = 1_000_000;
/// A thousand each time, which makes 10⁶ in a second.
const AT_ONCE: u32 = 1000;
/// What a device hands up before the task has its turn.
const BATCH: u32 = 64;
const BETWEEN: Duration = Duration::from_millis(1);
/// What the layer may have allocated for the SYNs after the first hundredth of
/// them, in bytes: far less than a bit for each.
const MORE: isize = 64 << 10;

on_both! {
    fn a_client_connects_at_once(net) {
        let listener = Listener::<4>::with_capacity();
        let over = Cell::new(false);
        let grown = Cell::new(0);
        let flood = async {
            let mut random = random(5);
            for n in 0..SYNS {
                let src = Ipv4Addr::from_bits(0x0b00_0000 | random.next_u32() & 0xff_ffff);
                let port = 1 + (random.next_u32() % 65_535) as u16;
                let mut syn = Raw::new(SYN, random.next_u32(), 0).from(src, port);
                syn.dst = *B.ip();
                let before = held();
                syn.input(net.b(), Some(&listener));
                if n >= SYNS / 100 {
                    grown.set(grown.get() + held() - before);
                }
                if n % BATCH == BATCH - 1 {
                    net.b().poll(net.clock.now(), Waker::noop());
                    // What nobody gets is gone.
                    let client = net.hosts[0].ip.address.get();
                    net.hosts[1].ip.sent.borrow_mut().retain(|sent| sent.header.dst == client);
                }
                if n % AT_ONCE == AT_ONCE - 1 {
                    net.sleep(BETWEEN).await;
                }
            }
            over.set(true);
        };
        let data = pattern(3000, 1);
        let client = async {
            let mut served = 0;
            while !over.get() {
                let begin = net.clock.now();
                let flow = net.a().create_connection(B).await.unwrap();
                let took = net.clock.now().duration_since(begin);
                assert_eq!(took, Duration::from_millis(10), "one round trip");
                assert!(exchange(flow, &data).await == data);
                served += 1;
                net.sleep(Duration::from_millis(20)).await;
            }
            assert!(served >= 10, "{served}");
        };
        let server = listener.serve(net.b(), async |flow| echo(flow).await);
        let mut session = net.session().listen(1, 80, &listener).background(server).spawn(flood).spawn(client);
        assert!(session.run_for(Duration::from_secs(5)), "{:?}", net.b().statistics());
        assert!(grown.get() < MORE, "{} bytes more", grown.get());
        let statistics = net.b().statistics();
        assert!(statistics.cookies_sent >= u64::from(SYNS - 20_000), "{statistics:?}");
        assert!(net.b().usage().half_open <= 4096);
        assert!(net.b().usage().connections <= 4);
    }
}
