//! The DHCP client.

use std::net::Ipv4Addr;
use std::time::Duration;

use dhcp_client::machine::Machine;
use dhcp_client::message::{Code, Header, Message, MessageType, Op, Writer};
use dhcp_client::{Check, Options, StateName};
use rand_chacha::rand_core::Rng;
use traits::{Cidr, Instant};
use wire::MacAddr;

use crate::Bytes;
use crate::host::{address, random};
use crate::packet::{PEER, STACK};
use crate::wire_check::{check_dhcp, check_dhcp_taken};

/// DHCP's message parser: bytes of any content, behind a fixed part that is
/// valid or not. What is understood, encoded again, is understood the same.
pub fn dhcp_message(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        check_dhcp_taken(data, &message);
    }
    let mut buffer = [0; 600];
    let mut header = Header::request(7, STACK.0);
    header.op = Op::Reply;
    let Ok(len) = Writer::new(&mut buffer, &header, MessageType::Ack).finish() else { return };
    // The fixed part and the cookie, then what the fuzzer says.
    let mut bytes = [buffer.get(..240).unwrap_or_default(), data].concat();
    assert!(len >= 240);
    if let Some([first, ..]) = data.first_chunk::<1>() {
        // Names of servers and files, which may carry options too.
        let place = 44 + usize::from(*first % 192);
        let end = (place + data.len()).min(236);
        bytes[place..end].copy_from_slice(&data[..end - place]);
    }
    let Ok(message) = Message::parse(&bytes) else { return };
    check_dhcp_taken(&bytes, &message);
    for (code, option) in message.options() {
        assert!(option.len() <= 255);
        let _ = (message.has(code), message.bytes(code).count(), message.address(code), message.u32(code));
    }
    let _ = (message.addresses(Code::ROUTER).count(), message.u16(Code::INTERFACE_MTU), message.boot_file());

    let mut again = vec![0; 16_384];
    let mut writer = Writer::new(&mut again, message.header(), message.kind());
    let mut codes: Vec<Code> = message.options().map(|(code, _)| code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.retain(|code| *code != Code::MESSAGE_TYPE && *code != Code::OVERLOAD);
    for code in &codes {
        let value: Vec<u8> = message.bytes(*code).collect();
        writer.option(*code, &value);
    }
    let Ok(len) = writer.finish() else { return };
    // One that is longer than the client takes is none.
    let Ok(parsed) = Message::parse(&again[..len]) else {
        assert!(len > dhcp_client::message::MESSAGE_MAX, "does not understand its own message");
        return;
    };
    assert_eq!((parsed.header(), parsed.kind()), (message.header(), message.kind()));
    for code in codes {
        assert!(parsed.bytes(code).eq(message.bytes(code)), "option {code:?} changed on the wire");
    }
}

/// The DHCP client's machine: messages with any options, times of any length,
/// probes and conflicts in any order. Never an address without a lease; and
/// whatever happened, once a good server is there the client has a lease of it
/// within bounded time.
pub fn dhcp(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut options = Options::new();
    let choice = bytes.u8() % 4;
    let informs = choice == 3;
    options = match choice {
        0 => options,
        1 => options.remembered(STACK.1),
        2 => options.requested(STACK.1),
        _ => options.inform(Cidr::new(STACK.1, 24)),
    };
    options = options.check(bytes.pick(&[Check::None, Check::Quick, Check::Full]).unwrap_or(Check::None));
    let mut machine = Machine::new(STACK.0, &options);
    let mut random = random(4);
    let mut now = Instant::from_secs(1);
    let mut xid = 0;
    // Long before the clock's own end, where all deadlines are one.
    while !bytes.is_empty() && now < Instant::from_secs(1 << 33) {
        let operation = bytes.u8() % 10;
        match operation {
            0 => machine.handle_datagram(now, bytes.long(), &mut random),
            1..=4 => reply(&mut machine, now, xid, &mut bytes, &mut random),
            5 => {
                if let Some(next) = machine.next_timeout() {
                    now = now.max(next);
                }
                machine.handle_timeout(now, &mut random);
            }
            6 => {
                now += Duration::from_millis(u64::from(bytes.u32()));
                machine.handle_timeout(now, &mut random);
            }
            7 => machine.handle_probe(now, address(&mut bytes), bytes.u8() & 1 == 1, &mut random),
            8 => machine.handle_conflict(now, address(&mut bytes), &mut random),
            _ => match bytes.u8() % 8 {
                0 => machine.release(now, &mut random),
                1 => machine.restart(now),
                _ => {}
            },
        }
        let mut buffer = [0; 576];
        if let Some(transmit) = machine.transmit() {
            let len = transmit.write(STACK.0, 1500, &options, &mut buffer).expect("a message too long to send");
            let sent = Message::parse(&buffer[..len]).expect("sends what it does not understand");
            check_dhcp(&buffer[..len]);
            xid = sent.header().xid;
            machine.sent(bytes.u8() < 240);
        }
        while machine.take_note().is_some() {}
        let _ = (machine.probe(), machine.state(), machine.statistics());
        if let Some(settings) = machine.settings() {
            assert!(machine.lease().is_some() || informs, "{settings:?}");
        }
        // What came in before it was asked what is due leaves that as it was.
        if operation == 5 || operation == 6 {
            assert!(machine.next_timeout().is_none_or(|next| next > now), "due, and nothing done");
        }
        if let Some(lease) = machine.lease().filter(|_| operation == 5 || operation == 6) {
            assert!(lease.expires_at().is_none_or(|at| at > now), "a lease that has ended");
        }
    }
    recover(&mut machine, now, &options, &mut random);
}

