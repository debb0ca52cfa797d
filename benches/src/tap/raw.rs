//! The device without a stack: the same system calls with frames of the same
//! sizes, made once. Of TCP there is just enough that the kernel at the other
//! end does all its work: sequence numbers are counted, nothing is remembered,
//! copied or timed.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use fata::netif_unix_tap::setup;

use super::device::{Device, HEADER, LARGEST};
use super::frame::{
    ACK, FIN, IP, SCALE, SYN, Segment, TCP_DATA, TRANSPORT, UDP_DATA, answer_ports, complete, get16, put16,
    put32, segment, sum, template,
};
use super::{DATAGRAM, PORT, Ready, SEGMENTS, TAP};
use crate::meter::{Meter, Report};
use crate::{Arguments, Row};

/// Bytes of payload in a segment without options.
const MSS: usize = 1460;
/// Segments in a large one: as many as there is room for.
const LARGE: usize = (65_535 - 40) / MSS * MSS;
const INITIAL: u32 = 1000;

/// The tap and a buffer each way.
struct Raw {
    device: Device,
    received: Vec<u8>,
    frame: Vec<u8>,
    /// Where a full segment ends, and its sum.
    full: Option<(usize, u16)>,
    ready: Option<Ready>,
}

pub(crate) fn run(arguments: &Arguments, ready: Ready) -> Result<Report> {
    let device = Device::open(arguments)?;
    let kernel = setup::mac(TAP)?.0;
    let mut frame = vec![0; LARGEST];
    template(&mut frame, kernel, if arguments.row.is_udp() { 17 } else { 6 });
    let mut raw = Raw { device, received: vec![0; LARGEST + 8], frame, full: None, ready: Some(ready) };
    raw.start();
    match arguments.row {
        Row::TapSend => raw.send(if arguments.no_offload { MSS } else { LARGE }),
        Row::TapReceive => raw.receive(arguments),
        Row::TapRoundTrips | Row::TapConnect => raw.reflect(arguments.row == Row::TapConnect),
        Row::TapUdpReceive => raw.datagrams(arguments),
        Row::TapUdpSend => raw.send_datagrams(arguments, 1),
        Row::TapUdpSegmented => raw.send_datagrams(arguments, if arguments.one_by_one { 1 } else { SEGMENTS }),
        _ => Err(anyhow!("not on a tap")),
    }
}

impl Raw {
    fn start(&mut self) {
        if let Some(ready) = self.ready.take() {
            let _ = ready.send(());
        }
    }

    /// Reads a frame, at `HEADER` in the buffer whether it has a header or
    /// not.
    fn read(&mut self) -> Option<usize> {
        let skip = HEADER - self.device.header_len();
        self.device.read(&mut self.received[skip..]).map(|len| len + skip)
    }

    /// Waits for a segment.
    fn next(&mut self) -> Segment {
        loop {
            match self.read() {
                Some(len) => {
                    if let Some(segment) = segment(&self.received[..len]) {
                        return segment;
                    }
                }
                None => self.device.wait(None),
            }
        }
    }

    /// Writes the frame of `len` bytes, header included; waits for room.
    fn write(&self, len: usize) {
        let frame = &self.frame[HEADER - self.device.header_len()..len];
        while self.device.write(frame).is_err() {
            std::thread::yield_now();
        }
    }

    /// Writes a segment with what stands in the frame as its payload.
    fn transmit(&mut self, seq: u32, ack: u32, flags: u8, len: usize) {
        put32(&mut self.frame, TRANSPORT + 4, seq);
        put32(&mut self.frame, TRANSPORT + 8, ack);
        self.frame[TRANSPORT + 13] = flags;
        put16(&mut self.frame, TRANSPORT + 14, u16::MAX >> 1);
        let mut end = TCP_DATA + len;
        self.frame[TRANSPORT + 12] = 5 << 4;
        if flags & SYN != 0 {
            // Maximum segment size, no operation, window scale.
            self.frame[TRANSPORT + 12] = 7 << 4;
            self.frame[TCP_DATA..TCP_DATA + 8].copy_from_slice(&[2, 4, 5, 180, 1, 3, 3, SCALE]);
            end += 8;
        }
        let data = self.data_sum(end);
        complete(&mut self.frame, end, self.device.header, MSS, false, data);
        self.write(end);
    }

    /// The sum of a segment's options and payload, which for full ones is
    /// always the same.
    fn data_sum(&mut self, end: usize) -> u16 {
        match self.full {
            _ if self.device.header => 0,
            Some((full, sum)) if full == end => sum,
            _ => {
                let sum = sum(&self.frame[TCP_DATA..end]);
                self.full = (end == TCP_DATA + MSS).then_some((end, sum));
                sum
            }
        }
    }

