//! A stack built by hand, layer over layer, with what happens in it on the
//! console.

use fata::prelude::*;

/// The page that port 80 has.
const PAGE: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\nIt is a mirage!\n";

/// Builds the tower over `net` and runs it for ever.
pub async fn start<C: Console, N: Network, T: Time, R: Rng>(
    c: &C,
    net: &N,
    time: &T,
    mut random: R,
) -> Result<Never, N::Error> {
    let e = Ethif::connect(net);
    let i = Ipv4::connect_with(&e, &mut random);
    i.set_ipv4(Ipv4Addr::new(10, 0, 0, 2));
    i.set_ipv4_netmask(Ipv4Addr::new(255, 255, 255, 0));
    i.set_ipv4_gateways(&[Ipv4Addr::new(10, 0, 0, 1)]);
    let udp = Udp::connect(&i);
    let tcp = Tcp::connect(&i, &mut random);
    let dhcp = Dhcp::create(c, time, random, &e, &i, &udp);
    let http = Listener::new();

    let packets = net.listen(|frame| {
        e.input(
            frame,
            ethif::listeners()
                .ipv4(|p| {
                    i.input(
                        p,
                        ipv4::listeners()
                            .tcp(|s| {
                                tcp.input(s, |port| match port {
                                    80 => Some(&http),
                                    _ => None,
                                })
                            })
                            .udp(|d| {
                                udp.input(d, |port| {
                                    c.log(blue(format_args!("udp packet on port {port}")));
                                    dhcp.listen(port)
                                })
                            }),
                    )
                })
                .ipv6(|_| c.log(yellow("ipv6"))),
        )
    });

    let web = http.serve(&tcp, async |mut flow| {
        let mut buffer = [0; 1024];
        let dst = flow.dest();
        c.log(green(format_args!("new tcp from {} {}", dst.ip(), dst.port())));
        match flow.read(&mut buffer).await {
            Ok(0) => c.log(red("read: eof")),
            Ok(n) => {
                c.log(yellow(format_args!("read: {n} bytes")));
                let _ = flow.write_static(PAGE).await;
            }
            Err(error) => c.log(red(format_args!("read: {error}"))),
        }
        let _ = flow.close().await;
    });

    try_join!(packets, web, dhcp.run(), tcp.run(time))
}
