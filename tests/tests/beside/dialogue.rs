//! Dialogues: what a peer says to a host, and what the host's program does
//! meanwhile.

use std::fmt;

use tests::frames::{ACK, FIN, PSH, RST, SYN, URG};

/// A segment of the peer's, with numbers told from where both streams are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Probe {
    pub(crate) flags: u8,
    /// From the number that the peer has to say next.
    pub(crate) seq: i32,
    /// From the number that the host is to say next; only with ACK.
    pub(crate) ack: i32,
    /// Bytes of data.
    pub(crate) len: usize,
    pub(crate) window: u16,
    /// Whether the peer's stream goes on behind it: it is no stray.
    pub(crate) counts: bool,
}

impl Probe {
    pub(crate) const fn new(flags: u8) -> Self {
        Self { flags, seq: 0, ack: 0, len: 0, window: 60_000, counts: false }
    }

    /// What the peer's stream consists of.
    pub(crate) const fn counted(flags: u8, len: usize) -> Self {
        Self { len, counts: true, ..Self::new(flags) }
    }

    pub(crate) const fn seq(self, seq: i32) -> Self {
        Self { seq, ..self }
    }

    pub(crate) const fn ack(self, ack: i32) -> Self {
        Self { ack, ..self }
    }

    pub(crate) const fn len(self, len: usize) -> Self {
        Self { len, ..self }
    }

    pub(crate) const fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }
}

/// What the host's program does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// Connects to the peer.
    Connect,
    /// Takes the peer's connection, if there is one.
    Accept,
    /// Writes so many bytes, as far as there is room.
    Write(usize),
    /// Reads all that is there.
    Read,
    /// Ends its stream, and goes on reading.
    Shutdown,
    /// Ends its stream, and is gone.
    Close,
    /// Is gone at once.
    Abort,
}

/// A step, after which both are given time to say what they have to say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Says(Probe),
    Does(Act),
}

/// What is said and done, step by step.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Dialogue {
    /// Where it begins.
    pub(crate) state: &'static str,
    /// What is out of place, if it is about that.
    pub(crate) stray: Option<Probe>,
    pub(crate) steps: Vec<Step>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Says(probe) => {
                write!(f, "{}", flags(probe.flags))?;
                for (name, number) in [(" seq", probe.seq), (" ack", probe.ack)] {
                    if number != 0 {
                        write!(f, "{name}{number:+}")?;
                    }
                }
                if probe.len > 0 {
                    write!(f, " {} bytes", probe.len)?;
                }
                if probe.window != 60_000 {
                    write!(f, " window {}", probe.window)?;
                }
                f.write_str(if probe.counts { "" } else { " (stray)" })
            }
            Self::Does(act) => write!(f, "{act:?}"),
        }
    }
}

/// The names of flags.
pub(crate) fn flags(bits: u8) -> String {
    let names = [(SYN, 'S'), (FIN, 'F'), (RST, 'R'), (PSH, 'P'), (ACK, '.'), (URG, 'U')];
    let set: String = names.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect();
    if set.is_empty() { "none".to_owned() } else { set }
}

/// The peer opens, and the program accepts.
pub(crate) const OPEN: [Step; 3] =
    [Step::Says(Probe::counted(SYN, 0)), Step::Says(Probe::counted(ACK, 0)), Step::Does(Act::Accept)];

const FIN_ACK: Step = Step::Says(Probe::counted(FIN | ACK, 0));
const ACKNOWLEDGES: Step = Step::Says(Probe::counted(ACK, 0));
/// Ends its stream, and has not seen that the host did.
const FIN_UNSEEN: Step = Step::Says(Probe::counted(FIN | ACK, 0).ack(-1));

