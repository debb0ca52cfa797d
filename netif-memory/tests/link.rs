//! A link: exact times, queues, bounds, statistics, going down.

mod common;

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::Waker;
use core::time::Duration;

use common::{All, collect, frame, ms, run_until, send, us};
use netif_memory::{Fixed, Forwarding, Link, Settings, Simulator, Switch, VirtualClock, WhenFull, simulate};
use traits::{Instant, Layer, Network, SendError, Time, TxMeta};
use wire::MacAddr;

type Small<'a> = Link<&'a VirtualClock, Fixed<4, 1514>>;

#[test]
fn rate_and_delay_add_up_exactly() {
    let clock = VirtualClock::new();
    // 1000 bytes take 8 ms at 1 Mbit/s.
    let link = Link::new(&clock, Settings::new().with_rate(1_000_000).with_delay(Duration::from_millis(30)));
    let [a, b] = link.ports();
    let received = RefCell::default();
    for n in 0..3 {
        send(a, &frame(b.mac(), a.mac(), 1000, n)).unwrap();
    }
    run_until(&clock, &mut All(vec![Box::pin(collect(b, &received))]), Instant::from_secs(1));
    let times: Vec<_> = received.borrow().iter().map(|(at, bytes, _)| (*at, bytes[20])).collect();
    assert_eq!(times, [(ms(38), 0), (ms(46), 1), (ms(54), 2)]);
}

#[test]
fn directions_are_independent() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_delay(Duration::from_millis(5)));
    link.configure(0, Settings::new().with_delay(Duration::from_millis(9)));
    let [a, b] = link.ports();
    let (at_a, at_b) = (RefCell::default(), RefCell::default());
    send(a, &[1; 60]).unwrap();
    send(b, &[2; 60]).unwrap();
    let mut tasks = All(vec![Box::pin(collect(a, &at_a)), Box::pin(collect(b, &at_b))]);
    run_until(&clock, &mut tasks, ms(100));
    assert_eq!(at_a.borrow()[..], [(ms(9), vec![2; 60], Default::default())]);
    assert_eq!(at_b.borrow()[..], [(ms(5), vec![1; 60], Default::default())]);
}

#[test]
fn a_shorter_delay_does_not_reorder() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_delay(Duration::from_millis(50)));
    let [a, b] = link.ports();
    let received = RefCell::default();
    send(a, &[1; 60]).unwrap();
    link.configure(1, Settings::new().with_delay(Duration::from_millis(1)));
    send(a, &[2; 60]).unwrap();
    run_until(&clock, &mut All(vec![Box::pin(collect(b, &received))]), ms(100));
    let seen: Vec<_> = received.borrow().iter().map(|(at, bytes, _)| (*at, bytes[0])).collect();
    assert_eq!(seen, [(ms(50), 1), (ms(50), 2)]);
}

#[test]
fn a_full_queue_drops_the_tail_and_counts() {
    let clock = VirtualClock::new();
    let settings = Settings::new().with_rate(1_000_000).with_queue(3, WhenFull::Drop);
    let link = Link::new(&clock, settings);
    let [a, b] = link.ports();
    let received = RefCell::default();
    for n in 0..10 {
        send(a, &[n; 1000]).unwrap();
    }
    assert_eq!((link.dropped(1), link.in_flight(1)), (7, 3));
    let mut tasks = All(vec![Box::pin(collect(b, &received))]);
    // The first has left after 8 ms: room for exactly one more.
    run_until(&clock, &mut tasks, ms(8));
    send(a, &[77; 1000]).unwrap();
    send(a, &[78; 1000]).unwrap();
    run_until(&clock, &mut tasks, ms(100));
    let seen: Vec<_> = received.borrow().iter().map(|(at, bytes, _)| (*at, bytes[0])).collect();
    assert_eq!(seen, [(ms(8), 0), (ms(16), 1), (ms(24), 2), (ms(32), 77)]);
    assert_eq!(link.dropped(1), 8);
    assert_eq!((a.statistics().tx_packets, b.statistics().rx_packets), (12, 4));
}

