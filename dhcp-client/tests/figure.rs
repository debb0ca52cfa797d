//! One script for each arrow of RFC 2131's figure 5, and for what the figure
//! leaves out.

mod common;

use std::net::Ipv4Addr;

use common::*;
use dhcp_client::machine::Note;
use dhcp_client::message::{Code, Message, MessageType};
use dhcp_client::{Check, Options, StateName};
use traits::Cidr;

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

fn checking(check: Check) -> Script {
    let mut s = Script::with(&Options::new().check(check));
    s.due();
    s.offer();
    s.sent();
    s.ack();
    s.is(StateName::Checking);
    assert_eq!(s.machine.probe(), Some((ADDRESS, check)));
    assert_eq!(s.machine.settings(), None);
    s
}

#[test]
fn checking_to_bound_when_nobody_has_the_address() {
    let mut s = checking(Check::Full);
    s.machine.handle_probe(s.now, OTHER, true, &mut s.random);
    s.is(StateName::Checking);
    s.machine.handle_probe(s.now, ADDRESS, false, &mut s.random);
    s.is(StateName::Bound);
    assert_eq!(s.machine.probe(), None);
}

#[test]
fn checking_to_bound_by_silence() {
    for (check, wait) in [(Check::Quick, 0.3), (Check::Full, 10.0)] {
        let mut s = checking(check);
        assert_eq!(s.next_in(), wait);
        s.wait();
        s.is(StateName::Bound);
    }
}

#[test]
fn checking_to_init_by_decline() {
    let mut s = checking(Check::Quick);
    s.machine.handle_probe(s.now, ADDRESS, true, &mut s.random);
    s.is(StateName::Init);
    let sent = s.sent();
    assert_eq!(sent.kind, MessageType::Decline);
    assert_eq!((sent.to, sent.ciaddr), (None, NONE));
    assert_eq!((sent.requested, sent.server), (Some(ADDRESS), Some(SERVER)));
    // RFC 2131 §3.1 item 5.
    assert_eq!(s.next_in(), 10.0);
    let sent = s.due();
    assert_eq!((sent.kind, sent.requested), (MessageType::Discover, None));
    assert_eq!(s.machine.statistics().declined, 1);
}

#[test]
fn a_lease_that_ends_while_checking_is_none() {
    let mut s = Script::with(&Options::new().check(Check::Full));
    s.due();
    s.offer();
    s.sent();
    s.reply(MessageType::Ack, ADDRESS, &said(SERVER, 8));
    s.wait();
    assert_eq!(s.machine.lease(), None);
    s.is(StateName::Selecting);
}

#[test]
fn conflicts_end_a_lease_by_decline() {
    for mut s in [Script::bound(), Script::renewing(), Script::rebinding()] {
        s.machine.handle_conflict(s.now, OTHER, &mut s.random);
        assert!(s.machine.lease().is_some());
        s.machine.handle_conflict(s.now, ADDRESS, &mut s.random);
        s.is(StateName::Init);
        assert_eq!(s.machine.settings(), None);
        assert_eq!(s.sent().kind, MessageType::Decline);
        assert_eq!(s.next_in(), 10.0);
    }
}

#[test]
fn after_ten_conflicts_the_wait_is_a_minute() {
    let mut s = Script::new();
    for n in 1..=12 {
        s.due();
        s.offer();
        s.sent();
        s.ack();
        s.machine.handle_conflict(s.now, ADDRESS, &mut s.random);
        s.sent();
        assert_eq!(s.next_in(), if n < 10 { 10.0 } else { 60.0 });
    }
}

#[test]
fn release_gives_the_lease_back_and_stops() {
    for mut s in [Script::bound(), Script::renewing(), Script::rebinding()] {
        s.machine.release(s.now, &mut s.random);
        let sent = s.sent();
        assert_eq!(sent.kind, MessageType::Release);
        assert_eq!((sent.to, sent.ciaddr, sent.server), (Some(SERVER), ADDRESS, Some(SERVER)));
        assert_eq!(sent.requested, None);
        s.is(StateName::Stopped);
        assert_eq!((s.machine.settings(), s.machine.next_timeout()), (None, None));
        assert_eq!(s.notes().pop(), Some(Note::Released { address: ADDRESS }));
    }
}

#[test]
fn release_without_a_lease_says_nothing() {
    let mut s = Script::new();
    s.machine.handle_timeout(s.now, &mut s.random);
    s.machine.release(s.now, &mut s.random);
    s.silent();
    s.is(StateName::Stopped);
    // And does not listen.
    s.offer();
    s.silent();
}

#[test]
fn restart_begins_anew() {
    let mut s = Script::bound();
    s.machine.restart(s.now);
    s.is(StateName::Bound);
    s.machine.release(s.now, &mut s.random);
    s.sent();
    s.machine.restart(s.now);
    let sent = s.due();
    assert_eq!((sent.kind, sent.requested), (MessageType::Discover, Some(ADDRESS)));
}

