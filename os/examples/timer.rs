//! Threads that wait for time and for each other: a countdown, a thread that
//! waits for it to end, and a timeout around both.
//!
//! `cargo run -p os --example timer`

use std::time::Duration;

use os::Wakener;
use traits::{Console, Time, blue, green, red};

const SECOND: Duration = Duration::from_secs(1);

/// Counts down, a second each, then wakes whoever waits for that.
async fn countdown(time: &impl Time, console: &impl Console, from: u32, done: Wakener<&str>) {
    for left in (1..=from).rev() {
        console.log(blue(left));
        time.sleep(SECOND).await;
    }
    done.wakeup("lift-off");
}

/// Counts down from `from`, but gives up after `limit`. Whether it got there.
pub async fn launch(time: &impl Time, console: &impl Console, from: u32, limit: Duration) -> bool {
    let (lift_off, wakener) = os::wait();
    let launched = async {
        let ((), words) = os::join!(countdown(time, console, from, wakener), lift_off);
        if let Ok(words) = words {
            console.log(green(words));
        }
        true
    };
    let too_late = async {
        time.sleep(limit).await;
        console.log(red("too late"));
        false
    };
    os::race!(launched, too_late)
}

#[allow(dead_code)]
fn main() -> std::io::Result<()> {
    os::unix::run(async |os| {
        let console = os.console();
        launch(os, &console, 3, 10 * SECOND).await;
        launch(os, &console, 3, 3 * SECOND / 2).await;
    })
}
