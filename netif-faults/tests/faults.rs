//! Each fault by itself: exact in virtual time, counted, the same from the
//! same seed.

use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::num::NonZeroU16;

use netif_faults::{Faults, Impairments, Probability};
use netif_memory::{Heap, Link, Port, Settings, Simulator, VirtualClock, WhenFull};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use traits::{
    Capabilities, ChecksumVerdict, Frame, Instant, Layer, Network, Offload, RxMeta, SegmentationKind,
    SendError, Time, TxMeta,
};

type Device<'a> = Faults<Port<'a, &'a VirtualClock, 2, Heap>, ChaCha8Rng>;
type Received = (Instant, Vec<u8>, RxMeta);
type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

const NONE: Impairments = Impairments::NONE;

fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

struct All<'a>(Vec<Task<'a>>);

impl Future for All<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.retain_mut(|task| task.as_mut().poll(context).is_pending());
        Poll::Pending
    }
}

fn run_until(clock: &VirtualClock, tasks: Vec<Task<'_>>, until: Instant) {
    let polled = Simulator::new(clock).run_until(pin!(All(tasks)), until);
    assert!(polled.is_ok(), "{polled:?}");
}

fn listen<'a>(device: &'a impl Network, into: &'a RefCell<Vec<Received>>) -> Task<'a> {
    let keep = |frame: Frame<'_>| into.borrow_mut().push((device.now(), frame.bytes.to_vec(), frame.meta));
    Box::pin(async move { device.listen(keep).await.map(|_| ()).unwrap() })
}

fn tower<'a>(device: &'a impl Layer, clock: &'a VirtualClock) -> Task<'a> {
    Box::pin(async move { device.run(clock).await.map(|_| ()).unwrap() })
}

fn send(device: &impl Network, bytes: &[u8]) -> Result<(), SendError> {
    send_with(device, TxMeta::NONE, bytes)
}

fn send_with(device: &impl Network, meta: TxMeta, bytes: &[u8]) -> Result<(), SendError> {
    device.write(meta, bytes.len(), |buffer| {
        buffer.copy_from_slice(bytes);
        bytes.len()
    })
}

/// Numbers in frames, so that each is known again.
fn numbered(n: u32) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*bytes.first_chunk().unwrap())
}

/// What arrives of `count` frames, one each millisecond, sent through faults
/// on the way out, or received through them.
fn pass(set: Impairments, outwards: bool, count: u32, seed: u64) -> (Vec<Received>, netif_faults::Counts) {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let (out, inn) = if outwards { (set, NONE) } else { (NONE, set) };
    let (sender, receiver) = (Faults::new(a, random(seed), out, NONE), Faults::new(b, random(seed), NONE, inn));
    let received = RefCell::default();
    let source = async {
        for n in 0..count {
            clock.sleep_until(ms(u64::from(n))).await;
            send(&sender, &numbered(n)).unwrap();
        }
    };
    let tasks =
        vec![listen(&receiver, &received), Box::pin(source), tower(&sender, &clock), tower(&receiver, &clock)];
    run_until(&clock, tasks, ms(u64::from(count) + 10_000));
    let counts = if outwards { sender.faults().transmit } else { receiver.faults().receive };
    (received.into_inner(), counts)
}

#[test]
fn nothing_set_changes_nothing() {
    for outwards in [true, false] {
        let (received, counts) = pass(NONE, outwards, 100, 1);
        let expected: Vec<_> = (0..100).map(|n| (ms(n.into()), numbered(n), RxMeta::NONE)).collect();
        assert_eq!(received, expected);
        assert_eq!((counts.lost, counts.duplicated, counts.overflow), (0, 0, 0));
    }
}

#[test]
fn loss_is_as_likely_as_said_and_counted() {
    for outwards in [true, false] {
        let (received, counts) = pass(NONE.with_loss(Probability::percent(10)), outwards, 10_000, 2);
        assert_eq!(received.len() as u64 + counts.lost, 10_000);
        assert_eq!(counts.frames, 10_000);
        assert!((900..1100).contains(&counts.lost), "{}", counts.lost);
        assert!(received.is_sorted_by_key(|(_, bytes, _)| number(bytes)));
    }
    assert!(pass(NONE.with_loss(Probability::ALWAYS), true, 100, 3).0.is_empty());
}

#[test]
fn duplicates_come_twice_at_once() {
    for outwards in [true, false] {
        let (received, counts) = pass(NONE.with_duplication(Probability::percent(30)), outwards, 1000, 4);
        assert_eq!(received.len() as u64, 1000 + counts.duplicated);
        assert!((200..400).contains(&counts.duplicated));
        assert!(received.iter().all(|(at, bytes, _)| *at == ms(number(bytes).into())));
    }
}

