//! The client on the tap, and what a case sees of it.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use fata::dhcp_client::{Lease, Options, StateName, Statistics};
use fata::netif_unix_tap::Tap;
use fata::os::{Os, unix::Unix};
use fata::prelude::*;
use fata::traits::{FlowError, Offload};
use tests::lab::{self, Setting};
use tests::paced::{Pace, Paced};

/// How long any one thing may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often orders are looked for.
const TICK: Duration = Duration::from_millis(5);

/// A client that runs in a thread of its own.
pub(crate) struct Client {
    view: Arc<Mutex<View>>,
    orders: Sender<Order>,
}

/// What it has come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) state: Option<StateName>,
    pub(crate) lease: Option<Lease>,
    /// What the IPv4 layer has.
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) statistics: Statistics,
    /// How the connection that was ordered ended.
    pub(crate) flow: Option<Result<usize, FlowError>>,
    /// How often it was born again.
    pub(crate) generation: u32,
}

enum Order {
    Run,
    Connect(SocketAddrV4),
    Release,
    Restart,
    Reborn(Box<Options>),
}

impl Client {
    /// On a new tap, with a clock that runs `pace` times as fast as the
    /// machine's. It says nothing before [`run`](Self::run).
    pub(crate) fn new(options: Options, pace: u32) -> Result<Self> {
        let view = Arc::new(Mutex::new(View::default()));
        let (orders, receiver) = mpsc::channel();
        let shown = view.clone();
        // Without offloads, so that a recording has what a wire would carry.
        let setting = Setting { offload: Offload::empty(), ..Setting::default() };
        lab::start_with(setting, async move |os, net, _| {
            stack(os, net, options, pace, &receiver, &shown).await
        })?;
        Ok(Self { view, orders })
    }

    /// Lets it begin.
    pub(crate) fn run(&self) -> Result<()> {
        self.order(Order::Run)
    }

    /// Lets it give its lease back.
    pub(crate) fn release(&self) -> Result<()> {
        self.order(Order::Release)
    }

    /// Lets it begin anew after that.
    pub(crate) fn restart(&self) -> Result<()> {
        self.order(Order::Restart)
    }

    /// Forgets everything, as after a restart of the machine, and begins with
    /// other options.
    pub(crate) fn reborn(&self, options: Options) -> Result<()> {
        let generation = self.view().generation;
        self.order(Order::Reborn(Box::new(options)))?;
        self.until("born again", |view| view.generation > generation)?;
        Ok(())
    }

    /// Lets it open a connection and wait for data.
    pub(crate) fn connect(&self, to: SocketAddrV4) -> Result<()> {
        self.order(Order::Connect(to))
    }

    fn order(&self, order: Order) -> Result<()> {
        self.orders.send(order).map_err(|_| anyhow!("the client is gone"))
    }

    /// What it has come to.
    pub(crate) fn view(&self) -> View {
        self.view.lock().map(|view| view.clone()).unwrap_or_default()
    }

    /// Waits until it has come to something.
    pub(crate) fn until(&self, what: &str, is: impl Fn(&View) -> bool) -> Result<View> {
        let start = Instant::now();
        loop {
            let view = self.view();
            if is(&view) {
                return Ok(view);
            }
            if start.elapsed() > PATIENCE {
                bail!("not {what} within {} s: {view:?}", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it has a lease for the first time.
    pub(crate) fn until_bound(&self) -> Result<Lease> {
        let view = self.until("bound", |view| view.state == Some(StateName::Bound))?;
        view.lease.ok_or_else(|| anyhow!("bound without a lease"))
    }
}

/// One life of the tower after the other, over the same device.
async fn stack(
    os: &Os<Unix>,
    net: &Tap<&Os<Unix>>,
    options: Options,
    times: u32,
    orders: &Receiver<Order>,
    shown: &Mutex<View>,
) -> Result<Never> {
    let pace = Pace::new(os, times);
    let net = Paced::new(net, &pace);
    let mut next = options;
    loop {
        next = Life { os, pace: &pace, orders, shown }.live(&net, next).await?;
        let mut view = shown.lock().map_err(|_| anyhow!("the case is gone"))?;
        *view = View { generation: view.generation + 1, ..View::default() };
    }
}

struct Life<'a> {
    os: &'a Os<Unix>,
    pace: &'a Pace<'a>,
    orders: &'a Receiver<Order>,
    shown: &'a Mutex<View>,
}

impl Life<'_> {
    /// Runs a tower until another is ordered, and returns the options of that.
    async fn live<N>(&self, net: &N, options: Options) -> Result<Options>
    where
        N: Network<Error: Send + Sync + 'static>,
    {
        let console = self.os.console();
        let mut random = self.os.random();
        let e = Ethif::connect(net);
        let i = Ipv4::connect_with(&e, &mut random);
        let udp = Udp::connect(&i);
        let tcp = Tcp::connect(&i, &mut random);
        let dhcp = Dhcp::create(&console, self.pace, random, &e, &i, &udp).with_options(options);
        let begun = Cell::new(self.shown.lock().is_ok_and(|view| view.generation > 0));
        let connect = Cell::new(None);
        let packets = async {
            let listen = net.listen(|frame| {
                e.input(
                    frame,
                    ethif::listeners().ipv4(|p| {
                        i.input(
                            p,
                            ipv4::listeners()
                                .tcp(|s| tcp.input(s, |_| None))
                                .udp(|d| udp.input(d, |port| dhcp.listen(port))),
                        );
                    }),
                );
            });
            match listen.await {
                Ok(never) => match never {},
                Err(error) => Err(error.into()),
            }
        };
        let lease = async {
            while !begun.get() {
                self.os.sleep(TICK).await;
            }
            match dhcp.run().await {
                Ok(never) | Err(never) => match never {},
            }
        };
        let obey = async {
            loop {
                self.os.sleep(TICK).await;
                self.show(|view| {
                    view.state = Some(dhcp.state());
                    view.lease = dhcp.lease();
                    view.address = i.get_ipv4();
                    view.statistics = dhcp.statistics();
                });
                match self.orders.try_recv() {
                    Ok(Order::Run) => begun.set(true),
                    Ok(Order::Connect(to)) => connect.set(Some(to)),
                    Ok(Order::Release) => dhcp.release().await,
                    Ok(Order::Restart) => dhcp.restart(),
                    Ok(Order::Reborn(options)) => return Ok(*options),
                    Err(_) => {}
                }
            }
        };
        let flow = async {
            loop {
                self.os.sleep(TICK).await;
                let Some(to) = connect.take() else { continue };
                let mut flow = tcp.create_connection(to).await?;
                let ended = flow.read(&mut [0; 64]).await;
                self.show(|view| view.flow = Some(ended));
            }
        };
        let tasks = async {
            match tcp.run(self.pace).await {
                Ok(never) | Err(never) => match never {},
            }
        };
        race!(packets, lease, obey, flow, tasks)
    }

    fn show(&self, what: impl FnOnce(&mut View)) {
        if let Ok(mut view) = self.shown.lock() {
            what(&mut view);
        }
    }
}
