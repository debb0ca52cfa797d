//! The slides' first threads: one says "Heads" after a while, the other one
//! "Tails". Joined (`<&>`), both are heard; raced (`<?>`), only the faster.
//!
//! `cargo run -p os --example flip_a_coin`

use std::time::Duration;

use rand_core::Rng;
use traits::{Console, Time, blue, green, yellow};

/// A thread: sleeps for 1 to 3 seconds, then says which side it is.
async fn side(time: &impl Time, console: &impl Console, random: &mut impl Rng, name: &str) {
    let millis = 1_000 + u64::from(random.next_u32()) % 2_001;
    time.sleep(Duration::from_millis(millis)).await;
    console.log(blue(name));
}

/// Both sides of the coin, joined and then raced.
pub async fn flip(time: &impl Time, console: &impl Console, (mut a, mut b): (impl Rng, impl Rng)) {
    console.log(yellow("heads <&> tails"));
    os::join(side(time, console, &mut a, "Heads"), side(time, console, &mut b, "Tails")).await;
    console.log(green("Finished"));

    console.log(yellow("heads <?> tails"));
    os::choose(side(time, console, &mut a, "Heads"), side(time, console, &mut b, "Tails")).await;
    console.log(green("Finished"));
}

#[allow(dead_code)]
fn main() -> std::io::Result<()> {
    os::unix::run(async |os| flip(os, &os.console(), (os.random(), os.random())).await)
}