/// From now on there is a good server, and nobody else has an address.
fn recover(machine: &mut Machine, mut now: Instant, options: &Options, random: &mut impl Rng) {
    // Whoever has a lease uses it to its end, and then needs a few exchanges;
    // between them the client waits for a minute at most (RFC 5227 §2.1.1).
    let lease = machine.lease().and_then(|lease| lease.expires_at()).unwrap_or(now);
    let end = lease.max(now) + Duration::from_secs(300);
    machine.restart(now);
    while !matches!(machine.state(), StateName::Bound | StateName::Informed) {
        assert!(now <= end, "no lease of a good server: {}", machine.state());
        let mut buffer = [0; 576];
        if let Some(transmit) = machine.transmit() {
            let len = transmit.write(STACK.0, 1500, options, &mut buffer).expect("a message too long to send");
            machine.sent(true);
            let mut answer = [0; 576];
            if let Some(len) = serve(&buffer[..len], &mut answer) {
                machine.handle_datagram(now, &answer[..len], random);
            }
        } else if let Some((address, _)) = machine.probe() {
            machine.handle_probe(now, address, false, random);
        } else {
            now = now.max(machine.next_timeout().expect("stuck"));
            machine.handle_timeout(now, random);
        }
    }
}

/// A good server's answer (RFC 2131 §4.3), written to `answer`: it has every
/// address of its network to give, keeps to what it has said, and refuses
/// addresses of other networks.
fn serve(request: &[u8], answer: &mut [u8]) -> Option<usize> {
    let request = Message::parse(request).ok()?;
    let header = *request.header();
    let server = request.address(Code::SERVER_IDENTIFIER);
    let wanted = request.address(Code::REQUESTED_ADDRESS).unwrap_or(header.ciaddr);
    let fits = wanted.octets().starts_with(&[10, 0, 0]) && !matches!(wanted.octets()[3], 0 | 1 | 255);
    let (kind, given) = match request.kind() {
        MessageType::Discover => (MessageType::Offer, if fits { wanted } else { STACK.1 }),
        // It is another server's offer that is taken.
        MessageType::Request if server.is_some_and(|server| server != PEER.1) => return None,
        MessageType::Request if fits => (MessageType::Ack, wanted),
        MessageType::Request => (MessageType::Nak, Ipv4Addr::UNSPECIFIED),
        MessageType::Inform => (MessageType::Ack, Ipv4Addr::UNSPECIFIED),
        _ => return None,
    };
    let header = Header { op: Op::Reply, yiaddr: given, ..Header::request(header.xid, header.chaddr) };
    let mut writer = Writer::new(answer, &header, kind);
    writer.address(Code::SERVER_IDENTIFIER, PEER.1);
    if kind != MessageType::Nak {
        writer.address(Code::SUBNET_MASK, [255, 255, 255, 0].into());
    }
    if kind != MessageType::Nak && request.kind() != MessageType::Inform {
        writer.option(Code::LEASE_TIME, &3600u32.to_be_bytes());
    }
    writer.finish().ok()
}

/// A server's message, mostly one that fits.
fn reply(machine: &mut Machine, now: Instant, xid: u32, bytes: &mut Bytes<'_>, random: &mut impl Rng) {
    let mut buffer = [0; 2000];
    let odd = bytes.u8() > 230;
    let chaddr = if odd { MacAddr([2, 1, 1, 1, 1, 1]) } else { STACK.0 };
    let mut header = Header::request(if bytes.u8() > 230 { bytes.u32() } else { xid }, chaddr);
    header.op = Op::Reply;
    header.yiaddr = if bytes.u8() < 200 { STACK.1 } else { address(bytes) };
    let kind = MessageType::from_byte(1 + bytes.u8() % 8).unwrap_or(MessageType::Offer);
    let mut writer = Writer::new(&mut buffer, &header, kind);
    if bytes.u8() < 240 {
        writer.address(Code::SERVER_IDENTIFIER, PEER.1);
    }
    for code in [Code::LEASE_TIME, Code::RENEWAL_TIME, Code::REBINDING_TIME] {
        match bytes.u8() {
            0..=100 => writer.option(code, &u32::from(bytes.u16()).to_be_bytes()),
            101..=130 => writer.option(code, &bytes.u32().to_be_bytes()),
            _ => {}
        }
    }
    if bytes.u8() < 200 {
        writer.address(Code::SUBNET_MASK, [255, 255, 255, 0].into());
    }
    for _ in 0..bytes.u8() % 6 {
        let code = bytes.pick(&[
            Code::ROUTER,
            Code::DOMAIN_NAME_SERVER,
            Code::INTERFACE_MTU,
            Code::DOMAIN_SEARCH,
            Code::CLASSLESS_STATIC_ROUTE,
            Code::DOMAIN_NAME,
            Code::NTP_SERVERS,
            Code::LEASE_TIME,
        ]);
        let code = code.unwrap_or(Code(bytes.u8()));
        writer.option(code, bytes.short());
    }
    if let Ok(len) = writer.finish() {
        machine.handle_datagram(now, &buffer[..len], random);
    }
}
