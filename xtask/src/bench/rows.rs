//! What is measured, against what, and what the limit is.

/// A row of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) figure: Figure,
    /// The row's arguments to the program, the same for all sides.
    pub(super) arguments: &'static [&'static str],
    /// This project first.
    pub(super) sides: &'static [Side],
    pub(super) limit: Limit,
    /// Is at least (or at most, where less is better) so many times the best
    /// rival's.
    pub(super) aim_rival: Option<f64>,
    /// Is at least (or at most) so many times the limit.
    pub(super) aim_limit: Option<f64>,
    /// Comes out the same each time: measured once.
    pub(super) once: bool,
    /// What the limit is and how it is measured.
    pub(super) note: &'static str,
}

/// Who does it, and what it takes to make it do so.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) label: &'static str,
    pub(super) arguments: &'static [&'static str],
}

/// What stands for a row's limit.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    /// The side of that label, measured in the same rounds.
    Side(&'static str),
    /// A figure that is given.
    Fixed(f64),
    None,
}

/// How work and seconds become the row's figure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    /// 10⁹ bits a second; the work is bytes.
    GigabitsPerSecond,
    /// Thousands a second.
    KiloPerSecond,
    /// Nanoseconds for each.
    Nanoseconds,
    /// The work itself.
    Work,
    /// What stands in the place of the seconds.
    Second,
    /// Instructions for each full segment, by callgrind.
    Instructions,
    /// Bytes of a program.
    ProgramBytes,
}

impl Figure {
    pub(super) const fn is_less_better(self) -> bool {
        match self {
            Self::GigabitsPerSecond | Self::KiloPerSecond => false,
            Self::Nanoseconds | Self::Work | Self::Second | Self::Instructions | Self::ProgramBytes => true,
        }
    }

    pub(super) fn of(self, work: f64, seconds: f64) -> f64 {
        match self {
            Self::GigabitsPerSecond => work * 8.0 / seconds / 1e9,
            Self::KiloPerSecond => work / seconds / 1e3,
            Self::Nanoseconds => seconds / work * 1e9,
            Self::Work | Self::Instructions | Self::ProgramBytes => work,
            Self::Second => seconds,
        }
    }
}

const FATA: Side = Side { label: "fata", arguments: &["--side", "fata"] };
const RAW: Side = Side { label: "raw", arguments: &["--side", "raw"] };
const LINUX: Side = Side { label: "linux", arguments: &["--side", "linux"] };
const SMOLTCP: Side = Side { label: "smoltcp", arguments: &["--side", "smoltcp"] };
/// The buffers with which it does best on a tap; in memory that is the 64 KiB
/// that the program takes unless told.
const SMOLTCP_LARGE: Side = Side { label: "smoltcp", arguments: &["--side", "smoltcp", "--buffer", "1048576"] };
const ALONE: Side = Side { label: "alone", arguments: &["--side", "fata", "--others", "0"] };
const ONE: Side = Side { label: "one", arguments: &["--side", "fata", "--others", "1"] };

const ROW: Row = Row {
    name: "",
    unit: "",
    figure: Figure::KiloPerSecond,
    arguments: &[],
    sides: &[FATA, SMOLTCP],
    limit: Limit::None,
    aim_rival: None,
    aim_limit: None,
    once: false,
    note: "",
};

const GIGABITS: Row = Row { unit: "Gbit/s", figure: Figure::GigabitsPerSecond, ..ROW };
const TAP_BULK: Row = Row { sides: &[FATA, SMOLTCP_LARGE, LINUX, RAW], limit: Limit::Side("raw"), ..GIGABITS };
const RATE: Row = Row { unit: "k/s", sides: &[FATA, SMOLTCP, LINUX, RAW], limit: Limit::Side("raw"), ..ROW };
const BESIDE: Row = Row {
    limit: Limit::Side("alone"),
    sides: &[FATA, ALONE],
    aim_limit: Some(0.95),
    note: "its own figure without the idle connections, in the same rounds",
    ..GIGABITS
};

const RAW_TCP: &str = "the device, driven by the same system calls with the same sizes: frames made once, sequence numbers counted";
const RAW_WIRE: &str = "the link in memory without a stack, with the same frames and as many copies";

