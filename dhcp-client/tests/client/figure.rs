//! One script for each arrow of RFC 2131's figure 5.

use crate::common::*;
use dhcp_client::message::MessageType;
use dhcp_client::{Check, Options, StateName};

#[test]
fn init_to_selecting_by_discover() {
    let mut s = Script::new();
    s.is(StateName::Init);
    let sent = s.due();
    assert_eq!(sent.kind, MessageType::Discover);
    assert_eq!((sent.to, sent.ciaddr, sent.requested, sent.server), (None, NONE, None, None));
    s.is(StateName::Selecting);
}

#[test]
fn selecting_sends_discover_again_with_backoff() {
    let mut s = Script::new();
    let first = s.due();
    for expected in [4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0] {
        let wait = s.next_in();
        assert!((wait - expected).abs() <= 1.0, "{wait} for {expected}");
        let again = s.due();
        assert_eq!((again.kind, again.xid), (first.kind, first.xid));
        assert!(again.secs > 0);
    }
    s.is(StateName::Selecting);
}

#[test]
fn backoff_is_random() {
    let waits: std::collections::BTreeSet<u64> = (0..50)
        .map(|seed| {
            use rand_core::SeedableRng;
            let mut s = Script::new();
            s.random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            s.due();
            (s.next_in() * 1000.0) as u64
        })
        .collect();
    assert!(waits.len() > 40);
    assert!(waits.first().unwrap() < &3500 && waits.last().unwrap() > &4500);
}

#[test]
fn selecting_to_requesting_by_offer() {
    let mut s = Script::new();
    s.due();
    let discover = s.due();
    s.offer();
    s.is(StateName::Requesting);
    let sent = s.sent();
    assert_eq!(sent.kind, MessageType::Request);
    assert_eq!((sent.to, sent.ciaddr), (None, NONE));
    assert_eq!((sent.requested, sent.server), (Some(ADDRESS), Some(SERVER)));
    // RFC 2131 §4.4.1: the same `xid` and `secs` as in the DISCOVER.
    assert_eq!((sent.xid, sent.secs), (discover.xid, discover.secs));
    assert_eq!(s.machine.lease(), None);
}

#[test]
fn requesting_ignores_further_offers() {
    let mut s = Script::new();
    s.due();
    s.offer();
    s.sent();
    s.reply(MessageType::Offer, ADDRESS, &said(OTHER, LENGTH));
    s.is(StateName::Requesting);
    s.silent();
    assert_eq!(s.machine.statistics().rx_unexpected, 1);
}

#[test]
fn requesting_to_bound_by_ack() {
    let mut s = Script::new();
    s.due();
    s.offer();
    s.sent();
    let asked = s.now;
    s.now += std::time::Duration::from_secs(2);
    s.ack();
    s.is(StateName::Bound);
    let lease = s.machine.lease().unwrap();
    assert_eq!((lease.address, lease.server, lease.since), (ADDRESS, SERVER, asked));
    assert_eq!(s.machine.next_timeout(), lease.renews_at());
    assert_eq!(lease.expires_at().unwrap().duration_since(asked).as_secs(), LENGTH);
    assert_eq!(s.machine.serial(), 1);
}

#[test]
fn requesting_to_init_by_nak() {
    let mut s = Script::new();
    s.due();
    s.offer();
    s.sent();
    s.nak_from(SERVER);
    s.is(StateName::Init);
    assert_eq!(s.due().kind, MessageType::Discover);
}

#[test]
fn naks_in_a_row_slow_the_client_down() {
    let mut s = Script::new();
    for expected in [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0] {
        s.due();
        s.offer();
        s.sent();
        s.nak_from(SERVER);
        assert_eq!(s.next_in(), expected);
    }
}

#[test]
fn requesting_to_init_without_answer() {
    let mut s = Script::new();
    s.due();
    s.offer();
    let first = s.sent();
    for _ in 0..3 {
        let again = s.due();
        assert_eq!((again.kind, again.xid), (MessageType::Request, first.xid));
        s.is(StateName::Requesting);
    }
    let anew = s.due();
    assert_eq!(anew.kind, MessageType::Discover);
    assert_ne!(anew.xid, first.xid);
    s.is(StateName::Selecting);
    // The answer to what was given up comes now.
    let bytes = message(&header(first.xid, ADDRESS), MessageType::Ack, &said(SERVER, LENGTH));
    s.hear(&bytes);
    s.is(StateName::Selecting);
    assert_eq!(s.machine.statistics().rx_other_exchange, 1);
}

#[test]
fn bound_to_renewing_at_t1_by_request_to_the_server() {
    let mut s = Script::bound();
    let old = s.xid;
    assert_eq!(s.next_in(), 4000.0);
    let sent = s.due();
    s.is(StateName::Renewing);
    assert_eq!(sent.kind, MessageType::Request);
    assert_eq!((sent.to, sent.ciaddr), (Some(SERVER), ADDRESS));
    assert_eq!((sent.requested, sent.server), (None, None));
    assert_ne!(sent.xid, old);
    assert!(s.machine.lease().is_some());
}

#[test]
fn renewing_asks_again_after_half_of_what_is_left() {
    let mut s = Script::renewing();
    // T2 is 3000 s away.
    for expected in [1500.0, 750.0, 375.0, 187.5, 93.75] {
        assert_eq!(s.next_in(), expected);
        assert_eq!(s.due().to, Some(SERVER));
    }
    // Never sooner than a minute.
    assert_eq!(s.next_in(), 60.0);
}

