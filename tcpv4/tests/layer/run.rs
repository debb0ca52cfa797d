//! A burst sent as a run comes to the same as its segments sent one by one.

use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;
use tcpv4::connection::Info;
use tcpv4::{Listener, Statistics, Tcp};
use traits::{Capabilities, Instant, Layer as _, Offload, SendError};

use crate::net::raw::{ACK, CWR, ECE, Raw, SYN};
use crate::net::{Clock, MockIp, Sent, once, pattern, random};

/// What is sent from where it lies. No byte is like its neighbours.
static CONSTANT: [u8; 40_000] = {
    let mut bytes = [0; 40_000];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at ^ at >> 8) as u8;
        at += 1;
    }
    bytes
};

/// What happens to a connection that sends.
#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    /// From where it lies.
    Static(usize),
    /// Of so many bytes sent, or of all; with a mark of congestion.
    Acknowledge(u32, bool),
    Room(usize),
    Refuse(Option<SendError>),
    Pass(u64),
    /// All that was sent is acknowledged from within the device, this many writes
    /// from now.
    AcknowledgeWithin(usize),
    Close,
}

#[derive(Clone, Debug)]
struct Plan {
    partial: bool,
    mtu: usize,
    timestamps: bool,
    ecn: bool,
    steps: Vec<Step>,
}

