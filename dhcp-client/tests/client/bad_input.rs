//! Every bad input on DHCP, with what counts it.

use crate::common::*;
use dhcp_client::message::{Code, Header, MessageType, Op};
use dhcp_client::{StateName, Statistics};
use traits::MacAddr;

/// A client that has asked, and awaits an offer.
fn selecting() -> Script {
    let mut s = Script::new();
    s.due();
    s
}

fn requesting() -> Script {
    let mut s = selecting();
    s.offer();
    s.sent();
    s
}

fn good(s: &Script) -> Vec<u8> {
    message(&header(s.xid, ADDRESS), MessageType::Offer, &said(SERVER, LENGTH))
}

/// Hears what has no effect but on a counter.
fn ignores(s: &mut Script, bytes: &[u8], counter: fn(&Statistics) -> u64) {
    let (state, timeout, before) =
        (s.machine.state(), s.machine.next_timeout(), counter(&s.machine.statistics()));
    s.hear(bytes);
    s.is(state);
    s.silent();
    assert_eq!(s.machine.next_timeout(), timeout);
    assert_eq!(counter(&s.machine.statistics()), before + 1);
}

#[test]
fn an_option_past_the_end() {
    let mut s = selecting();
    let mut bytes = good(&s);
    bytes.truncate(240);
    bytes.extend([53, 1, 2, 54, 4, 10, 0, 0]);
    ignores(&mut s, &bytes, |s| s.rx_malformed);
    for len in 0..240 {
        ignores(&mut s, &bytes[..len], |s| s.rx_malformed);
    }
}

#[test]
fn no_end() {
    let mut s = selecting();
    let mut bytes = good(&s);
    let end = bytes.iter().rposition(|byte| *byte == 255).unwrap();
    bytes.truncate(end);
    s.hear(&bytes);
    s.is(StateName::Requesting);
}

#[test]
fn an_overload_loop() {
    let mut s = selecting();
    let mut bytes = good(&s);
    let end = bytes.iter().rposition(|byte| *byte == 255).unwrap();
    bytes.truncate(end);
    bytes.extend([52, 1, 3, 255]);
    bytes[44..48].copy_from_slice(&[52, 1, 3, 255]);
    bytes[108..112].copy_from_slice(&[52, 1, 3, 255]);
    s.hear(&bytes);
    s.is(StateName::Requesting);
}

#[test]
fn t1_after_t2_after_the_lease() {
    let mut s = requesting();
    let said = with(said(SERVER, 1000), Code::RENEWAL_TIME, Some(&3000u32.to_be_bytes()));
    let said = with(said, Code::REBINDING_TIME, Some(&2000u32.to_be_bytes()));
    s.reply(MessageType::Ack, ADDRESS, &said);
    s.is(StateName::Bound);
    assert!(s.next_in() > 450.0 && s.next_in() <= 500.0);
}

#[test]
fn a_zero_lease() {
    let zero = with(said(SERVER, 1), Code::LEASE_TIME, Some(&[0; 4]));
    let mut s = selecting();
    let bytes = message(&header(s.xid, ADDRESS), MessageType::Offer, &zero);
    ignores(&mut s, &bytes, |s| s.rx_invalid);
    let mut s = requesting();
    let bytes = message(&header(s.xid, ADDRESS), MessageType::Ack, &zero);
    ignores(&mut s, &bytes, |s| s.rx_invalid);
    let mut s = Script::renewing();
    let bytes = message(&header(s.xid, ADDRESS), MessageType::Ack, &zero);
    ignores(&mut s, &bytes, |s| s.rx_invalid);
}

#[test]
fn no_mask() {
    let mut s = requesting();
    s.reply(MessageType::Ack, ADDRESS, &with(said(SERVER, LENGTH), Code::SUBNET_MASK, None));
    assert_eq!(s.machine.lease().unwrap().cidr().prefix(), 8);
}

#[test]
fn fifty_dns_servers() {
    let mut s = requesting();
    let list: Vec<u8> = (0..50).flat_map(|n| [10, 0, 1, n]).collect();
    s.reply(MessageType::Ack, ADDRESS, &with(said(SERVER, LENGTH), Code::DOMAIN_NAME_SERVER, Some(&list)));
    s.is(StateName::Bound);
    assert_eq!(s.machine.statistics().cut, 46);
}

#[test]
fn wrong_xid() {
    for mut s in [selecting(), requesting(), Script::renewing(), Script::rebinding()] {
        for kind in [MessageType::Offer, MessageType::Ack, MessageType::Nak] {
            let bytes = message(&header(s.xid ^ 1, ADDRESS), kind, &said(SERVER, LENGTH));
            ignores(&mut s, &bytes, |s| s.rx_other_exchange);
        }
    }
}