#[test]
fn renewing_to_bound_by_ack() {
    let mut s = Script::renewing();
    let asked = s.now;
    s.ack();
    s.is(StateName::Bound);
    assert_eq!(s.machine.lease().unwrap().since, asked);
    assert_eq!(s.machine.serial(), 2);
    assert_eq!(s.machine.statistics().renewed, 1);
    assert_eq!(s.next_in(), 4000.0);
}

#[test]
fn renewing_to_init_by_nak() {
    let mut s = Script::renewing();
    s.nak_from(SERVER);
    s.is(StateName::Init);
    assert_eq!(s.machine.settings(), None);
    assert_eq!(s.machine.serial(), 2);
    let sent = s.due();
    // What was refused is not asked for again.
    assert_eq!((sent.kind, sent.requested), (MessageType::Discover, None));
}

#[test]
fn renewing_to_rebinding_at_t2_by_request_to_all() {
    let mut s = Script::renewing();
    let old = s.xid;
    s.sleep(3000);
    let sent = s.sent();
    s.is(StateName::Rebinding);
    assert_eq!(sent.kind, MessageType::Request);
    assert_eq!((sent.to, sent.ciaddr), (None, ADDRESS));
    assert_eq!((sent.requested, sent.server), (None, None));
    assert_ne!(sent.xid, old);
    assert!(s.machine.lease().is_some());
}

#[test]
fn t2_comes_even_between_retransmissions() {
    let mut s = Script::renewing();
    let mut last = s.sent_until(StateName::Rebinding);
    assert_eq!(last.pop().unwrap().to, None);
    assert!(last.iter().all(|sent| sent.to == Some(SERVER)));
    assert_eq!(s.now.duration_since(s.machine.lease().unwrap().since).as_secs(), LENGTH / 8 * 7);
}

#[test]
fn rebinding_asks_again_after_half_of_what_is_left() {
    let mut s = Script::rebinding();
    for expected in [500.0, 250.0, 125.0, 62.5, 60.0] {
        assert_eq!(s.next_in(), expected);
        assert_eq!(s.due().to, None);
    }
}

#[test]
fn rebinding_to_bound_by_ack_of_another_server() {
    let mut s = Script::rebinding();
    s.reply(MessageType::Ack, ADDRESS, &said(OTHER, LENGTH));
    s.is(StateName::Bound);
    assert_eq!(s.machine.lease().unwrap().server, OTHER);
    assert_eq!(s.due().to, Some(OTHER));
}

#[test]
fn rebinding_to_init_by_nak() {
    let mut s = Script::rebinding();
    s.nak_from(OTHER);
    s.is(StateName::Init);
    assert_eq!(s.machine.settings(), None);
}

#[test]
fn rebinding_to_init_when_the_lease_ends() {
    let mut s = Script::rebinding();
    let end = s.machine.lease().unwrap().expires_at().unwrap();
    while s.now < end {
        assert!(s.machine.settings().is_some());
        s.wait();
    }
    assert_eq!(s.now, end);
    assert_eq!(s.machine.settings(), None);
    assert_eq!(s.machine.statistics().expired, 1);
    // At once for a new one, rather the same.
    s.is(StateName::Selecting);
    let sent = s.sent();
    assert_eq!((sent.kind, sent.requested), (MessageType::Discover, Some(ADDRESS)));
}

#[test]
fn a_long_sleep_ends_the_lease() {
    let mut s = Script::bound();
    s.sleep(LENGTH + 5);
    s.is(StateName::Selecting);
    assert_eq!(s.machine.settings(), None);
}

#[test]
fn an_answer_after_the_end_is_none() {
    let mut s = Script::rebinding();
    s.now = s.machine.lease().unwrap().expires_at().unwrap();
    s.ack();
    assert_eq!(s.machine.lease(), None);
    assert_eq!(s.machine.statistics().rx_other_exchange, 1);
}

#[test]
fn init_reboot_to_rebooting_by_request() {
    let mut s = Script::with(&Options::new().remembered(ADDRESS).check(Check::None));
    s.is(StateName::InitReboot);
    let sent = s.due();
    s.is(StateName::Rebooting);
    assert_eq!(sent.kind, MessageType::Request);
    assert_eq!((sent.to, sent.ciaddr), (None, NONE));
    assert_eq!((sent.requested, sent.server), (Some(ADDRESS), None));
}

#[test]
fn rebooting_to_bound_by_ack() {
    let mut s = Script::with(&Options::new().remembered(ADDRESS).check(Check::None));
    s.due();
    s.ack();
    s.is(StateName::Bound);
}

#[test]
fn rebooting_to_init_by_nak() {
    let mut s = Script::with(&Options::new().remembered(ADDRESS));
    s.due();
    s.nak_from(OTHER);
    s.is(StateName::Init);
    assert_eq!(s.due().requested, None);
}

#[test]
fn rebooting_to_init_without_answer() {
    let mut s = Script::with(&Options::new().remembered(ADDRESS));
    assert_eq!(s.due().kind, MessageType::Request);
    assert_eq!(s.due().kind, MessageType::Request);
    let sent = s.due();
    assert_eq!((sent.kind, sent.requested), (MessageType::Discover, Some(ADDRESS)));
}

#[test]
fn a_preferred_address_is_asked_for() {
    let mut s = Script::with(&Options::new().requested(ADDRESS));
    let sent = s.due();
    assert_eq!((sent.kind, sent.requested), (MessageType::Discover, Some(ADDRESS)));
}