#[test]
fn a_lease_for_ever_has_no_timeout() {
    let mut s = Script::new();
    s.due();
    s.offer();
    s.sent();
    s.reply(MessageType::Ack, ADDRESS, &with(said(SERVER, 0), Code::LEASE_TIME, Some(&[0xff; 4])));
    s.is(StateName::Bound);
    assert_eq!(s.machine.next_timeout(), None);
    s.sleep(1_000_000_000);
    s.is(StateName::Bound);
}

#[test]
fn inform_asks_for_the_rest() {
    let own = Cidr::new(ADDRESS, 20);
    let mut s = Script::with(&Options::new().inform(own));
    // The address is in force before anybody answers.
    assert_eq!(s.machine.settings().unwrap().config().addresses, [own]);
    let first = s.due();
    assert_eq!((first.kind, first.ciaddr, first.to), (MessageType::Inform, ADDRESS, None));
    assert_eq!((first.requested, first.server), (None, None));
    let again = s.due();
    assert_eq!((again.kind, again.xid), (MessageType::Inform, first.xid));
    let said = with(said(SERVER, 0), Code::SUBNET_MASK, None);
    s.reply(MessageType::Ack, NONE, &said);
    s.is(StateName::Informed);
    let lease = s.machine.lease().unwrap();
    assert_eq!((lease.cidr(), lease.term), (own, None));
    assert_eq!(lease.settings().config().gateways, [SERVER]);
    assert_eq!(s.machine.next_timeout(), None);
}

#[test]
fn what_is_refused_below_is_sent_again_in_time() {
    let mut s = Script::new();
    s.wait();
    s.machine.sent(false);
    assert_eq!(s.machine.statistics().tx_failed, 1);
    assert_eq!(s.due().kind, MessageType::Discover);
}

#[test]
fn the_messages_carry_what_table_5_says() {
    let options = Options::new().hostname("fata").unwrap().vendor_class("fata-0").unwrap();
    let mut s = Script::with(&options.clone().check(Check::None));
    let mut buffer = [0; 548];
    let len = s.due().write(MAC, 1500, &options, &mut buffer).unwrap();
    assert_eq!(len, 300);
    let discover = Message::parse(&buffer[..len]).unwrap();
    assert!(discover.header().broadcast);
    assert!(discover.bytes(Code::CLIENT_IDENTIFIER).eq([1, 2, 0, 0, 0, 0, 1]));
    assert!(discover.bytes(Code::HOST_NAME).eq(*b"fata"));
    assert!(discover.bytes(Code::VENDOR_CLASS).eq(*b"fata-0"));
    assert_eq!(discover.u16(Code::MAXIMUM_MESSAGE_SIZE), Some(1500));
    let wanted: Vec<u8> = discover.bytes(Code::PARAMETER_REQUEST_LIST).collect();
    let place = |code: u8| wanted.iter().position(|each| *each == code).unwrap();
    // RFC 3442.
    assert!(place(121) < place(3) && place(121) < place(33));
    for code in [1, 6, 12, 15, 26, 28, 42, 51, 58, 59, 119] {
        place(code);
    }

    s.offer();
    s.sent();
    s.ack();
    let renew = s.due();
    let len = renew.write(MAC, 1500, &options, &mut buffer).unwrap();
    let request = Message::parse(&buffer[..len]).unwrap();
    assert!(!request.header().broadcast);
    assert_eq!(request.header().ciaddr, ADDRESS);

    s.machine.release(s.now, &mut s.random);
    let len = s.sent().write(MAC, 1500, &options, &mut buffer).unwrap();
    let release = Message::parse(&buffer[..len]).unwrap();
    for forbidden in [Code::REQUESTED_ADDRESS, Code::LEASE_TIME, Code::PARAMETER_REQUEST_LIST] {
        assert!(!release.has(forbidden));
    }
    assert_eq!(release.address(Code::SERVER_IDENTIFIER), Some(SERVER));
    assert!(!release.header().broadcast);
}

#[test]
fn options_have_bounds() {
    assert!(Options::new().hostname(&"x".repeat(63)).is_ok());
    assert!(Options::new().hostname(&"x".repeat(64)).is_err());
    assert!(Options::new().client_id(&[0; 64]).is_ok());
    assert!(Options::new().client_id(&[0; 65]).is_err());
    assert!(Options::new().client_id(&[0]).is_err());
    assert!(Options::new().vendor_class(&"x".repeat(65)).is_err());
    let longest = Options::new().hostname(&"x".repeat(63)).unwrap();
    let longest = longest.client_id(&[0; 64]).unwrap().vendor_class(&"x".repeat(64)).unwrap();
    let mut s = Script::with(&longest.clone().requested(Ipv4Addr::new(10, 0, 0, 3)).check(Check::None));
    let mut buffer = [0; 548];
    assert!(s.due().write(MAC, 9000, &longest, &mut buffer).is_ok());
    s.offer();
    assert!(s.sent().write(MAC, 9000, &longest, &mut buffer).is_ok());
}