/// Ways to where dialogues begin.
pub(crate) fn ways() -> Vec<(&'static str, Vec<Step>)> {
    let open = |then: &[Step]| [&OPEN[..], then].concat();
    let data = Step::Says(Probe::counted(ACK | PSH, 100));
    vec![
        ("LISTEN", vec![]),
        ("SYN-SENT", vec![Step::Does(Act::Connect)]),
        ("SYN-RECEIVED", vec![Step::Says(Probe::counted(SYN, 0))]),
        ("SYN-RECEIVED, both opened", vec![Step::Does(Act::Connect), Step::Says(Probe::counted(SYN, 0))]),
        ("ESTABLISHED, not accepted", OPEN[..2].to_vec()),
        ("ESTABLISHED", open(&[])),
        ("ESTABLISHED, connected", vec![Step::Does(Act::Connect), Step::Says(Probe::counted(SYN | ACK, 0))]),
        ("ESTABLISHED, under way", open(&[Step::Does(Act::Write(500))])),
        ("ESTABLISHED, unread", open(&[data])),
        ("ESTABLISHED, a hole", open(&[Step::Says(Probe::new(ACK | PSH).seq(50).len(50))])),
        ("ESTABLISHED, a FIN behind a hole", open(&[Step::Says(Probe::new(FIN | ACK).seq(50).len(50))])),
        (
            "ESTABLISHED, both ways",
            open(&[Step::Does(Act::Write(500)), ACKNOWLEDGES, data, Step::Does(Act::Read)]),
        ),
        ("CLOSE-WAIT", open(&[FIN_ACK])),
        ("CLOSE-WAIT, under way", open(&[FIN_ACK, Step::Does(Act::Write(500))])),
        ("LAST-ACK", open(&[FIN_ACK, Step::Does(Act::Shutdown)])),
        ("LAST-ACK, closed", open(&[FIN_ACK, Step::Does(Act::Close)])),
        ("FIN-WAIT-1", open(&[Step::Does(Act::Shutdown)])),
        ("FIN-WAIT-1, closed", open(&[Step::Does(Act::Close)])),
        ("FIN-WAIT-1, under way", open(&[Step::Does(Act::Write(500)), Step::Does(Act::Shutdown)])),
        ("FIN-WAIT-2", open(&[Step::Does(Act::Shutdown), ACKNOWLEDGES])),
        ("FIN-WAIT-2, closed", open(&[Step::Does(Act::Close), ACKNOWLEDGES])),
        ("CLOSING", open(&[Step::Does(Act::Shutdown), FIN_UNSEEN])),
        ("CLOSING, under way", open(&[Step::Does(Act::Write(500)), Step::Does(Act::Shutdown), FIN_UNSEEN])),
        ("TIME-WAIT", open(&[Step::Does(Act::Shutdown), ACKNOWLEDGES, FIN_ACK])),
        ("TIME-WAIT, closed", open(&[Step::Does(Act::Close), ACKNOWLEDGES, FIN_ACK])),
        ("CLOSED by a reset", open(&[Step::Says(Probe::new(RST))])),
        ("CLOSED by the program", open(&[Step::Does(Act::Abort)])),
        ("CLOSED in turn", open(&[FIN_ACK, Step::Does(Act::Shutdown), ACKNOWLEDGES])),
    ]
}

/// Every stray segment in every state, and what shows then how things stand: a
/// byte that belongs there, and all of it acknowledged.
pub(crate) fn table() -> Vec<Dialogue> {
    let mut dialogues = Vec::new();
    for (state, way) in ways() {
        for probe in probes() {
            let then = [Step::Says(Probe::counted(ACK | PSH, 1)), Step::Does(Act::Read)];
            let steps = [&way[..], &[Step::Says(probe)], &then].concat();
            dialogues.push(Dialogue { state, stray: Some(probe), steps });
        }
    }
    dialogues
}

/// Numbers that are due, a little off, and far off.
const SEQUENCES: [i32; 7] = [0, -1, 1, -100, 1000, 100_000, -100_000];
const ACKS: [i32; 6] = [0, -1, 1, -600, 100_000, -200_000];

fn probes() -> Vec<Probe> {
    let mut probes = Vec::new();
    for flags in [SYN, RST, FIN, 0, PSH, SYN | FIN, SYN | RST, RST | FIN, URG] {
        for seq in SEQUENCES {
            probes.push(Probe::new(flags).seq(seq));
            probes.push(Probe::new(flags).seq(seq).len(10));
        }
    }
    for flags in [ACK, SYN | ACK, RST | ACK, FIN | ACK, FIN | PSH | ACK, SYN | FIN | ACK, URG | ACK] {
        for seq in SEQUENCES {
            for ack in ACKS {
                probes.push(Probe::new(flags).seq(seq).ack(ack));
                probes.push(Probe::new(flags).seq(seq).ack(ack).len(10));
            }
        }
    }
    probes.push(Probe::new(ACK).window(0));
    probes.push(Probe::new(ACK).ack(-1).window(0));
    probes
}