/// The table.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "tap-send",
        arguments: &["--row", "tap-send"],
        aim_rival: Some(1.4),
        aim_limit: Some(0.9),
        note: RAW_TCP,
        ..TAP_BULK
    },
    Row {
        name: "tap-send-in-place",
        arguments: &["--row", "tap-send", "--in-place"],
        sides: &[FATA, SMOLTCP_LARGE, RAW],
        note: "the device as in the row above; the writers of both stacks fill what is sent, the device's frame is made once",
        ..TAP_BULK
    },
    Row {
        name: "tap-send-constant",
        arguments: &["--row", "tap-send", "--constant"],
        sides: &[FATA, SMOLTCP_LARGE, RAW],
        aim_rival: Some(1.4),
        aim_limit: Some(0.9),
        note: "the device as in the rows above; this stack's writer sends a constant from where it lies, smoltcp's copies it",
        ..TAP_BULK
    },
    Row {
        name: "tap-receive",
        arguments: &["--row", "tap-receive"],
        aim_rival: Some(1.2),
        note: RAW_TCP,
        ..TAP_BULK
    },
    Row {
        name: "tap-send-plain",
        arguments: &["--row", "tap-send", "--no-offload"],
        aim_rival: Some(1.0),
        note: RAW_TCP,
        ..TAP_BULK
    },
    Row {
        name: "tap-receive-plain",
        arguments: &["--row", "tap-receive", "--no-offload"],
        aim_rival: Some(1.1),
        note: RAW_TCP,
        ..TAP_BULK
    },
    Row {
        name: "tap-round-trips-waiting",
        arguments: &["--row", "tap-round-trips"],
        aim_limit: Some(0.97),
        note: "a reflector: the same segments, turned around where they lie",
        ..RATE
    },
    Row {
        name: "tap-round-trips-spinning",
        arguments: &["--row", "tap-round-trips", "--spin"],
        aim_limit: Some(0.97),
        note: "a reflector: the same segments, turned around where they lie",
        ..RATE
    },
    Row {
        name: "tap-connect",
        arguments: &["--row", "tap-connect"],
        aim_rival: Some(1.5),
        note: "a reflector that answers SYN, byte and FIN and remembers nothing",
        ..RATE
    },
    Row {
        name: "tap-connect-100000",
        arguments: &["--row", "tap-connect"],
        sides: &[Side { label: "fata", arguments: &["--side", "fata", "--others", "100000"] }, ALONE],
        limit: Limit::Side("alone"),
        aim_limit: Some(0.95),
        note: "its own figure without 100,000 open connections, in the same rounds",
        ..RATE
    },
    Row {
        name: "tap-udp-receive",
        arguments: &["--row", "tap-udp-receive"],
        aim_limit: Some(0.95),
        note: "the device read by the same system calls, the frames looked at and dropped",
        ..RATE
    },
    Row {
        name: "tap-udp-send",
        arguments: &["--row", "tap-udp-send"],
        aim_limit: Some(0.95),
        note: "the device written with one frame made once",
        ..RATE
    },
    Row {
        name: "tap-udp-send-segmented",
        arguments: &["--row", "tap-udp-segmented"],
        sides: &[FATA, LINUX, Side { label: "raw", arguments: &["--side", "raw", "--one-by-one"] }],
        aim_limit: Some(5.0),
        note: "the device written with one frame a datagram, as in the row above",
        ..RATE
    },
    Row {
        name: "memory-bulk",
        arguments: &["--row", "memory-bulk"],
        sides: &[FATA, SMOLTCP, RAW],
        limit: Limit::Side("raw"),
        aim_rival: Some(2.0),
        note: RAW_WIRE,
        ..GIGABITS
    },
    Row {
        name: "memory-bulk-in-place",
        arguments: &["--row", "memory-bulk", "--in-place"],
        sides: &[FATA, SMOLTCP, RAW],
        limit: Limit::Side("raw"),
        note: RAW_WIRE,
        ..GIGABITS
    },
    Row {
        name: "memory-bulk-checksums",
        arguments: &["--row", "memory-bulk", "--checksums"],
        note: "none; checksums are computed and verified in software on both sides",
        ..GIGABITS
    },
    Row { name: "memory-bulk-1000-idle", arguments: &["--row", "memory-bulk"], sides: IDLE_1000, ..BESIDE },
    Row { name: "memory-bulk-10000-idle", arguments: &["--row", "memory-bulk"], sides: IDLE_10000, ..BESIDE },
    Row { name: "memory-bulk-100000-idle", arguments: &["--row", "memory-bulk"], sides: IDLE_100000, ..BESIDE },
    Row {
        name: "memory-bulk-1000000-idle",
        arguments: &["--row", "memory-bulk"],
        sides: IDLE_1000000,
        ..BESIDE
    },
    Row {
        name: "memory-round-trips-1",
        arguments: &["--row", "memory-round-trips", "--others", "1"],
        sides: &[FATA, SMOLTCP, RAW],
        aim_rival: Some(1.5),
        note: RAW_WIRE,
        ..RATE
    },
    Row {
        name: "memory-round-trips-1000",
        arguments: &["--row", "memory-round-trips", "--others", "1000"],
        sides: &[FATA, SMOLTCP],
        limit: Limit::None,
        aim_rival: Some(100.0),
        note: "none; each of 1,000 connections has a byte under way at all times",
        ..RATE
    },
    Row {
        name: "memory-round-trips-1000-in-turn",
        arguments: &["--row", "memory-round-trips", "--in-turn", "--others", "1000"],
        sides: &[FATA, SMOLTCP],
        limit: Limit::None,
        aim_rival: Some(100.0),
        note: "none; one byte is under way, on one of 1,000 connections after the other",
        ..RATE
    },
    Row {
        name: "memory-round-trips-100000",
        arguments: &["--row", "memory-round-trips"],
        sides: &[Side { label: "fata", arguments: &["--side", "fata", "--others", "100000"] }, ONE],
        limit: Limit::Side("one"),
        aim_limit: Some(0.95),
        note: "its own figure with one connection, in the same rounds",
        ..RATE
    },
    Row {
        name: "memory-connect",
        arguments: &["--row", "memory-connect"],
        sides: &[FATA, SMOLTCP],
        limit: Limit::None,
        aim_rival: Some(1.5),
        note: "none",
        ..RATE
    },
    Row {
        name: "memory-connect-1000",
        arguments: &["--row", "memory-connect", "--others", "1000"],
        sides: &[FATA, SMOLTCP],
        limit: Limit::None,
        aim_rival: Some(20.0),
        note: "none; beside 1,000 open connections",
        ..RATE
    },
    Row {
        name: "memory-udp",
        unit: "ns",
        figure: Figure::Nanoseconds,
        arguments: &["--row", "memory-udp"],
        sides: &[FATA, SMOLTCP, RAW],
        limit: Limit::Side("raw"),
        aim_rival: Some(0.6),
        note: RAW_WIRE,
        ..ROW
    },
    Row {
        name: "idle-heap",
        unit: "bytes",
        figure: Figure::Work,
        arguments: IDLE,
        sides: IDLE_SIDES,
        limit: Limit::Fixed(300.0),
        aim_limit: Some(1.0),
        once: true,
        note: "the aim; bytes allocated for each end of 1,000,000 idle connections, without the user's handle; the rival's with 2,000 and buffers of 64 bytes",
        ..ROW
    },
    Row {
        name: "idle-resident",
        unit: "bytes",
        figure: Figure::Second,
        arguments: IDLE,
        sides: IDLE_SIDES,
        limit: Limit::Fixed(300.0),
        aim_limit: Some(1.0),
        once: true,
        note: "the aim; growth of the process for each end of 1,000,000 idle connections",
        ..ROW
    },
    Row {
        name: "segment-instructions",
        unit: "instructions",
        figure: Figure::Instructions,
        arguments: &["--row", "memory-bulk"],
        limit: Limit::Fixed(400.0),
        aim_limit: Some(1.0),
        once: true,
        note: "the aim; all that both ends and the application execute for a segment of 1,448 bytes, by callgrind, memcpy left out",
        ..ROW
    },
    Row {
        name: "program-size",
        unit: "bytes",
        figure: Figure::ProgramBytes,
        arguments: &[],
        limit: Limit::Fixed(40_960.0),
        aim_limit: Some(1.0),
        once: true,
        note: "the aim, 40 KiB; a static program without std and libc, with DHCP and a TCP echo on a tap",
        ..ROW
    },
];

const IDLE: &[&str] = &["--row", "memory-idle"];
/// To open a million takes the rival hours: what each takes is the same.
const IDLE_SIDES: &[Side] = &[
    beside(&["--side", "fata", "--others", "1000000"]),
    Side { label: "smoltcp", arguments: &["--side", "smoltcp", "--others", "2000"] },
];
const IDLE_1000: &[Side] = &[beside(&["--side", "fata", "--others", "1000"]), ALONE];
const IDLE_10000: &[Side] = &[beside(&["--side", "fata", "--others", "10000"]), ALONE];
const IDLE_100000: &[Side] = &[beside(&["--side", "fata", "--others", "100000"]), ALONE];
const IDLE_1000000: &[Side] = &[beside(&["--side", "fata", "--others", "1000000"]), ALONE];

const fn beside(arguments: &'static [&'static str]) -> Side {
    Side { label: "fata", arguments }
}
