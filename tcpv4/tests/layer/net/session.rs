//! Tasks and listeners, run in virtual time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tcpv4::{Accept, Storage};
use traits::{Inbound, Instant, Packet};
use wire::Protocol;

use super::{Flag, Net};

type Task<'s> = Pin<Box<dyn Future<Output = ()> + 's>>;

/// Tasks and listeners on a net.
pub struct Session<'s, 'n, S: Storage> {
    net: &'s Net<'n, S>,
    ports: [Vec<(u16, &'s dyn Accept)>; 2],
    tasks: Vec<(Option<Task<'s>>, Arc<Flag>, bool)>,
}

impl<'s, 'n, S: Storage> Session<'s, 'n, S> {
    pub(super) fn new(net: &'s Net<'n, S>) -> Self {
        Self { net, ports: [Vec::new(), Vec::new()], tasks: Vec::new() }
    }

    /// Who listens on a port of host `a` (0) or `b` (1).
    pub fn listen(mut self, host: usize, port: u16, listener: &'s dyn Accept) -> Self {
        self.ports[host].push((port, listener));
        self
    }

    pub fn unlisten(&mut self, host: usize) {
        self.ports[host].clear();
    }

    /// A task that has to end.
    pub fn spawn<T>(self, task: impl Future<Output = T> + 's) -> Self {
        self.add(task, true)
    }

    /// A task that may go on for ever.
    pub fn background<T>(self, task: impl Future<Output = T> + 's) -> Self {
        self.add(task, false)
    }

    fn add<T>(mut self, task: impl Future<Output = T> + 's, wanted: bool) -> Self {
        let task: Task<'s> = Box::pin(async { drop(task.await) });
        self.tasks.push((Some(task), Flag::new_set(), wanted));
        self
    }

    /// Runs until all tasks that have to end have, or nothing happens any
    /// more, or `limit` has passed; whether they have.
    pub fn run_for(&mut self, limit: Duration) -> bool {
        let net = self.net;
        let end = net.clock.now() + limit;
        let waits = self.is_wanted();
        loop {
            let now = net.clock.now();
            if self.step(now) {
                continue;
            }
            if waits && !self.is_wanted() {
                return true;
            }
            let deadlines = net.hosts.iter().filter_map(|host| host.deadline.get());
            let sleepers = net.sleepers.borrow();
            let sleepers = sleepers.iter().map(|(due, _)| *due).min();
            let next = deadlines.chain(net.next_arrival()).chain(sleepers).min();
            match next {
                Some(next) if next <= end => net.clock.set(next.max(now)),
                _ => break,
            }
        }
        net.clock.set(end.max(net.clock.now()));
        !self.is_wanted()
    }

    /// Whether a task that has to end has not.
    fn is_wanted(&self) -> bool {
        self.tasks.iter().any(|(task, _, wanted)| task.is_some() && *wanted)
    }

    /// As the join of a tower: packets, then applications, then the towers'
    /// tasks. Whether anything happened.
    fn step(&mut self, now: Instant) -> bool {
        let net = self.net;
        let mut happened = false;
        net.wake_sleepers(now);
        while let Some((to, arriving)) = net.take_arrival() {
            happened = true;
            let ports = &self.ports[to];
            let mut packet = Packet::new(arriving.src, arriving.dst, Protocol::TCP, &arriving.bytes);
            (packet.tos, packet.meta) = (arriving.tos, arriving.meta);
            net.hosts[to].tcp.input(Inbound::Packet(packet), |port| {
                ports.iter().find(|(p, _)| *p == port).map(|(_, listener)| *listener)
            });
        }
        for (task, flag, _) in &mut self.tasks {
            if !flag.take() {
                continue;
            }
            happened = true;
            let waker = Waker::from(flag.clone());
            if let Some(running) = task
                && running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
            {
                *task = None;
            }
        }
        for (from, host) in net.hosts.iter().enumerate() {
            happened |= host.run(now);
            for sent in host.ip.take() {
                net.send(from, &sent);
            }
        }
        happened
    }
}
