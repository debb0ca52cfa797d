//! The machine's shell: layers, time and a console around it.

use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::net::{Ipv4Addr, SocketAddrV4};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use rand_core::Rng;
use traits::{
    Config, Console, Datagram, Datagrams, Endpoint, Ethernet, Instant, Ip, Never, Receive, SendError, Time,
    WakerSet, blue,
};

use crate::lease::{Lease, Settings};
use crate::machine::{Machine, StateName, Transmit};
use crate::message::MessageType;
use crate::options::{Check, Options};
use crate::statistics::Statistics;
use crate::watch::{Leases, Watched};

/// The port of a server.
const SERVER_PORT: u16 = 67;
/// The port of a client.
const CLIENT_PORT: u16 = 68;

/// Bytes of the longest message sent: what every server takes.
const SEND_MAX: usize = 548;

/// How long a RELEASE waits for the server's hardware address.
const RELEASE_WAIT: Duration = Duration::from_secs(1);

/// A DHCP client over console `C`, time `T`, randomness `R`, Ethernet `E`,
/// IPv4 `I` and UDP `U`.
///
/// While it has a lease, it owns what the IPv4 layer is configured with. It
/// takes less than 6 kB and needs no allocator.
#[derive(Debug)]
pub struct Dhcp<C, T, R, E, I, U> {
    console: C,
    time: T,
    ethernet: E,
    ip: I,
    udp: U,
    options: Options,
    random: RefCell<R>,
    machine: RefCell<Machine>,
    /// What the IPv4 layer was given.
    applied: RefCell<Option<Settings>>,
    /// The lease's serial and the state that watchers were woken for.
    told: Cell<(u32, StateName)>,
    tasks: WakerSet,
    watchers: WakerSet,
}

