//! HTTP on port 80, at an address that is given or comes by DHCP.

#![cfg_attr(xen_guest, no_std, no_main)]

use core::future::pending;

use fata::prelude::*;
use unikernels::{Config, http};

unikernels::main!(start);

/// IPv4 that remembers little: two packets of fragments, of 2 KiB each.
#[cfg(not(guest_small))]
type Ip<E> = Ipv4<E, 2, 2_048, 4, 8>;
#[cfg(not(guest_small))]
type Ethernet<N> = Ethif<N>;

/// As few bytes as there may be: no fragments, nothing kept for hosts that are asked
/// for, and one path MTU, without which large segments would be lost behind a link
/// that is narrower than the own.
#[cfg(guest_small)]
type Ip<E> = Ipv4<E, 0, 0, 2, 1>;
#[cfg(guest_small)]
type Ethernet<N> = Ethif<N, 8, 0>;

async fn start<C: Console, N: Network, T: Time, R: Rng>(
    c: &C,
    net: &N,
    time: &T,
    mut random: R,
    config: &Config,
) -> Result<Never, N::Error> {
    let e = Ethernet::with_capacity(net);
    let i = Ip::with_capacity(&e);
    i.seed(&mut random);
    if let Some(address) = config.address {
        let gateways = config.gateway.as_slice();
        i.configure(&fata::traits::Config { addresses: &[address], gateways, ..Default::default() });
        c.log(format_args!("here: {address}"));
    }
    let udp = Udp::connect(&i);
    let tcp = Tcp::connect(&i, &mut random);
    let dhcp = Dhcp::create(c, time, random, &e, &i, &udp);
    let web = Listener::new();

    let packets = net.listen(|frame| {
        e.input(
            frame,
            ethif::listeners().ipv4(|p| {
                i.input(
                    p,
                    ipv4::listeners()
                        .tcp(|s| tcp.input(s, |port| (port == 80).then_some(&web as _)))
                        .udp(|d| udp.input(d, |port| dhcp.listen(port))),
                );
            }),
        );
    });
    let serve = web.serve(&tcp, async |mut flow| {
        // A peer that goes away is its own affair.
        let _ = http::serve::<_, http::Stream>(&mut flow).await;
        let _ = flow.close().await;
    });
    let lease = async {
        match config.address {
            Some(_) => pending().await,
            None => dhcp.run().await,
        }
    };
    try_join!(packets, serve, lease, tcp.run(time))
}
