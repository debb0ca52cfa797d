//! An echo server for one queue of a device that has several: the same tower
//! once for each core, with nothing shared between them.

use fata::prelude::*;

/// The port that echoes, over TCP and UDP.
pub const PORT: u16 = 7;

/// Builds a tower with the address `address` over one queue, and runs it for
/// ever.
///
/// All queues of a device have the same addresses. Which tower a packet goes
/// to is the device's choice; it keeps to one for each flow.
pub async fn serve<N: Network, T: Time, R: Rng>(
    net: &N,
    time: &T,
    mut random: R,
    address: Cidr,
) -> Result<Never, N::Error> {
    let e = Ethif::connect(net);
    let i = Ipv4::connect_with(&e, &mut random);
    i.configure(&Config { addresses: &[address], ..Config::default() });
    let udp = Udp::connect(&i);
    let tcp = Tcp::connect(&i, &mut random);
    let echo = Listener::new();
    let datagrams = udpv4::callback(|d| {
        // A full device drops the answer, as a network would.
        let _ = udp.send(PORT, d.src, d.payload);
    });

    let packets = net.listen(|frame| {
        e.input(
            frame,
            ethif::listeners().ipv4(|p| {
                i.input(
                    p,
                    ipv4::listeners()
                        .tcp(|s| tcp.input(s, |port| (port == PORT).then_some(&echo as _)))
                        .udp(|d| udp.input(d, |port| (port == PORT).then_some(&datagrams as _))),
                );
            }),
        );
    });

    let connections = echo.serve(&tcp, async |mut flow| {
        let mut buffer = [0; 16 * 1024];
        while let Ok(len @ 1..) = flow.read(&mut buffer).await {
            if flow.write_all(buffer.get(..len).unwrap_or_default()).await.is_err() {
                return;
            }
        }
        let _ = flow.close().await;
    });

    try_join!(packets, connections, tcp.run(time))
}
