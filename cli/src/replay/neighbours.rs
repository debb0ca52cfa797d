//! A device that knows the hosts of a recording which did not say who they
//! are.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use fata::prelude::*;
use fata::traits::{EtherType, Frame, Instant, Layer, MacAddr, SendError, TxMeta, WakerSet};
use netif_pcap::{Recording, Side};

use super::packet::{arp, ipv4};
use super::tower::Progress;

/// How long after a question the recording may have its answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The device `N`, with questions by ARP answered here where the recording
/// has no answer: its host knew that neighbour from before. Such a question
/// does not reach the device. Whom the host asked for there in vain stays
/// silent.
pub(super) struct Neighbours<N> {
    device: N,
    known: BTreeMap<Ipv4Addr, MacAddr>,
    /// When neighbours answered in the recording.
    answers: Vec<(Instant, Ipv4Addr)>,
    /// How many of them have passed.
    passed: Cell<usize>,
    arrived: Rc<Progress>,
    owed: RefCell<VecDeque<Vec<u8>>>,
    listeners: WakerSet<1>,
}

impl<N: Network> Neighbours<N> {
    /// Counts in `arrived` what the device hands up.
    pub(super) fn new(device: N, recording: &Recording, side: Side, arrived: Rc<Progress>) -> Self {
        let (mut known, mut answers) = (BTreeMap::new(), Vec::new());
        for frame in recording.frames().iter().filter(|frame| side.receives(frame)) {
            if let Some(arp) = arp(&frame.bytes) {
                answers.push((frame.at, arp.sender));
                known.insert(arp.sender, arp.mac);
            } else if let (Some(packet), Some(mac)) = (ipv4(&frame.bytes), frame.src()) {
                known.insert(packet.src, mac);
            }
        }
        for frame in recording.frames().iter().filter(|frame| side.sends(frame)) {
            if let Some(arp) = arp(&frame.bytes).filter(|arp| arp.is_request)
                && answers.iter().all(|(_, address)| *address != arp.target)
            {
                known.remove(&arp.target);
            }
        }
        Self {
            device,
            known,
            answers,
            passed: Cell::new(0),
            arrived,
            owed: RefCell::default(),
            listeners: WakerSet::new(),
        }
    }

    /// The answer to a question that the recording does not answer.
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let question = arp(question).filter(|arp| arp.is_request && !arp.sender.is_unspecified())?;
        let now = self.now();
        let to_come = self.answers.iter().skip(self.passed.get()).take_while(|(at, _)| *at <= now + PATIENCE);
        if to_come.into_iter().any(|(_, address)| *address == question.target) {
            return None;
        }
        let mac = self.known.get(&question.target).filter(|_| question.sender != question.target)?;
        let header = [&question.mac.0[..], &mac.0, &EtherType::ARP.0.to_be_bytes()].concat();
        let reply = [&[0, 1, 8, 0, 6, 4, 0, 2], &mac.0[..], &question.target.octets()].concat();
        Some([header, reply, question.mac.0.to_vec(), question.sender.octets().to_vec()].concat())
    }
}

impl<N: Network> Layer for Neighbours<N> {
    fata::traits::forward_layer!(device);
}

impl<N: Network> Network for Neighbours<N> {
    type Error = N::Error;

    fata::traits::forward_network!(device, except write, listen);

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        self.device.write(meta, len, |buffer| {
            let used = fill(buffer).min(len);
            match buffer.get(..used).and_then(|frame| self.answer(frame)) {
                Some(answer) => {
                    self.owed.borrow_mut().push_back(answer);
                    self.listeners.wake();
                    0
                }
                None => used,
            }
        })
    }

    async fn listen(&self, input: impl FnMut(Frame<'_>)) -> Result<Never, N::Error> {
        let input = RefCell::new(input);
        let mut listen = pin!(self.device.listen(|frame| {
            if arp(frame.bytes).is_some() {
                self.passed.set(self.passed.get() + 1);
            }
            (input.borrow_mut())(frame);
            self.arrived.advance(1);
        }));
        poll_fn(|context| {
            self.listeners.register(context.waker());
            let polled = listen.as_mut().poll(context);
            loop {
                let owed = self.owed.borrow_mut().pop_front();
                let Some(answer) = owed else { return polled };
                (input.borrow_mut())(Frame::from(&answer[..]));
            }
        })
        .await
    }
}
