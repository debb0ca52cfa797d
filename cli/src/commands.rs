//! What the program does on a tap of the user's own.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fata::netif_unix_tap::{Options, Tap};
use fata::os::{self, Os, unix::Unix};
use fata::prelude::*;
use fata::traits::Offload;

use crate::arguments::{DeviceArguments, Switch, TowerArguments};
use crate::capture;
use crate::ping::Pinger;
use crate::tower::{Addressing, Services, serve};

/// What is done over a device, whichever it is.
trait Work {
    async fn over<N>(self, os: &Os<Unix>, net: &N) -> Result<()>
    where
        N: Network<Error: Send + Sync + 'static>;
}

/// Opens the device that was asked for and does `work` over it.
fn on_device(device: &DeviceArguments, work: impl Work) -> Result<()> {
    os::unix::run(async |os| {
        let offload = match device.offload {
            Switch::On => Offload::all(),
            Switch::Off => Offload::empty(),
        };
        let tap: Tap<&Os<Unix>> = Options::new().offload(offload).open(os, &device.net)?;
        os.console().log(format_args!("{}: {}", tap.name(), tap.mac()));
        match device.pcap.as_deref() {
            Some(file) => work.over(os, &capture::write(tap, Path::new(file))?).await,
            None => work.over(os, &tap).await,
        }
    })?
}

fn addressing(tower: &TowerArguments) -> Addressing {
    if tower.dhcp {
        Addressing::Dhcp
    } else {
        Addressing::Static { address: tower.ipv4, gateways: tower.gateway.clone() }
    }
}

/// Serves until the device fails.
pub fn servers(tower: &TowerArguments, services: Services) -> Result<()> {
    on_device(&tower.device, Servers { addressing: addressing(tower), services })
}

struct Servers {
    addressing: Addressing,
    services: Services,
}

impl Work for Servers {
    async fn over<N>(self, os: &Os<Unix>, net: &N) -> Result<()>
    where
        N: Network<Error: Send + Sync + 'static>,
    {
        match serve(os, net, &self.addressing, self.services).await {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        }
    }
}

/// Pings a host and says what came back.
pub fn ping(tower: &TowerArguments, host: Ipv4Addr, count: u32, size: u16) -> Result<()> {
    on_device(&tower.device, Ping { addressing: addressing(tower), host, count, size: size.into() })
}

struct Ping {
    addressing: Addressing,
    host: Ipv4Addr,
    count: u32,
    size: usize,
}

impl Work for Ping {
    async fn over<N>(self, os: &Os<Unix>, net: &N) -> Result<()>
    where
        N: Network<Error: Send + Sync + 'static>,
    {
        let console = &os.console();
        let e = Ethif::connect(net);
        let i = Ipv4::connect_with(&e, &mut os.random());
        let udp = Udp::connect(&i);
        let dhcp = Dhcp::create(console, os, os.random(), &e, &i, &udp);
        let pinger = Pinger::new(std::process::id() as u16);
        let packets = async {
            let listen = net.listen(|frame| {
                e.input(
                    frame,
                    ethif::listeners().ipv4(|p| {
                        i.input(
                            p,
                            ipv4::listeners()
                                .icmp(|m| pinger.input(m))
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
        let tasks = async {
            let lease = async {
                match &self.addressing {
                    Addressing::Dhcp => dhcp.run().await,
                    Addressing::Static { address, gateways } => {
                        i.configure(&Config { addresses: &[*address], gateways, ..Config::default() });
                        std::future::pending().await
                    }
                }
            };
            match try_join!(lease, udp.run(os)) {
                Ok::<Never, Never>(never) | Err(never) => match never {},
            }
        };
        let ping = async {
            while i.get_ipv4().is_none() {
                os.sleep(Duration::from_millis(50)).await;
            }
            self.ping(console, os, &i, &pinger).await
        };
        race!(packets, tasks, ping)
    }
}

impl Ping {
    async fn ping(
        &self,
        console: &impl Console,
        os: &Os<Unix>,
        ip: &impl fata::traits::Ip,
        pinger: &Pinger,
    ) -> Result<()> {
        let mut answers = 0;
        for number in 1..=self.count {
            let sequence = number as u16;
            match pinger.ping(ip, os, self.host, sequence, self.size, Duration::from_secs(1)).await {
                Ok(reply) => {
                    answers += 1;
                    let (size, took) = (self.size, reply.took.as_secs_f64() * 1e3);
                    let (from, ttl) = (reply.from, reply.ttl);
                    console.log(format_args!(
                        "{size} bytes from {from}: seq={number} ttl={ttl} time={took:.3} ms"
                    ));
                    if number < self.count {
                        os.sleep(Duration::from_secs(1).saturating_sub(reply.took)).await;
                    }
                }
                Err(error) => console.log(red(format_args!("seq={number}: {error}"))),
            }
        }
        let count = self.count;
        console.log(format_args!("{count} sent, {answers} answered"));
        ensure!(answers > 0 || count == 0, "{} does not answer", self.host);
        Ok(())
    }
}

/// Gets a lease and keeps it, or gives it back at once.
pub fn dhcp(device: &DeviceArguments, once: bool) -> Result<()> {
    on_device(device, Lease { once })
}

struct Lease {
    once: bool,
}

impl Work for Lease {
    async fn over<N>(self, os: &Os<Unix>, net: &N) -> Result<()>
    where
        N: Network<Error: Send + Sync + 'static>,
    {
        crate::lease::keep(os, net, self.once).await.context("DHCP")
    }
}
