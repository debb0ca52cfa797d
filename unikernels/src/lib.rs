//! Applications with a main for each bottom: a Linux process, or a Xen guest.
//!
//! An application is one generic function. [`main!`](crate::main!) makes it a
//! program: compiled as usual, a process on a tap whose configuration is its
//! arguments; by `cargo xtask xen`, a virtual machine with nothing under it,
//! whose configuration is its command line.
//!
//! ```text
//! cargo run -p unikernels --bin web -- tap0 ip=10.0.0.2/24 gw=10.0.0.1
//! cargo xtask xen web
//! ```

#![no_std]

extern crate alloc;
#[cfg(not(xen_guest))]
extern crate std;

mod config;
pub mod http;

pub use config::Config;
pub use fata;
#[cfg(feature = "xen")]
pub use netif_xen_netfront;

/// Makes a function the program.
///
/// It gets the console, the device, the clock, a generator and the [`Config`],
/// and never ends but with the device's error:
///
/// ```ignore
/// async fn start<C: Console, N: Network, T: Time, R: Rng>(
///     c: &C, net: &N, time: &T, random: R, config: &Config,
/// ) -> Result<Never, N::Error>
/// ```
///
/// As a guest it uses one queue of its network device, or up to as many as are
/// named: `main!(start, 2)`.
#[macro_export]
macro_rules! main {
    ($start:path) => {
        $crate::main!($start, 1);
    };
    ($start:path, $queues:literal) => {
        #[cfg(not(xen_guest))]
        fn main() -> ::std::io::Result<()> {
            let mut arguments = ::std::env::args().skip(1);
            let device = arguments.next().unwrap_or_else(|| ::std::string::String::from("tap0"));
            let line = arguments.collect::<::std::vec::Vec<_>>().join(" ");
            $crate::fata::os::unix::run(async |os| {
                let net =
                    $crate::fata::netif_unix_tap::Tap::open(os, &device).map_err(::std::io::Error::other)?;
                let config = $crate::Config::parse(&line);
                match $start(&os.console(), &net, os, os.random(), &config).await {
                    Ok(never) => match never {},
                    Err(error) => Err(::std::io::Error::other(error)),
                }
            })?
        }

        #[cfg(xen_guest)]
        #[unsafe(no_mangle)]
        fn guest_main() -> ! {
            $crate::fata::os::xen::run(async |os| {
                let line = $crate::fata::os::xen::words(os.store(), os.command_line()).await;
                let net = match $crate::netif_xen_netfront::Netfront::<_, $queues>::connect_with(
                    os,
                    0,
                    $crate::netfront_options(&line),
                )
                .await
                {
                    Ok(net) => net,
                    Err(error) => panic!("no network: {error}"),
                };
                let config = $crate::Config::parse(&line);
                if config.panics {
                    panic!("as the command line says");
                }
                match $start(&os.console(), &net, os, os.random(), &config).await {
                    Ok(never) => match never {},
                    Err(error) => panic!("the network is gone: {error}"),
                }
            })
        }
    };
}

/// What the driver is to take: little memory for the word `small`, no
/// large frames for `nogso`.
#[cfg(feature = "xen")]
pub fn netfront_options(line: &str) -> netif_xen_netfront::Options {
    use fata::traits::Offload;
    use netif_xen_netfront::Options;
    let has = |word| config::word(line, word).is_some();
    let options = if has("small") { Options::small() } else { Options::new() };
    if has("nogso") { options.with_offload(Offload::TX_CHECKSUM.union(Offload::RX_CHECKSUM)) } else { options }
}
