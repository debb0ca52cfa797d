//! One stack for each core on the queues of `tap0`, each in a thread of its
//! own that shares nothing with the others:
//!
//! ```sh
//! cargo run --release --bin multicore        # makes tap0, as root
//! ip addr add 10.0.0.1/24 dev tap0 && ip link set tap0 up
//! ```

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::mpsc::channel;
use std::thread::{self, available_parallelism};

use fata::netif_unix_tap::{Options, Tap};
use fata::os::{self, Os, unix::Unix};
use fata::traits::{Cidr, Never};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let stack = || -> Result<Never, Failure> {
        os::unix::run(async |os: &Os<Unix>| {
            // Each opening is another queue of the same interface.
            let net: Tap<_> = Options::new().multi_queue(true).open(os, "tap0")?;
            let address = Cidr::new(Ipv4Addr::new(10, 0, 0, 2), 24);
            Ok(examples::multicore::serve(&net, os, os.random(), address).await?)
        })?
    };
    let (tell, told) = channel();
    for _ in 0..available_parallelism()?.get() {
        let tell = tell.clone();
        // A tower moves about on the stack while it is built.
        let large = thread::Builder::new().stack_size(16 << 20);
        large.spawn(move || tell.send(stack()))?;
    }
    drop(tell);
    // The first that ends, for whatever reason, ends all.
    match told.recv()?? {}
}