fn step() -> impl Strategy<Value = Step> {
    let error = prop_oneof![
        2 => Just(None),
        1 => Just(Some(SendError::Down)),
        1 => Just(Some(SendError::Unresolved)),
        1 => Just(Some(SendError::TooLong)),
    ];
    prop_oneof![
        6 => (1..40_000usize).prop_map(Step::Write),
        3 => (1..40_000usize).prop_map(Step::Static),
        6 => (0..40_000u32, any::<bool>()).prop_map(|(bytes, echo)| Step::Acknowledge(bytes, echo)),
        3 => prop_oneof![0..20usize, Just(usize::MAX)].prop_map(Step::Room),
        1 => error.prop_map(Step::Refuse),
        2 => (0..3000u64).prop_map(Step::Pass),
        1 => (0..16usize).prop_map(Step::AcknowledgeWithin),
        1 => Just(Step::Close),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let steps = proptest::collection::vec(step(), 1..40);
    let mtu = prop_oneof![3 => Just(1500), 1 => 576..9000usize];
    (any::<bool>(), mtu, any::<bool>(), any::<bool>(), steps)
        .prop_map(|(partial, mtu, timestamps, ecn, steps)| Plan { partial, mtu, timestamps, ecn, steps })
}

/// All that can be seen of what happened, and how many runs there were.
fn outcome(plan: &Plan, takes_runs: bool) -> (Vec<Sent>, Statistics, Vec<Option<Info>>, u64) {
    let clock = Clock::default();
    clock.set(Instant::from_secs(1000));
    // The layer lives as long as the hook that calls it.
    let ip: &'static MockIp = Box::leak(Box::new(MockIp::new(&clock, 1)));
    ip.mtu.set(plan.mtu);
    ip.takes_runs.set(takes_runs);
    if plan.partial {
        ip.capabilities.set(Capabilities::new(Offload::TX_CHECKSUM, 0));
    }
    let tcp = Rc::new(Tcp::connect(ip, &mut random(1)));
    let mut settings = tcp.settings();
    settings.ecn = plan.ecn;
    tcp.set_settings(settings);
    let listener = Listener::<2>::with_capacity();
    let mut options = vec![2, 4, 35, 0, 1, 3, 3, 4];
    if plan.timestamps {
        options.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
    let stamp = |flags, ack| {
        let echo = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0];
        let raw = Raw::new(flags, 1001, ack);
        if plan.timestamps { raw.options(&echo) } else { raw }
    };
    let mut all = Vec::new();
    let mut syn = Raw::new(SYN, 1000, 0).options(&options);
    syn.flags |= if plan.ecn { ECE | CWR } else { 0 };
    syn.input(&tcp, Some(&listener));
    tcp.poll(clock.now(), Waker::noop());
    let first = u32::from_be_bytes(ip.take()[0].bytes[4..8].try_into().unwrap()).wrapping_add(1);
    stamp(ACK, first).input(&tcp, Some(&listener));
    let Poll::Ready(mut flow) = once(listener.accept(&tcp)) else { panic!("nothing to accept") };
    let (mut acknowledged, mut infos) = (0, Vec::new());
    for step in &plan.steps {
        let outstanding = flow.info().map_or(0, |info| info.outstanding);
        match *step {
            Step::Write(len) => drop(once(flow.write(&pattern(len, len as u8)))),
            Step::Static(len) => drop(once(flow.write_static(&CONSTANT[CONSTANT.len() - len..]))),
            Step::Acknowledge(bytes, echo) => {
                acknowledged += bytes.min(outstanding);
                let flags = if echo && plan.ecn { ACK | ECE } else { ACK };
                stamp(flags, first.wrapping_add(acknowledged)).input(&tcp, None);
            }
            Step::Room(room) => ip.give_room(room),
            Step::Refuse(error) => ip.error.set(error),
            Step::Pass(milliseconds) => clock.set(clock.now() + Duration::from_millis(milliseconds)),
            Step::AcknowledgeWithin(writes) => {
                acknowledged += outstanding;
                let (weak, raw) = (Rc::downgrade(&tcp), stamp(ACK, first.wrapping_add(acknowledged)));
                let mut left = writes;
                *ip.on_write.borrow_mut() = Some(Box::new(move || {
                    if left == 0 {
                        raw.input(&weak.upgrade().unwrap(), None);
                    }
                    left = left.wrapping_sub(1);
                }));
            }
            Step::Close => drop(once(flow.close())),
        }
        tcp.poll(clock.now(), Waker::noop());
        all.extend(ip.take());
        infos.push(flow.info());
    }
    *ip.on_write.borrow_mut() = None;
    let statistics = tcp.statistics();
    flow.abort();
    (all, statistics, infos, ip.runs.get())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_run_is_the_same_as_its_segments_one_by_one(plan in plan()) {
        let (sent, statistics, infos, _) = outcome(&plan, true);
        let (sent_singly, statistics_singly, infos_singly, runs) = outcome(&plan, false);
        prop_assert_eq!(runs, 0);
        prop_assert_eq!(sent, sent_singly);
        prop_assert_eq!(statistics, statistics_singly);
        prop_assert_eq!(infos, infos_singly);
    }
}

/// The paths above do have runs with all that there is to differ: a first segment
/// with CWR, a last one with FIN; and data that goes meanwhile.
#[test]
fn runs_happen() {
    let steps = vec![
        Step::Write(14_480),
        Step::Acknowledge(20_000, true),
        Step::Write(30_000),
        Step::Close,
        Step::Acknowledge(20_000, false),
        Step::Acknowledge(20_000, false),
        Step::Acknowledge(20_000, false),
    ];
    let plan = Plan { partial: true, mtu: 1500, timestamps: true, ecn: true, steps };
    let (sent, _, _, runs) = outcome(&plan, true);
    assert!(runs >= 2, "{runs}");
    let flags: Vec<u8> = sent.iter().map(|sent| sent.bytes[13]).collect();
    assert_eq!(flags.iter().filter(|flags| **flags & CWR != 0).count(), 1, "{flags:x?}");
    assert_eq!(flags.iter().filter(|flags| **flags & 1 != 0).count(), 1, "{flags:x?}");

    let steps = vec![Step::Write(14_480), Step::AcknowledgeWithin(0), Step::Pass(2000)];
    let (_, statistics, _, _) = outcome(&Plan { ecn: false, steps, ..plan.clone() }, true);
    assert!(statistics.withheld > 0, "{statistics:?}");

    let steps = vec![Step::Write(2000), Step::Static(2000), Step::Write(2000), Step::Static(8000)];
    let (sent, _, _, runs) = outcome(&Plan { ecn: false, steps, ..plan }, true);
    assert!(runs >= 1, "{runs}");
    // Behind the SYN-ACK, with timestamps.
    let data: Vec<u8> = sent.iter().flat_map(|sent| &sent.bytes[32..]).copied().collect();
    let all = [&pattern(2000, 208), &CONSTANT[38_000..], &pattern(2000, 208), &CONSTANT[32_000..]].concat();
    assert!(data == all[..data.len()] && data.len() > 10_000, "{} bytes", data.len());
}
