//! What RFC 2131's figure 5 leaves out: the check by ARP, DECLINE, RELEASE,
//! INFORM, and what the messages carry.

use std::net::Ipv4Addr;

use crate::common::*;
use dhcp_client::machine::Note;
use dhcp_client::message::{Code, Message, MessageType};
use dhcp_client::{Check, Options, StateName};
use traits::Cidr;

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
    // The address is the user's: it stays.
    s.machine.release(s.now, &mut s.random);
    s.silent();
    s.is(StateName::Stopped);
    assert_eq!(s.machine.settings().unwrap().config().addresses, [own]);
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

#[test]
fn a_fixed_address_at_the_edge_of_its_class_keeps_its_prefix() {
    // 192.168.1.255 is a host of /16; by its class it would be a broadcast.
    let own = Cidr::new(Ipv4Addr::new(192, 168, 1, 255), 16);
    let mut s = Script::with(&Options::new().inform(own));
    s.due();
    let said = with(said(SERVER, 0), Code::SUBNET_MASK, Some(&[255, 255, 255, 0]));
    s.reply(MessageType::Ack, NONE, &said);
    s.is(StateName::Informed);
    assert_eq!(s.machine.lease().unwrap().cidr(), own);
}
