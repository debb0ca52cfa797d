//! The custom stack of the slides as a Linux process on `tap0`.

use std::error::Error;

use fata::netif_unix_tap::Tap;
use fata::os;

fn main() -> Result<(), Box<dyn Error>> {
    os::unix::run(async |os| {
        let net = Tap::open(os, "tap0")?;
        match examples::custom_stack::start(&os.console(), &net, os, os.random()).await {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        }
    })?
}