impl<C, T, R, E, I, U> Dhcp<C, T, R, E, I, U>
where
    C: Console,
    T: Time,
    R: Rng,
    E: Ethernet,
    I: Ip,
    U: Datagrams,
{
    /// A client that asks for any address, with the defaults of [`Options`].
    ///
    /// Nothing is sent before [`run`](Self::run).
    pub fn create(console: C, time: T, random: R, ethernet: E, ip: I, udp: U) -> Self {
        let options = Options::new();
        let machine = Machine::new(ethernet.mac(), &options);
        Self {
            console,
            time,
            ethernet,
            ip,
            udp,
            told: Cell::new((machine.serial(), machine.state())),
            options,
            random: RefCell::new(random),
            machine: RefCell::new(machine),
            applied: RefCell::new(None),
            tasks: WakerSet::new(),
            watchers: WakerSet::new(),
        }
    }

    /// The same client with other options. To be called first of all: what
    /// the client had begun is forgotten.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.machine = RefCell::new(Machine::new(self.ethernet.mac(), &options));
        self.options = options;
        self
    }

    /// The receiver for the datagrams of a port: the client's for port 68,
    /// `None` for all others. What the closure given to UDP's `input` asks
    /// for.
    pub fn listen(&self, dst_port: u16) -> Option<&dyn Receive> {
        (dst_port == CLIENT_PORT).then_some(self as &dyn Receive)
    }

    /// The client's task: sends what is due, sets what was leased, for ever.
    /// The tower's own task ([`Layer::run`](traits::Layer::run) of the
    /// topmost layer) has to run beside it.
    ///
    /// Dropping it stops the client as it is; calling it again goes on.
    pub async fn run(&self) -> Result<Never, Never> {
        let mut sleep = pin!(None);
        let mut armed = None;
        let mut look = pin!(None);
        let mut looking = None;
        let mut conflict = pin!(self.ethernet.conflict());
        poll_fn(|context| {
            self.tasks.register(context.waker());
            if let Poll::Ready(found) = conflict.as_mut().poll(context) {
                conflict.set(self.ethernet.conflict());
                self.handle_conflict(found.address);
                // To listen for the next one.
                context.waker().wake_by_ref();
            }
            self.with(Machine::handle_timeout);
            let wanted = self.machine.borrow().probe();
            if wanted != looking {
                looking = wanted;
                look.set(wanted.map(|(address, check)| self.look(address, check)));
            }
            if let Some((address, in_use)) = poll_option(&mut look, context) {
                look.set(None);
                self.with(|machine, now, random| machine.handle_probe(now, address, in_use, random));
            }
            self.act(context);
            let deadline = self.machine.borrow().next_timeout();
            if deadline != armed {
                armed = deadline;
                sleep.set(deadline.map(|at| self.time.sleep_until(at)));
            }
            if poll_option(&mut sleep, context).is_some() {
                // Due already: once more, after the other tasks.
                armed = None;
                sleep.set(None);
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    /// The leases as they come.
    pub fn leases(&self) -> Leases<'_> {
        Leases::new(self)
    }

    /// The lease in force.
    pub fn lease(&self) -> Option<Lease> {
        self.machine.borrow().lease().cloned()
    }

    /// The state.
    pub fn state(&self) -> StateName {
        self.machine.borrow().state()
    }

    /// What came in and what was made of it.
    pub fn statistics(&self) -> Statistics {
        self.machine.borrow().statistics()
    }

    /// Gives the lease back, takes its address away, and stops the client,
    /// whether [`run`](Self::run) is running or not. A fixed address
    /// ([`Options::inform`]) stays.
    ///
    /// Waits up to a second for the server's hardware address where that is
    /// not known, since the address that asks for it goes away after.
    pub async fn release(&self) {
        let server = self.lease().filter(|lease| lease.cidr().contains(lease.server)).map(|l| l.server);
        if let Some(server) = server {
            let mut resolve = pin!(self.ethernet.query_arpv4(server));
            let mut give_up = pin!(self.time.sleep(RELEASE_WAIT));
            poll_fn(|context| {
                let resolved = resolve.as_mut().poll(context).is_ready();
                if resolved || give_up.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                Poll::Pending
            })
            .await;
        }
        self.with(Machine::release);
        poll_fn(|context| {
            self.act(context);
            match self.machine.borrow().transmit() {
                Some(_) => Poll::Pending,
                None => Poll::Ready(()),
            }
        })
        .await;
        self.tasks.wake();
    }

    /// Starts anew after [`release`](Self::release).
    pub fn restart(&self) {
        let now = self.time.now();
        self.machine.borrow_mut().restart(now);
        self.tasks.wake();
    }

    /// Gives a contested address up where it is leased. One that is not the
    /// client's to give up is kept (RFC 5227 §2.4 (c)).
    fn handle_conflict(&self, address: Ipv4Addr) {
        if self.machine.borrow().has_leased(address) {
            self.with(|machine, now, random| machine.handle_conflict(now, address, random));
        } else if self.ip.is_local(address) {
            self.ethernet.add_ipv4(address);
        }
    }

    /// Lets something happen to the machine. Nothing else is called while it
    /// is borrowed.
    fn with(&self, happen: impl FnOnce(&mut Machine, Instant, &mut R)) {
        let now = self.time.now();
        happen(&mut self.machine.borrow_mut(), now, &mut self.random.borrow_mut());
    }

    /// Whether another host has `address`.
    async fn look(&self, address: Ipv4Addr, check: Check) -> (Ipv4Addr, bool) {
        let in_use = match check {
            Check::None => false,
            Check::Quick => match self.ethernet.query_arpv4(address).await {
                Ok(mac) => mac != self.ethernet.mac(),
                Err(_) => false,
            },
            Check::Full => self.ethernet.probe_ipv4(address).await.is_err(),
        };
        (address, in_use)
    }

    /// Does what the machine asks for.
    fn act(&self, context: &mut Context<'_>) {
        let transmit = self.machine.borrow().transmit();
        match transmit {
            // Sent from the address that goes away.
            Some(message) if message.kind == MessageType::Release => {
                self.send(&message, context);
                if self.machine.borrow().transmit().is_none() {
                    self.apply();
                }
            }
            Some(message) => {
                self.apply();
                self.send(&message, context);
            }
            None => self.apply(),
        }
        self.tell();
    }

    /// Hands the machine's settings to the IPv4 layer, where they changed.
    fn apply(&self) {
        let settings = self.machine.borrow().settings();
        if *self.applied.borrow() == settings {
            return;
        }
        let config = settings.as_ref().map_or(Config::default(), Settings::config);
        let _cut = self.ip.configure(&config);
        self.applied.replace(settings);
    }

    fn send(&self, message: &Transmit, context: &mut Context<'_>) {
        match self.write(message) {
            Err(SendError::Full) => {
                // Again when there is room; the waker is kept.
                if self.udp.poll_room(context.waker()).is_ready() {
                    context.waker().wake_by_ref();
                }
            }
            result => self.machine.borrow_mut().sent(result.is_ok()),
        }
    }

    fn write(&self, message: &Transmit) -> Result<(), SendError> {
        let to = message.to.unwrap_or(Ipv4Addr::BROADCAST);
        let mac = self.ethernet.mac();
        let mtu = self.ethernet.mtu();
        let endpoint = Endpoint::new(CLIENT_PORT, SocketAddrV4::new(to, SERVER_PORT)).from(message.ciaddr);
        self.udp.write(endpoint, SEND_MAX, |buffer| {
            message.write(mac, mtu, &self.options, buffer).unwrap_or_default()
        })
    }

    /// Tells the console and the watchers what is new.
    fn tell(&self) {
        loop {
            let note = self.machine.borrow_mut().take_note();
            let Some(note) = note else { break };
            self.console.log(blue(format_args!("DHCP: {note}")));
        }
        let news = {
            let machine = self.machine.borrow();
            (machine.serial(), machine.state())
        };
        if self.told.replace(news) != news {
            self.watchers.wake();
        }
    }
}

impl<C, T, R, E, I, U> Receive for Dhcp<C, T, R, E, I, U>
where
    C: Console,
    T: Time,
    R: Rng,
    E: Ethernet,
    I: Ip,
    U: Datagrams,
{
    fn receive(&self, datagram: Datagram<'_>) {
        let about = |machine: &Machine| (machine.state(), machine.statistics().rx_messages);
        let mut changed = false;
        self.with(|machine, now, random| {
            let before = about(machine);
            machine.handle_datagram(now, datagram.payload, random);
            changed = before != about(machine);
        });
        // What other clients are told wakes nobody.
        if changed {
            self.tasks.wake();
        }
    }
}

impl<C, T, R, E, I, U> Watched for Dhcp<C, T, R, E, I, U>
where
    C: Console,
    T: Time,
    R: Rng,
    E: Ethernet,
    I: Ip,
    U: Datagrams,
{
    fn newest(&self) -> (Option<Lease>, u32) {
        let machine = self.machine.borrow();
        (machine.lease().cloned(), machine.serial())
    }

    fn state(&self) -> StateName {
        self.machine.borrow().state()
    }

    fn watchers(&self) -> &WakerSet {
        &self.watchers
    }
}

/// Polls what there may be.
fn poll_option<F: Future>(future: &mut Pin<&mut Option<F>>, context: &mut Context<'_>) -> Option<F::Output> {
    match future.as_mut().as_pin_mut()?.poll(context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