#[test]
fn a_delay_is_exact_and_jitter_keeps_the_order() {
    for outwards in [true, false] {
        let (received, _) = pass(NONE.with_delay(Duration::from_millis(33), Duration::ZERO), outwards, 50, 5);
        let times: Vec<_> = received.iter().map(|(at, bytes, _)| (*at, number(bytes))).collect();
        assert_eq!(times, (0..50).map(|n| (ms(33 + u64::from(n)), n)).collect::<Vec<_>>());

        let jitter = NONE.with_delay(Duration::from_millis(5), Duration::from_millis(20));
        let (received, _) = pass(jitter, outwards, 1000, 6);
        assert_eq!(received.len(), 1000);
        let mut delays = Vec::new();
        for (index, (at, bytes, _)) in received.iter().enumerate() {
            assert_eq!(number(bytes) as usize, index);
            delays.push(at.duration_since(ms(index as u64)));
        }
        assert!(delays.iter().all(|d| (Duration::from_millis(5)..=Duration::from_millis(25)).contains(d)));
        assert!(delays.iter().any(|d| *d < Duration::from_millis(15)));
        assert!(delays.iter().any(|d| *d > Duration::from_millis(22)));
    }
}

#[test]
fn what_is_reordered_is_overtaken_and_comes_within_its_time() {
    for outwards in [true, false] {
        let hold = Duration::from_millis(50);
        let (received, counts) = pass(NONE.with_reordering(Probability::percent(10), hold), outwards, 1000, 7);
        assert_eq!(received.len(), 1000);
        assert!((50..150).contains(&counts.reordered));
        let late = received.iter().filter(|(at, bytes, _)| *at > ms(number(bytes).into())).count() as u64;
        assert_eq!(late, counts.reordered);
        assert!(received.iter().all(|(at, bytes, _)| *at <= ms(number(bytes).into()) + hold));
        assert!(!received.is_sorted_by_key(|(_, bytes, _)| number(bytes)));
    }
}

#[test]
fn a_bit_error_is_one_bit_and_truncation_leaves_something() {
    for outwards in [true, false] {
        let (received, counts) = pass(NONE.with_bit_error(Probability::ALWAYS), outwards, 300, 8);
        assert_eq!(counts.bit_errors, 300);
        for (n, (_, bytes, _)) in received.iter().enumerate() {
            let flipped: u32 = bytes.iter().zip(numbered(n as u32)).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!((flipped, bytes.len()), (1, 60));
        }
        let (received, counts) = pass(NONE.with_truncation(Probability::ALWAYS), outwards, 300, 9);
        assert_eq!(counts.truncated, 300);
        for (n, (_, bytes, _)) in received.iter().enumerate() {
            assert!((1..60).contains(&bytes.len()));
            assert_eq!(bytes[..], numbered(n as u32)[..bytes.len()]);
        }
    }
}

fn everything() -> Impairments {
    NONE.with_loss(Probability::percent(10))
        .with_duplication(Probability::percent(10))
        .with_reordering(Probability::percent(10), Duration::from_millis(30))
        .with_bit_error(Probability::percent(5))
        .with_truncation(Probability::percent(5))
        .with_delay(Duration::from_millis(10), Duration::from_millis(5))
}

#[test]
fn the_same_seed_is_the_same_to_the_last_bit() {
    for outwards in [true, false] {
        let first = pass(everything(), outwards, 500, 11);
        assert_eq!(first, pass(everything(), outwards, 500, 11));
        assert_ne!(first, pass(everything(), outwards, 500, 12));
    }
}

#[test]
fn setting_one_fault_leaves_the_others_where_they_were() {
    let lost = |set| {
        let (received, _) = pass(set, true, 500, 13);
        let mut seen: Vec<_> = received.iter().map(|(_, bytes, _)| number(bytes)).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    };
    let loss = NONE.with_loss(Probability::percent(20));
    let alone = lost(loss);
    assert!((350..450).contains(&alone.len()), "{} of 500 came", alone.len());
    assert_eq!(alone, lost(loss.with_duplication(Probability::percent(50))));
    assert_eq!(alone, lost(loss.with_delay(Duration::from_millis(9), Duration::from_millis(9))));
}

#[test]
fn directions_are_apart() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let device = Faults::new(a, random(1), NONE.with_loss(Probability::ALWAYS), NONE);
    let (at_a, at_b) = (RefCell::default(), RefCell::default());
    send(&device, &numbered(1)).unwrap();
    send(&b, &numbered(2)).unwrap();
    run_until(&clock, vec![listen(&device, &at_a), listen(&b, &at_b)], ms(1));
    assert_eq!((at_a.borrow().len(), at_b.borrow().len()), (1, 0));
    device.set_transmit(NONE);
    device.set_receive(NONE.with_loss(Probability::ALWAYS));
    send(&device, &numbered(1)).unwrap();
    send(&b, &numbered(2)).unwrap();
    run_until(&clock, vec![listen(&device, &at_a), listen(&b, &at_b)], ms(2));
    assert_eq!((at_a.borrow().len(), at_b.borrow().len()), (1, 1));
    let faults = device.faults();
    assert_eq!((faults.transmit.lost, faults.receive.lost), (1, 1));
    device.reset_statistics();
    assert_eq!(device.faults(), netif_faults::FaultStatistics::default());
}

