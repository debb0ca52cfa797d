//! What the stack sends, by what it is for.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use fata_cli::replay::Report;

use super::unhex;
use crate::frames::{ACK, FIN, RST, SYN};

/// One frame that the stack sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Answer {
    /// By ARP: who has this address.
    Asks,
    /// By ARP, from no address yet: has anybody this address.
    Probes,
    /// By ARP: this address is mine.
    Announces,
    /// By ARP: this address is here.
    IsAt,
    /// ICMP's echo reply.
    Echoes,
    /// ICMP: unreachable, with this code.
    Unreachable(u8),
    /// ICMP: a fragment did not come in time.
    TimeExceeded,
    /// DHCP, a message of this kind: 1 discovers, 3 requests.
    Dhcp(u8),
    /// TCP: a SYN acknowledged.
    Accepts,
    /// TCP: new data.
    Data,
    /// TCP: the end.
    Fin,
    /// TCP: data, or the end, of which some was sent before.
    Again,
    /// TCP: an acknowledgement alone.
    Acknowledges,
    /// TCP: an acknowledgement from before all that was sent, which asks for
    /// one.
    WantsAck,
    /// TCP: a reset.
    Resets,
    /// None of these.
    Other,
}

/// How often each has to be sent, at least and at most.
pub type Answers = BTreeMap<Answer, (usize, usize)>;

/// What has been sent on the connections so far: by ports, the number after
/// all of it.
type Sent = HashMap<[u8; 4], u32>;

/// Says where what was sent is not what had to be; nothing where it is.
pub fn compare(report: &Report, expected: &Answers) -> String {
    let (mut counts, mut sent) = (BTreeMap::<_, usize>::new(), Sent::new());
    for event in report.events.iter().filter(|event| event.sent) {
        let answer = unhex(&event.frame).and_then(|frame| classify(&frame, &mut sent));
        *counts.entry(answer.unwrap_or(Answer::Other)).or_default() += 1;
    }
    let mut text = String::new();
    for answer in expected.keys().chain(counts.keys().filter(|answer| !expected.contains_key(answer))) {
        let (least, most) = expected.get(answer).copied().unwrap_or_default();
        let count = counts.get(answer).copied().unwrap_or_default();
        if !(least..=most).contains(&count) {
            let _ = writeln!(text, "{answer:?}: {count}, not {least} to {most}");
        }
    }
    text
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

fn classify(frame: &[u8], sent: &mut Sent) -> Option<Answer> {
    match frame.get(12..14)? {
        [8, 6] => arp(frame.get(14..)?),
        [8, 0] => {
            let ip = frame.get(14..)?;
            let len = usize::from(u16::from_be_bytes(*ip.get(2..)?.first_chunk()?));
            // The stack sends no options.
            let payload = ip.get(20..len)?;
            match ip.get(9)? {
                1 => icmp(payload),
                6 => tcp(payload, sent),
                17 => dhcp(payload),
                _ => None,
            }
        }
        _ => None,
    }
}

fn arp(packet: &[u8]) -> Option<Answer> {
    let (operation, sender, target) = (packet.get(7)?, word(packet, 14)?, word(packet, 24)?);
    match operation {
        1 if sender == 0 => Some(Answer::Probes),
        1 if sender == target => Some(Answer::Announces),
        1 => Some(Answer::Asks),
        2 => Some(Answer::IsAt),
        _ => None,
    }
}

fn icmp(message: &[u8]) -> Option<Answer> {
    match message {
        [0, 0, ..] => Some(Answer::Echoes),
        [3, code, ..] => Some(Answer::Unreachable(*code)),
        [11, 1, ..] => Some(Answer::TimeExceeded),
        _ => None,
    }
}

/// A message to a server begins its options with its kind.
fn dhcp(datagram: &[u8]) -> Option<Answer> {
    match (datagram.get(2..4)?, datagram.get(8 + 240..)?) {
        ([0, 67], [53, 1, kind, ..]) => Some(Answer::Dhcp(*kind)),
        _ => None,
    }
}

fn tcp(segment: &[u8], sent: &mut Sent) -> Option<Answer> {
    let flags = *segment.get(13)?;
    let len = segment.len() - usize::from(*segment.get(12)? >> 4) * 4;
    let seq = word(segment, 4)?;
    let ports = *segment.first_chunk()?;
    if flags & RST != 0 {
        return Some(Answer::Resets);
    }
    let end = seq.wrapping_add(len as u32 + u32::from(flags & (SYN | FIN) != 0));
    let all = sent.entry(ports).or_insert(seq);
    let was_sent = (seq.wrapping_sub(*all) as i32) < 0;
    let is_new = (end.wrapping_sub(*all) as i32) > 0;
    if flags & SYN != 0 {
        // Each opens a connection, on ports of one that may have been there.
        *all = end;
        return (flags & ACK != 0).then_some(Answer::Accepts);
    }
    if is_new {
        *all = end;
    }
    Some(match (end == seq, was_sent) {
        (true, false) => Answer::Acknowledges,
        (true, true) => Answer::WantsAck,
        (false, true) => Answer::Again,
        (false, false) if flags & FIN != 0 => Answer::Fin,
        (false, false) => Answer::Data,
    })
}
