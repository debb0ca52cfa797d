//! The tower that the program's servers stand on.

use std::future::pending;

use fata::os::Os;
use fata::os::unix::Unix;
use fata::prelude::*;
use fata::traits::Flow;

use crate::http;

/// How the tower gets its addresses.
#[derive(Clone, Debug)]
pub enum Addressing {
    /// They are given.
    Static {
        /// The own address with its prefix.
        address: Cidr,
        /// Gateways, in order of preference.
        gateways: Vec<Ipv4Addr>,
    },
    /// By DHCP, for as long as the tower stands.
    Dhcp,
}

/// Which servers run, each on the port given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Services {
    /// HTTP over TCP: see [`http`].
    pub web: Option<u16>,
    /// What comes goes back, over TCP and UDP.
    pub echo: Option<u16>,
}

/// TCP as it stands in this tower, over the device `N`.
pub type Connections<'a, N> = Tcp<&'a Ipv4<&'a Ethif<&'a N>>>;

/// Builds a tower over `net` and runs `services` on it for ever.
///
/// # Errors
///
/// The device's, when it can't go on.
pub async fn serve<N: Network>(
    os: &Os<Unix>,
    net: &N,
    addressing: &Addressing,
    services: Services,
) -> Result<Never, N::Error> {
    serve_beside(os, net, addressing, services, async |_| ()).await
}

/// As [`serve`], with a client beside the servers.
///
/// # Errors
///
/// The device's, when it can't go on.
pub async fn serve_beside<N: Network>(
    os: &Os<Unix>,
    net: &N,
    addressing: &Addressing,
    services: Services,
    client: impl AsyncFnOnce(&Connections<'_, N>),
) -> Result<Never, N::Error> {
    let console = &os.console();
    let mut random = os.random();
    let e = Ethif::connect(net);
    let i = Ipv4::connect_with(&e, &mut random);
    if let Addressing::Static { address, gateways } = addressing {
        i.configure(&Config { addresses: &[*address], gateways, ..Config::default() });
        console.log(format_args!("here: {address}"));
    }
    let udp = Udp::connect(&i);
    let tcp = Tcp::connect(&i, &mut random);
    let dhcp = Dhcp::create(console, os, random, &e, &i, &udp);
    let (web, echo) = (Listener::new(), Listener::new());
    let echo_udp = udpv4::callback(|d| {
        let port = d.dst.port();
        // A full device drops the answer, as a network would.
        let _ = udp.send(port, d.src, d.payload);
    });
    let is = |service: Option<u16>, port| service == Some(port);

    let packets = net.listen(|frame| {
        let tcp_port = |port| match port {
            _ if is(services.web, port) => Some(&web as _),
            _ if is(services.echo, port) => Some(&echo as _),
            _ => None,
        };
        let udp_port = |port| match port {
            _ if is(services.echo, port) => Some(&echo_udp as _),
            _ => dhcp.listen(port),
        };
        let labels = || ipv4::listeners().tcp(|s| tcp.input(s, tcp_port)).udp(|d| udp.input(d, udp_port));
        e.input(frame, ethif::listeners().ipv4(|p| i.input(p, labels())));
    });
    let serve_web = web.serve(&tcp, async |flow| browse(flow).await);
    let serve_echo = echo.serve(&tcp, async |flow| echo_back(flow).await);
    let lease = async {
        match addressing {
            Addressing::Dhcp => dhcp.run().await,
            Addressing::Static { .. } => pending().await,
        }
    };
    let client = async {
        client(&tcp).await;
        pending().await
    };
    try_join!(packets, serve_web, serve_echo, lease, client, tcp.run(os))
}

/// Serves pages until the peer has what it wants. One that goes away is its
/// own affair.
async fn browse(mut flow: impl Flow) {
    let _ = http::serve(&mut flow).await;
    let _ = flow.close().await;
}

/// Sends back what comes until the peer closes or goes away.
async fn echo_back(mut flow: impl Flow) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = flow.read(&mut buffer).await {
        if flow.write_all(&buffer[..len]).await.is_err() {
            break;
        }
    }
    let _ = flow.close().await;
}