/// Sends frames as fast as the device lets, and says when each went.
async fn push(device: &impl Network, count: u32, refused: &Cell<u32>) {
    for n in 0..count {
        while let Err(error) = send(device, &numbered(n)) {
            assert_eq!(error, SendError::Full);
            refused.set(refused.get() + 1);
            poll_fn(|context| device.poll_room(context.waker())).await;
        }
    }
}

#[test]
fn a_device_full_at_random_has_room_again_on_time() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let set = NONE.with_full(Probability::percent(20), Duration::from_millis(7));
    let device = Faults::new(a, random(3), set, NONE);
    let (received, refused) = (RefCell::default(), Cell::new(0));
    let tasks = vec![listen(&b, &received), Box::pin(push(&device, 100, &refused)), tower(&device, &clock)];
    run_until(&clock, tasks, Instant::from_secs(60));
    let received = received.borrow();
    assert_eq!(received.len(), 100);
    assert!(refused.get() > 5);
    assert_eq!(device.faults().transmit.full, u64::from(refused.get()));
    assert_eq!(received.last().unwrap().0, ms(7 * u64::from(refused.get())));
}

#[test]
fn a_device_full_for_one_write_does_not_hold_up() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let device = Faults::new(a, random(3), NONE.with_full(Probability::percent(50), Duration::ZERO), NONE);
    let (received, refused) = (RefCell::default(), Cell::new(0));
    let tasks = vec![listen(&b, &received), Box::pin(push(&device, 100, &refused)), tower(&device, &clock)];
    run_until(&clock, tasks, ms(0));
    assert_eq!(received.borrow().len(), 100);
    assert!(refused.get() > 50);
}

#[test]
fn back_pressure_of_the_device_below_is_passed_on() {
    let clock = VirtualClock::new();
    // A frame of 60 bytes takes 1 ms.
    let link = Link::new(&clock, Settings::new().with_rate(480_000).with_queue(2, WhenFull::Refuse));
    let [a, b] = link.ports();
    let set = NONE.with_duplication(Probability::percent(30));
    let device = Faults::new(a, random(3), set, NONE);
    let (received, refused) = (RefCell::default(), Cell::new(0));
    let tasks = vec![listen(&b, &received), Box::pin(push(&device, 200, &refused)), tower(&device, &clock)];
    run_until(&clock, tasks, Instant::from_secs(60));
    let counts = device.faults().transmit;
    assert_eq!(counts.overflow, 0);
    let total = 200 + counts.duplicated;
    let received = received.borrow();
    assert_eq!(received.len() as u64, total);
    assert_eq!(received.last().unwrap().0, ms(total));
    assert!(received.is_sorted_by_key(|(_, bytes, _)| number(bytes)));
}

#[test]
fn what_would_be_too_much_to_hold_is_dropped_and_counted() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let set = NONE.with_delay(Duration::from_millis(5), Duration::ZERO);
    let device = Faults::new(a, random(3), set, NONE).with_held(3, 1000);
    let received = RefCell::default();
    for n in 0..5 {
        send(&device, &numbered(n)).unwrap();
    }
    assert_eq!(device.faults().transmit.overflow, 2);
    run_until(&clock, vec![listen(&b, &received), tower(&device, &clock)], ms(10));
    assert_eq!(received.borrow().len(), 3);
    // In bytes, too.
    send(&device, &[0; 900]).unwrap();
    send(&device, &[0; 101]).unwrap();
    send(&device, &[0; 100]).unwrap();
    assert_eq!(device.faults().transmit.overflow, 3);
}

#[test]
fn errors_of_the_device_are_the_callers() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, _] = link.ports();
    let device = Faults::new(a, random(3), everything(), everything());
    assert_eq!(device.write(TxMeta::NONE, 1515, |_| panic!("filled")), Err(SendError::TooLong));
    let checksum = TxMeta::NONE.with_checksum(34, 16);
    assert_eq!(device.write(checksum, 60, |_| panic!("filled")), Err(SendError::Unsupported));
    a.disconnect();
    let lossless = Faults::new(a, random(3), NONE.with_bit_error(Probability::ALWAYS), NONE);
    assert_eq!(lossless.write(TxMeta::NONE, 60, |_| panic!("filled")), Err(SendError::Down));
    a.reconnect();
    device.disconnect();
    assert_eq!(device.write(TxMeta::NONE, 60, |_| panic!("filled")), Err(SendError::Down));
}