#[test]
fn a_refusing_queue_pushes_back_until_it_has_room() {
    let clock = VirtualClock::new();
    let settings = Settings::new().with_rate(1_000_000).with_queue(2, WhenFull::Refuse);
    let link = Link::new(&clock, settings);
    let [a, b] = link.ports();
    let (received, refused) = (RefCell::default(), Cell::new(0));
    let sender = async {
        for n in 0..5 {
            while let Err(error) = send(a, &[n; 1000]) {
                assert_eq!(error, SendError::Full);
                refused.set(refused.get() + 1);
                poll_fn(|context| a.poll_room(context.waker())).await;
            }
        }
    };
    let mut tasks = All(vec![Box::pin(collect(b, &received)), Box::pin(sender)]);
    run_until(&clock, &mut tasks, ms(100));
    let seen: Vec<_> = received.borrow().iter().map(|(at, bytes, _)| (*at, bytes[0])).collect();
    assert_eq!(seen, [(ms(8), 0), (ms(16), 1), (ms(24), 2), (ms(32), 3), (ms(40), 4)]);
    // Exactly one refusal for each frame beyond the queue: nobody spins.
    assert_eq!((refused.get(), a.statistics().tx_full, link.dropped(1)), (3, 3, 0));
}

#[test]
fn capacity_bounds_what_nobody_takes() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_capacity(5));
    let [a, b] = link.ports();
    for _ in 0..5 {
        send(a, &[0; 60]).unwrap();
    }
    assert_eq!(send(a, &[0; 60]), Err(SendError::Full));
    assert!(a.poll_room(Waker::noop()).is_pending());
    // Room comes with the receiver, at no time of its own.
    let received = RefCell::default();
    let waits = async {
        poll_fn(|context| a.poll_room(context.waker())).await;
        send(a, &[1; 60]).unwrap();
    };
    let mut tasks = All(vec![Box::pin(waits), Box::pin(collect(b, &received))]);
    run_until(&clock, &mut tasks, ms(1));
    assert_eq!(received.borrow().len(), 6);
}

#[test]
fn fixed_storage_holds_what_it_says_and_refuses_longer_frames() {
    let clock = VirtualClock::new();
    let link = Small::fixed(&clock, Settings::new().with_mtu(9000));
    let [a, b] = link.ports();
    assert_eq!(send(a, &[0; 1515]), Err(SendError::TooLong));
    let received = RefCell::default();
    let mut tasks = All(vec![Box::pin(collect(b, &received))]);
    for round in 0..10u8 {
        for n in 0..4 {
            send(a, &[round * 4 + n; 1514]).unwrap();
        }
        assert_eq!(send(a, &[0; 60]), Err(SendError::Full));
        run_until(&clock, &mut tasks, ms(u64::from(round) + 1));
    }
    let seen: Vec<_> = received.borrow().iter().map(|(_, bytes, _)| bytes[0]).collect();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    assert_eq!(link.dropped(1), 0);
}

/// A listener may write, through any port, and what it writes is delivered in
/// a later turn, never at once.
fn ping_pong<Q: netif_memory::Queue>(link: &Link<&VirtualClock, Q>, clock: &VirtualClock) {
    let [a, b] = link.ports();
    let (count, depth) = (Cell::new(0u32), Cell::new(0));
    let bounce = |port: &netif_memory::Port<'_, _, 2, Q>, frame: traits::Frame<'_>| {
        assert_eq!(depth.replace(1), 0, "delivered from within a write");
        count.set(count.get() + 1);
        if count.get() < 100 {
            send(port, frame.bytes).unwrap();
        }
        depth.set(0);
    };
    send(a, &[9; 99]).unwrap();
    let (to_a, to_b) = (a.listen(|frame| bounce(&a, frame)), b.listen(|frame| bounce(&b, frame)));
    let mut tasks = All(vec![
        Box::pin(async { to_a.await.map(|_| ()).unwrap() }),
        Box::pin(async { to_b.await.map(|_| ()).unwrap() }),
    ]);
    run_until(clock, &mut tasks, Instant::from_secs(10));
    assert_eq!(count.get(), 100);
}