    /// Answers the kernel's SYN; returns what acknowledges it, and by how
    /// many bits its windows are shifted.
    fn accept(&mut self) -> (u32, u8) {
        loop {
            let syn = self.next();
            if syn.flags & SYN != 0 {
                let scale = window_scale(&self.received[TCP_DATA..]);
                answer_ports(&self.received, &mut self.frame);
                self.transmit(INITIAL, syn.seq.wrapping_add(1), SYN | ACK, 0);
                return (syn.seq.wrapping_add(1), scale);
            }
        }
    }

    /// Segments of `size` bytes, as far as the peer's window goes.
    fn send(&mut self, size: usize) -> Result<Report> {
        let (ack, scale) = self.accept();
        let (mut una, mut next, mut window) = (INITIAL + 1, INITIAL + 1, 0);
        self.frame[TCP_DATA..].fill(1);
        loop {
            while let Some(len) = self.read() {
                if let Some(segment) = segment(&self.received[..len]) {
                    una = segment.ack;
                    window = u32::from(segment.window) << scale;
                }
            }
            let room = window.saturating_sub(next.wrapping_sub(una)) as usize;
            if room < size {
                self.device.wait(Some(Duration::from_millis(100)));
                continue;
            }
            // What waits is read once a batch.
            for _ in 0..(room / size).min(16) {
                self.transmit(next, ack, ACK, size);
                next = next.wrapping_add(size as u32);
            }
        }
    }

    /// Acknowledges once for each batch.
    fn receive(&mut self, arguments: &Arguments) -> Result<Report> {
        let (mut next, _) = self.accept();
        let meter = Meter::wall(arguments, 1 << 22);
        loop {
            let (mut count, mut got) = (0, false);
            while count < 64
                && let Some(len) = self.read()
            {
                count += 1;
                if let Some(segment) = segment(&self.received[..len])
                    && segment.seq == next
                {
                    next = next.wrapping_add(segment.len as u32);
                    got = true;
                    if meter.add(segment.len as u64) {
                        return Ok(meter.report());
                    }
                }
            }
            if got {
                self.transmit(INITIAL + 1, next, ACK, 0);
            }
            if count < 64 {
                self.device.wait(None);
            }
        }
    }

    /// Sends back what comes, in answer to each segment by itself; closes
    /// after the byte in the row of connections.
    fn reflect(&mut self, closes: bool) -> Result<Report> {
        loop {
            let segment = self.next();
            answer_ports(&self.received, &mut self.frame);
            let end = segment.seq.wrapping_add(segment.len as u32);
            if segment.flags & SYN != 0 {
                self.transmit(INITIAL, end.wrapping_add(1), SYN | ACK, 0);
            } else if segment.len > 0 {
                let closes = closes && get16(&self.received, TRANSPORT + 2) == PORT;
                let fin = if closes { FIN } else { 0 };
                self.transmit(segment.ack, end, ACK | fin, segment.len);
            } else if segment.flags & FIN != 0 {
                self.transmit(segment.ack, end.wrapping_add(1), ACK, 0);
            }
        }
    }
}

/// The shift of a SYN's window scale option.
fn window_scale(mut options: &[u8]) -> u8 {
    loop {
        match options {
            [3, 3, scale, ..] => return *scale,
            [1, rest @ ..] => options = rest,
            [2..=255, len @ 2..=255, ..] => match options.get(usize::from(*len)..) {
                Some(rest) => options = rest,
                None => return 0,
            },
            _ => return 0,
        }
    }
}

impl Raw {
    fn datagrams(&mut self, arguments: &Arguments) -> Result<Report> {
        let meter = Meter::wall(arguments, 4096);
        loop {
            match self.read() {
                Some(len) => {
                    let for_us = len == UDP_DATA + DATAGRAM && self.received[IP + 9] == 17;
                    if for_us && get16(&self.received, TRANSPORT + 2) == PORT && meter.add(1) {
                        return Ok(meter.report());
                    }
                }
                None => self.device.wait(None),
            }
        }
    }

    /// Writes of `count` datagrams each.
    fn send_datagrams(&mut self, arguments: &Arguments, count: usize) -> Result<Report> {
        ensure!(count == 1 || self.device.header, "the device cuts nothing");
        put16(&mut self.frame, TRANSPORT + 2, PORT);
        let len = UDP_DATA + count * DATAGRAM;
        let data = sum(&self.frame[UDP_DATA..len]);
        complete(&mut self.frame, len, self.device.header, DATAGRAM, true, data);
        // Until the kernel's socket is there.
        std::thread::sleep(Duration::from_millis(300));
        let meter = Meter::wall(arguments, 4096);
        loop {
            self.write(len);
            if meter.add(count as u64) {
                return Ok(meter.report());
            }
        }
    }
}
