//! What a replay came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fata::dhcp_client::{self, StateName};
use fata::prelude::*;
use fata::traits::Instant;
use netif_pcap::summary;
use serde::Serialize;

/// Counters of one layer by name.
type Counters = BTreeMap<&'static str, u64>;

/// The state of a tower.
#[derive(Clone, Debug, Default, Serialize)]
pub struct State {
    /// When, in nanoseconds of the recording.
    pub at_ns: u64,
    /// Its addresses.
    pub address: Option<Ipv4Addr>,
    /// The state of the DHCP client, where there is one.
    pub dhcp: Option<String>,
    /// TCP connections, half-open ones and those in TIME-WAIT too.
    pub connections: Vec<Connection>,
    /// The ARP cache.
    pub neighbours: Vec<Neighbour>,
    /// The counters of each layer.
    pub counters: BTreeMap<&'static str, Counters>,
}

/// A TCP connection.
#[derive(Clone, Debug, Serialize)]
pub struct Connection {
    /// The own end.
    pub local: String,
    /// The peer's end.
    pub remote: String,
    /// Its state.
    pub state: String,
    /// The smoothed round-trip time in nanoseconds.
    pub rtt_ns: Option<u64>,
    /// The congestion window in bytes.
    pub cwnd: Option<u32>,
    /// Bytes sent and not acknowledged.
    pub outstanding: Option<u32>,
    /// Bytes written and not sent.
    pub unsent: Option<u32>,
}

/// An entry of the ARP cache.
#[derive(Clone, Debug, Serialize)]
pub struct Neighbour {
    /// Its address.
    pub address: String,
    /// Its hardware address, where known.
    pub mac: Option<String>,
    /// What is known of it.
    pub state: String,
}

impl State {
    pub(super) fn of<N: Network>(
        at: Instant,
        e: &Ethif<N>,
        i: &Ipv4<&Ethif<N>>,
        udp: &Udp<&Ipv4<&Ethif<N>>>,
        tcp: &Tcp<&Ipv4<&Ethif<N>>>,
        dhcp: Option<(StateName, dhcp_client::Statistics)>,
    ) -> Self {
        let mut connections = Vec::new();
        tcp.connections(|one| {
            connections.push(Connection {
                local: one.local.to_string(),
                remote: one.remote.to_string(),
                state: format!("{:?}", one.state),
                rtt_ns: one.info.and_then(|info| info.rtt).map(|rtt| rtt.as_nanos() as u64),
                cwnd: one.info.map(|info| info.cwnd),
                outstanding: one.info.map(|info| info.outstanding),
                unsent: one.info.map(|info| info.unsent),
            });
        });
        connections.sort_by(|a, b| (&a.local, &a.remote).cmp(&(&b.local, &b.remote)));
        let mut neighbours = Vec::new();
        e.neighbours(|neighbour| neighbours.push(neighbour));
        neighbours.sort_by_key(|neighbour| neighbour.address);
        let neighbours = neighbours.iter().map(|neighbour| Neighbour {
            address: neighbour.address.to_string(),
            mac: neighbour.mac.map(|mac| mac.to_string()),
            state: format!("{:?}", neighbour.state),
        });
        let mut counters = BTreeMap::from([
            ("device", e.network().statistics().iter().collect()),
            ("ethernet", e.statistics().iter().collect()),
            ("ipv4", i.statistics().iter().collect()),
            ("udp", udp.statistics().iter().collect()),
            ("tcp", tcp.statistics().iter().collect::<Counters>()),
        ]);
        if let Some((_, statistics)) = &dhcp {
            counters.insert("dhcp", statistics.iter().collect());
        }
        Self {
            at_ns: at.as_nanos(),
            address: i.get_ipv4(),
            dhcp: dhcp.map(|(state, _)| format!("{state:?}")),
            connections,
            neighbours: neighbours.collect(),
            counters,
        }
    }

    /// A counter of a layer.
    pub fn counter(&self, layer: &str, name: &str) -> Option<u64> {
        self.counters.get(layer)?.get(name).copied()
    }
}

/// A frame that passed.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// When, in nanoseconds of the recording.
    pub at_ns: u64,
    /// Whether the stack sent it; else it received it.
    pub sent: bool,
    /// Whether it was sent by a timer: nothing had just arrived.
    pub by_timer: bool,
    /// Whether it was received and the stack sent something at once, before
    /// anything else arrived. Of what it acknowledges together, that is the
    /// last.
    pub answered: bool,
    /// What it is, for a person.
    pub summary: String,
    /// The frame in hexadecimal.
    pub frame: String,
}

impl Event {
    pub(super) fn new(at: Instant, sent: bool, by_timer: bool, frame: &[u8]) -> Self {
        let hex = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { at_ns: at.as_nanos(), sent, by_timer, answered: false, summary: summary(frame), frame: hex }
    }
}

/// A replay from its first frame to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The hardware address that was played.
    pub mac: String,
    /// What passed, in order.
    pub events: Vec<Event>,
    /// What the stack came to.
    pub state: State,
    /// How what was sent differs from the recording.
    pub expected: Expected,
    /// What the recording lacks, for a person to read.
    pub lacks: Vec<String>,
}

/// How what was sent differs from the recording.
#[derive(Clone, Debug, Serialize)]
pub struct Expected {
    /// Frames that are the same.
    pub same: usize,
    /// The differences, for a person to read.
    pub differences: Vec<String>,
}

impl Report {
    /// How many frames were received and answered, and sent, in a sentence.
    pub fn counts(&self) -> String {
        let count = |which: fn(&Event) -> bool| self.events.iter().filter(|event| which(event)).count();
        format!(
            "{} frames received, {} of them answered; {} sent, {} of them by timers",
            count(|event| !event.sent),
            count(|event| event.answered),
            count(|event| event.sent),
            count(|event| event.by_timer),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for event in &self.events {
            let at = Duration::from_nanos(event.at_ns).as_secs_f64();
            let time = if last == Some(event.at_ns) { String::new() } else { format!("{at:.6}") };
            last = Some(event.at_ns);
            let arrow = if event.sent { "  >" } else { "<" };
            let timer = if event.by_timer { " (timer)" } else { "" };
            writeln!(f, "{time:>14} {arrow} {}{timer}", event.summary)?;
        }
        writeln!(f)?;
        write!(f, "{}", self.state)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Duration::from_nanos(self.at_ns).as_secs_f64();
        let address = self.address.map_or("no address".to_owned(), |address| address.to_string());
        writeln!(f, "at {at:.6} s: {address}")?;
        if let Some(dhcp) = &self.dhcp {
            writeln!(f, "DHCP: {dhcp}")?;
        }
        for c in &self.connections {
            write!(f, "TCP {} - {} {}", c.local, c.remote, c.state)?;
            if let (Some(cwnd), Some(outstanding), Some(unsent)) = (c.cwnd, c.outstanding, c.unsent) {
                write!(f, ", cwnd {cwnd}, outstanding {outstanding}, unsent {unsent}")?;
            }
            writeln!(f)?;
        }
        for neighbour in &self.neighbours {
            let mac = neighbour.mac.as_deref().unwrap_or("?");
            writeln!(f, "ARP {} is at {mac}, {}", neighbour.address, neighbour.state)?;
        }
        for (layer, counters) in &self.counters {
            let counted: Vec<_> = counters.iter().filter(|(_, count)| **count > 0).collect();
            let words: Vec<_> = counted.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if !words.is_empty() {
                writeln!(f, "{layer}: {}", words.join(", "))?;
            }
        }
        Ok(())
    }
}