#[test]
fn listeners_may_write() {
    let clock = VirtualClock::new();
    ping_pong(&Link::new(&clock, Settings::new().with_delay(Duration::from_millis(1))), &clock);
    ping_pong(&Small::fixed(&clock, Settings::new()), &clock);
}

#[test]
fn a_filler_that_writes_gets_full_not_a_panic() {
    let clock = VirtualClock::new();
    let link = Small::fixed(&clock, Settings::new());
    let [a, b] = link.ports();
    let inner = Cell::new(None);
    a.write(TxMeta::NONE, 60, |buffer| {
        inner.set(Some((send(a, &[1; 60]), send(b, &[2; 60]))));
        buffer.len()
    })
    .unwrap();
    assert_eq!(inner.get(), Some((Err(SendError::Full), Ok(()))));
    assert_eq!(a.statistics().tx_full, 1);
}

#[test]
fn fillers_use_what_they_like_up_to_len() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let received = RefCell::default();
    a.write(TxMeta::NONE, 100, |buffer| {
        assert_eq!(buffer.len(), 100);
        buffer.fill(7);
        60
    })
    .unwrap();
    a.write(TxMeta::NONE, 70, |_| 1000).unwrap();
    a.write(TxMeta::NONE, 100, |_| 0).unwrap();
    assert_eq!(a.write(TxMeta::NONE, 1515, |_| unreachable!("too long")), Err(SendError::TooLong));
    run_until(&clock, &mut All(vec![Box::pin(collect(b, &received))]), ms(1));
    let lengths: Vec<_> = received.borrow().iter().map(|(_, bytes, _)| bytes.len()).collect();
    assert_eq!(lengths, [60, 70]);
    let statistics = a.statistics();
    assert_eq!((statistics.tx_packets, statistics.tx_bytes), (2, 130));
    assert_eq!((b.statistics().rx_packets, b.statistics().rx_bytes), (2, 130));
    a.reset_statistics();
    assert_eq!(a.statistics(), traits::NetworkStatistics::ZERO);
}

#[test]
fn a_batch_is_bounded_and_others_run_in_between() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    for _ in 0..200 {
        send(a, &[0; 60]).unwrap();
    }
    let (seen, steps) = (Cell::new(0), RefCell::new(Vec::new()));
    let listen = async {
        let _ = b.listen(|_| seen.set(seen.get() + 1)).await;
    };
    let other = poll_fn(|_| {
        steps.borrow_mut().push(seen.get());
        core::task::Poll::<()>::Pending
    });
    let mut simulator = Simulator::new(&clock);
    let mut tasks = All(vec![Box::pin(listen), Box::pin(other)]);
    let _ = simulator.run_until(core::pin::Pin::new(&mut tasks), ms(0)).unwrap();
    assert_eq!(*steps.borrow(), [64, 128, 192, 200]);
}

#[test]
fn dropping_and_repeating_listen_loses_nothing() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_delay(Duration::from_millis(1)));
    let [a, b] = link.ports();
    let received = RefCell::default();
    for round in 1..=10 {
        send(a, &[round as u8; 60]).unwrap();
        run_until(&clock, &mut All(vec![Box::pin(collect(b, &received))]), us(round * 300));
    }
    run_until(&clock, &mut All(vec![Box::pin(collect(b, &received))]), ms(10));
    let seen: Vec<_> = received.borrow().iter().map(|(_, bytes, _)| bytes[0]).collect();
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}

#[test]
fn a_port_that_is_down_neither_sends_nor_receives() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_capacity(1));
    let [a, b] = link.ports();
    let received = RefCell::default();
    send(a, &[1; 60]).unwrap();
    assert_eq!(send(a, &[2; 60]), Err(SendError::Full));
    b.disconnect();
    assert_eq!(send(b, &[3; 60]), Err(SendError::Down));
    // Nobody is there to hold the sender up.
    assert!(a.poll_room(Waker::noop()).is_ready() && b.poll_room(Waker::noop()).is_ready());
    send(a, &[4; 60]).unwrap();
    let mut tasks = All(vec![Box::pin(collect(b, &received))]);
    run_until(&clock, &mut tasks, ms(10));
    assert!(received.borrow().is_empty());
    b.reconnect();
    send(a, &[5; 60]).unwrap();
    run_until(&clock, &mut tasks, ms(20));
    assert_eq!(received.borrow().len(), 1);
}