#[test]
fn a_filler_may_write_again() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, _] = link.ports();
    for set in [NONE, everything(), NONE.with_bit_error(Probability::ALWAYS)] {
        let device: Device<'_> = Faults::new(a, random(3), set, NONE);
        for n in 0..50 {
            let inner = Cell::new(None);
            let outer = device.write(TxMeta::NONE, 60, |buffer| {
                inner.set(Some(send(&device, &numbered(n))));
                buffer.len()
            });
            assert!(outer.is_ok());
            assert!(matches!(inner.get(), Some(Ok(()) | Err(SendError::Full))));
        }
    }
}

fn tcp(payload: &[u8]) -> Vec<u8> {
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let builder =
        etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(a, b, 64).tcp(4000, 80, 1_000_000, 500);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    let len = frame.len() - 34;
    let sum = wire::Checksum::pseudo(a.into(), b.into(), wire::Protocol::TCP, len).partial();
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
    frame
}

fn checksum_holds(frame: &[u8]) -> bool {
    let packet = etherparse::SlicedPacket::from_ethernet(frame);
    let Ok(Some(etherparse::TransportSlice::Tcp(tcp))) = packet.map(|packet| packet.transport) else {
        return false;
    };
    Ok(tcp.checksum()) == tcp.calc_checksum_ipv4([10, 0, 0, 1], [10, 0, 0, 2])
}

#[test]
fn no_offload_hides_the_damage() {
    let clock = VirtualClock::new();
    let offload = Settings::new().with_capabilities(Capabilities::new(Offload::all(), 65_550));
    let link = Link::new(&clock, offload);
    let [a, b] = link.ports();
    let spoil = NONE.with_bit_error(Probability::ALWAYS);
    let (sender, receiver) = (Faults::new(a, random(5), spoil, NONE), Faults::new(b, random(6), NONE, NONE));
    let received = RefCell::default();
    let checksum = TxMeta::NONE.with_checksum(34, 16);
    for _ in 0..50 {
        send_with(&sender, checksum, &tcp(&[7; 1000])).unwrap();
    }
    run_until(&clock, vec![listen(&receiver, &received)], ms(1));
    sender.set_transmit(NONE);
    receiver.set_receive(spoil);
    for _ in 0..50 {
        send_with(&sender, checksum, &tcp(&[7; 1000])).unwrap();
    }
    run_until(&clock, vec![listen(&receiver, &received)], ms(2));
    let received = received.borrow();
    assert_eq!(received.len(), 100);
    let mut in_payload = 0;
    for (_, bytes, meta) in received.iter() {
        assert_eq!(meta.checksum, ChecksumVerdict::Unchecked);
        // A flip in the addresses or the length shows in the IPv4 header.
        if bytes[..34] == tcp(&[7; 1000])[..34] {
            in_payload += 1;
            assert!(!checksum_holds(bytes));
        }
    }
    assert!(in_payload > 80);
}

#[test]
fn pieces_of_a_large_frame_are_lost_one_by_one() {
    let clock = VirtualClock::new();
    let offload = Settings::new().with_capabilities(Capabilities::new(Offload::all(), 65_550));
    let link = Link::new(&clock, offload);
    let [a, b] = link.ports();
    let device = Faults::new(a, random(5), NONE.with_loss(Probability::percent(20)), NONE);
    let received = RefCell::default();
    let size = NonZeroU16::new(100).unwrap();
    let meta =
        TxMeta::NONE.with_checksum(34, 16).with_segmentation(SegmentationKind::Tcp4 { cwr: false }, size, 54);
    for _ in 0..10 {
        send_with(&device, meta, &tcp(&[7; 5000])).unwrap();
    }
    run_until(&clock, vec![listen(&b, &received)], ms(1));
    let counts = device.faults().transmit;
    assert_eq!(counts.frames, 500);
    assert!((60..140).contains(&counts.lost));
    let received = received.borrow();
    assert_eq!(received.len() as u64, 500 - counts.lost);
    assert!(received.iter().all(|(_, bytes, _)| bytes.len() == 154 && checksum_holds(bytes)));
}

#[test]
fn without_the_towers_task_held_frames_wait_and_nothing_spins() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let device = Faults::new(a, random(3), NONE.with_delay(Duration::from_millis(5), Duration::ZERO), NONE);
    send(&device, &numbered(1)).unwrap();
    let received = RefCell::default();
    run_until(&clock, vec![listen(&b, &received)], ms(100));
    assert!(received.borrow().is_empty());
    assert_eq!(device.poll(clock.now(), Waker::noop()), None);
    run_until(&clock, vec![listen(&b, &received)], ms(101));
    assert_eq!(received.borrow().len(), 1);
}
