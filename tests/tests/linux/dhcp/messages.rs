//! What the client said, as tshark reads it.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use tests::lab::Recording;

/// The fields asked of tshark, in this order.
const FIELDS: [&str; 8] = [
    "frame.time_epoch",
    "dhcp.option.dhcp",
    "ip.src",
    "ip.dst",
    "dhcp.ip.client",
    "dhcp.option.requested_ip_address",
    "dhcp.option.dhcp_server_id",
    "eth.dst",
];

/// One message of the client.
pub(crate) struct Message {
    /// Seconds.
    pub(crate) at: f64,
    /// `REQUEST 10.0.0.50 > 10.0.0.1 has 10.0.0.50`, then what it wants
    /// (option 50) and of whom (option 54).
    pub(crate) line: String,
}

/// The client's messages in their order, each once however often it was sent
/// again. Fails on what tshark finds wrong in any.
pub(crate) fn read(recording: &Recording) -> Result<Vec<Message>> {
    let wrong = "_ws.malformed || _ws.expert.severity == error || ip.checksum.status == 0 \
                 || udp.checksum.status == 0";
    let wrong = recording.tshark(&format!("dhcp && ({wrong})"), &["-V"])?;
    ensure!(wrong.is_empty(), "{wrong}");
    let mut arguments = vec!["-T", "fields", "-E", "separator=|"];
    FIELDS.iter().for_each(|field| arguments.extend(["-e", field]));
    let text = recording.tshark("udp.dstport == 67 && !icmp", &arguments)?;
    let mut messages: Vec<Message> = text.lines().map(message).collect::<Result<_>>()?;
    messages.dedup_by(|next, before| next.line == before.line);
    Ok(messages)
}

/// The lines of messages.
pub(crate) fn lines(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.line.as_str()).collect()
}

fn message(line: &str) -> Result<Message> {
    let fields: Vec<_> = line.split('|').collect();
    let [at, kind, from, to, has, wants, server, mac] = fields.as_slice() else {
        return Err(anyhow::anyhow!("not the fields asked for: {line}"));
    };
    let kind = match *kind {
        "1" => "DISCOVER",
        "3" => "REQUEST",
        "4" => "DECLINE",
        "7" => "RELEASE",
        "8" => "INFORM",
        other => other,
    };
    ensure!((*to == "255.255.255.255") == (*mac == "ff:ff:ff:ff:ff:ff"), "{to} is not at {mac}");
    let mut line = format!("{kind} {from} > {to}");
    for (word, address) in [("has", has), ("wants", wants), ("of", server)] {
        if !address.is_empty() && *address != "0.0.0.0" {
            write!(line, " {word} {address}")?;
        }
    }
    Ok(Message { at: at.parse().context("a time")?, line })
}
