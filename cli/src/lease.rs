//! `fata dhcp`: the exchange with a DHCP server, and the lease as it lives.

use std::fmt::{self, Display};
use std::time::Duration;

use anyhow::Result;
use fata::dhcp_client::{Lease, Term};
use fata::os::{Os, unix::Unix};
use fata::prelude::*;
use fata::traits::Instant;

/// Gets a lease and shows it; gives it back and ends if `once`, else keeps it
/// for as long as the device lives.
pub(crate) async fn keep<N>(os: &Os<Unix>, net: &N, once: bool) -> Result<()>
where
    N: Network<Error: Send + Sync + 'static>,
{
    let console = &os.console();
    let e = Ethif::connect(net);
    let i = Ipv4::connect_with(&e, &mut os.random());
    let udp = Udp::connect(&i);
    let dhcp = Dhcp::create(console, os, os.random(), &e, &i, &udp);
    let packets = async {
        let listen = net.listen(|frame| {
            e.input(
                frame,
                ethif::listeners().ipv4(|p| {
                    i.input(p, ipv4::listeners().udp(|d| udp.input(d, |port| dhcp.listen(port))));
                }),
            );
        });
        match listen.await {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        }
    };
    let states = async {
        let mut watch = dhcp.leases();
        loop {
            let state = watch.state().await;
            console.log(blue(format_args!("{state}{}", Remaining { lease: dhcp.lease(), now: os.now() })));
        }
    };
    let leases = async {
        let mut watch = dhcp.leases();
        loop {
            match watch.changed().await {
                Some(lease) => {
                    show(console, &lease);
                    if once {
                        return;
                    }
                }
                None => console.log(red("no lease")),
            }
        }
    };
    let tasks = async {
        match try_join!(dhcp.run(), udp.run(os)) {
            Ok::<Never, Never>(never) | Err(never) => match never {},
        }
    };
    let end = async {
        leases.await;
        dhcp.release().await;
        // The device has the message; let the run loop hand it over.
        os.sleep(Duration::from_millis(10)).await;
        Ok(())
    };
    race!(packets, states, tasks, end)
}

fn show(console: &impl Console, lease: &Lease) {
    let line = |name: &str, value: &dyn Display| console.log(green(format_args!("  {name:12}{value}")));
    line("address", &lease.cidr());
    line("server", &lease.server);
    match lease.term {
        Some(Term { length, t1, t2 }) => {
            line("expires", &After(length));
            line("T1", &After(t1));
            line("T2", &After(t2));
        }
        None => line("expires", &"never"),
    }
    lease.routers.iter().for_each(|router| line("router", router));
    for route in lease.routes.iter() {
        match route.gateway {
            Some(gateway) => line("route", &format_args!("{} via {gateway}", route.destination)),
            None => line("route", &route.destination),
        }
    }
    lease.dns.iter().for_each(|server| line("dns", server));
    lease.ntp.iter().for_each(|server| line("ntp", server));
    let names = [("hostname", &lease.hostname), ("domain", &lease.domain)];
    names.iter().for_each(|(name, value)| {
        if let Some(value) = value {
            line(name, value);
        }
    });
    lease.search.iter().for_each(|domain| line("search", &domain));
    if let Some(mtu) = lease.mtu {
        line("mtu", &mtu);
    }
    if lease.cut() > 0 {
        line("left out", &lease.cut());
    }
}

/// What a lease still has before it.
struct Remaining {
    lease: Option<Lease>,
    now: Instant,
}

impl Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(lease) = &self.lease else { return Ok(()) };
        let times = [("T1", lease.renews_at()), ("T2", lease.rebinds_at()), ("expires", lease.expires_at())];
        let ahead = times.into_iter().filter_map(|(name, at)| Some((name, at?)));
        for (name, at) in ahead.filter(|(_, at)| *at > self.now) {
            write!(f, ", {name} in {:.0} s", at.duration_since(self.now).as_secs_f64())?;
        }
        Ok(())
    }
}

/// A time from the beginning of the lease on.
struct After(Duration);

impl Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} s", self.0.as_secs())
    }
}