#[test]
fn going_down_while_handing_up() {
    let clock = VirtualClock::new();
    let link = Small::fixed(&clock, Settings::new());
    let [a, b] = link.ports();
    send(a, &[1; 60]).unwrap();
    send(a, &[2; 60]).unwrap();
    let seen = RefCell::new(Vec::new());
    let listen = async {
        let _ = b
            .listen(|frame| {
                if frame.bytes[0] == 1 {
                    b.disconnect();
                    b.reconnect();
                    // The slot in use can't take it; the next may.
                    let _ = (send(a, &[3; 60]), send(a, &[4; 60]));
                }
                seen.borrow_mut().push(frame.bytes[0]);
            })
            .await;
    };
    run_until(&clock, &mut All(vec![Box::pin(listen)]), ms(1));
    assert_eq!(seen.borrow()[0], 1);
    assert!(!seen.borrow().contains(&2));
    send(a, &[5; 60]).unwrap();
    run_until(&clock, &mut All(vec![Box::pin(collect(b, &RefCell::default()))]), ms(2));
    assert_eq!(link.in_flight(1), 0);
}

#[test]
fn a_switch_sends_each_frame_where_it_belongs() {
    let clock = VirtualClock::new();
    let switch: Switch<_, 4, Fixed<8, 128>> =
        Switch::with_storage(&clock, Settings::new(), Forwarding::ByAddress);
    let [a, b, c, d] = switch.ports();
    d.set_mac(MacAddr([0x02, 9, 9, 9, 9, 9]));
    let inboxes: [RefCell<Vec<common::Received>>; 4] = Default::default();
    let group = MacAddr([0x01, 0, 0x5e, 0, 0, 1]);
    let stranger = MacAddr([0x02, 8, 8, 8, 8, 8]);
    let to = |dst: MacAddr, n| send(a, &frame(dst, a.mac(), 60, n)).unwrap();
    to(b.mac(), 1);
    to(d.mac(), 2);
    to(MacAddr::BROADCAST, 3);
    to(group, 4);
    to(stranger, 5);
    to(a.mac(), 6);
    let listens = [a, b, c, d].into_iter().zip(&inboxes);
    let mut tasks = All(listens.map(|(port, inbox)| Box::pin(collect(port, inbox)) as _).collect());
    run_until(&clock, &mut tasks, ms(1));
    let seen = |n: usize| inboxes[n].borrow().iter().map(|(_, bytes, _)| bytes[20]).collect::<Vec<_>>();
    assert_eq!(
        [seen(0), seen(1), seen(2), seen(3)],
        [vec![], vec![1, 3, 4, 5], vec![3, 4, 5], vec![2, 3, 4, 5]]
    );
}

#[test]
fn senders_share_the_line_to_one_receiver() {
    let clock = VirtualClock::new();
    let settings = Settings::new().with_rate(8_000_000).with_queue(4, WhenFull::Drop);
    let switch: Switch<_, 3, _> = Switch::by_address(&clock, settings);
    let [a, b, c] = switch.ports();
    let received = RefCell::default();
    for _ in 0..3 {
        send(a, &frame(c.mac(), a.mac(), 1000, 1)).unwrap();
        send(b, &frame(c.mac(), b.mac(), 1000, 2)).unwrap();
    }
    run_until(&clock, &mut All(vec![Box::pin(collect(c, &received))]), ms(10));
    let seen: Vec<_> = received.borrow().iter().map(|(at, bytes, _)| (*at, bytes[20])).collect();
    assert_eq!(seen, [(ms(1), 1), (ms(2), 2), (ms(3), 1), (ms(4), 2)]);
    assert_eq!(switch.dropped(2), 2);
}

#[test]
fn waiting_for_nothing_is_a_deadlock_with_a_message() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    send(a, &[0; 60]).unwrap();
    let error = simulate(&clock, b.listen(|_| ())).unwrap_err();
    assert!(error.to_string().starts_with("deadlock at 0.000000000s"), "{error}");
    assert_eq!(clock.now(), Instant::ZERO);
}