#[test]
fn wrong_chaddr_or_direction() {
    for mut s in [selecting(), requesting(), Script::renewing(), Script::rebinding()] {
        let other = Header { chaddr: MacAddr([2, 0, 0, 0, 0, 2]), ..header(s.xid, ADDRESS) };
        let request = Header { op: Op::Request, ..header(s.xid, ADDRESS) };
        for header in [other, request] {
            for kind in [MessageType::Offer, MessageType::Ack, MessageType::Nak] {
                let bytes = message(&header, kind, &said(SERVER, LENGTH));
                ignores(&mut s, &bytes, |s| s.rx_other_client);
            }
        }
    }
}

#[test]
fn a_server_that_vanishes() {
    let mut s = Script::bound();
    let mut leased = 0;
    // Two hundred timeouts: the lease ends, and the search goes on.
    for _ in 0..200 {
        s.wait();
        if s.machine.transmit().is_some() {
            s.sent();
        }
        leased += usize::from(s.machine.settings().is_some());
    }
    assert!(leased > 5);
    s.is(StateName::Selecting);
    // It comes back.
    s.offer();
    s.sent();
    s.ack();
    s.is(StateName::Bound);
}

#[test]
fn nak_at_any_time() {
    // Where nothing was asked, nothing is refused.
    let mut s = Script::new();
    s.nak_from(SERVER);
    assert_eq!(s.machine.statistics().rx_other_exchange, 1);
    for mut s in [Script::bound(), selecting()] {
        let state = s.machine.state();
        s.nak_from(SERVER);
        s.is(state);
    }
    // From a server that was not asked.
    for mut s in [requesting(), Script::renewing()] {
        let said = vec![(Code::SERVER_IDENTIFIER, OTHER.octets().to_vec())];
        let bytes = message(&header(s.xid, NONE), MessageType::Nak, &said);
        ignores(&mut s, &bytes, |s| s.rx_unexpected);
    }
    // From one that does not say who it is.
    for mut s in [requesting(), Script::renewing(), Script::rebinding()] {
        let bytes = message(&header(s.xid, NONE), MessageType::Nak, &vec![]);
        ignores(&mut s, &bytes, |s| s.rx_invalid);
    }
}

#[test]
fn an_ack_of_another_server_or_address() {
    for mut s in [requesting(), Script::renewing()] {
        let bytes = message(&header(s.xid, ADDRESS), MessageType::Ack, &said(OTHER, LENGTH));
        ignores(&mut s, &bytes, |s| s.rx_unexpected);
    }
    let stray = [10, 0, 0, 51].into();
    for mut s in [requesting(), Script::renewing(), Script::rebinding()] {
        let bytes = message(&header(s.xid, stray), MessageType::Ack, &said(SERVER, LENGTH));
        ignores(&mut s, &bytes, |s| s.rx_invalid);
    }
}

#[test]
fn an_ack_without_a_request() {
    let mut s = selecting();
    let bytes = message(&header(s.xid, ADDRESS), MessageType::Ack, &said(SERVER, LENGTH));
    ignores(&mut s, &bytes, |s| s.rx_unexpected);
    // The same again, once bound: a duplicate on the link.
    let mut s = Script::bound();
    let bytes = message(&header(s.xid, ADDRESS), MessageType::Ack, &said(SERVER, LENGTH));
    ignores(&mut s, &bytes, |s| s.rx_other_exchange);
}

#[test]
fn clients_words_in_a_servers_mouth() {
    let kinds = [
        MessageType::Discover,
        MessageType::Request,
        MessageType::Decline,
        MessageType::Release,
        MessageType::Inform,
    ];
    for mut s in [selecting(), requesting(), Script::renewing(), Script::rebinding()] {
        for kind in kinds {
            let bytes = message(&header(s.xid, ADDRESS), kind, &said(SERVER, LENGTH));
            ignores(&mut s, &bytes, |s| s.rx_unexpected);
        }
    }
}

#[test]
fn an_offer_of_no_address() {
    let mut s = selecting();
    for address in [NONE, SERVER, [255; 4].into(), [224, 0, 0, 1].into(), [10, 0, 0, 255].into()] {
        let bytes = message(&header(s.xid, address), MessageType::Offer, &said(SERVER, LENGTH));
        ignores(&mut s, &bytes, |s| s.rx_invalid);
    }
}

#[test]
fn names_with_pointers_anywhere() {
    for list in [&b"\xc0\x00"[..], b"\x01a\xc0\x40", b"\x40", &[63; 300]] {
        let mut s = requesting();
        s.reply(MessageType::Ack, ADDRESS, &with(said(SERVER, LENGTH), Code::DOMAIN_SEARCH, Some(list)));
        s.is(StateName::Bound);
        assert!(s.machine.lease().unwrap().search.is_empty());
        assert_eq!(s.machine.statistics().cut, 1);
    }
}
