//! The custom stack of the slides.

#![cfg_attr(xen_guest, no_std, no_main)]

use fata::prelude::*;
use unikernels::Config;

// Many flows find two queues where the host offers them.
unikernels::main!(start, 2);

/// As the slides show it: its address stands in its source.
async fn start<C: Console, N: Network, T: Time, R: Rng>(
    c: &C,
    net: &N,
    time: &T,
    random: R,
    _: &Config,
) -> Result<Never, N::Error> {
    examples::custom_stack::start(c, net, time, random).await
}
