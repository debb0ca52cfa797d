//! How long a machine stood still: what a test waits for in real time does not come
//! meanwhile, and the other end's timers go off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Begins the name of each thread that watches.
pub const WATCH: &str = "watch";

/// How long each watcher sleeps.
const NAP: Duration = Duration::from_millis(1);
/// Of a nap that took longer by so much, the core stood still or was somebody else's.
const LATE: Duration = Duration::from_millis(3);

/// A watcher on each core, from now on.
pub struct Watch {
    over: Arc<AtomicBool>,
    late: Arc<AtomicU64>,
    watchers: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Begins.
    ///
    /// # Errors
    ///
    /// When a watcher can't be started.
    pub fn start() -> Result<Self> {
        let (over, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut watchers = Vec::new();
        let allowed = sched_getaffinity(None).context("which cores there are")?;
        for core in (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)) {
            let (over, late) = (over.clone(), late.clone());
            let thread = thread::Builder::new().name(format!("{WATCH} {core}"));
            watchers.push(thread.spawn(move || watch(core, &over, &late))?);
        }
        Ok(Self { over, late, watchers })
    }

    /// For how long all cores together stood still, or could not be had.
    pub fn stop(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        for watcher in self.watchers {
            let _ = watcher.join();
        }
        Duration::from_nanos(self.late.load(Ordering::Relaxed))
    }
}

fn watch(core: usize, over: &AtomicBool, late: &AtomicU64) {
    let mut only = CpuSet::new();
    only.set(core);
    // Wherever it watches otherwise, it sees the whole machine stand still.
    let _ = sched_setaffinity(None, &only);
    let mut last = Instant::now();
    while !over.load(Ordering::Relaxed) {
        thread::sleep(NAP);
        let now = Instant::now();
        let more = (now - last).saturating_sub(NAP);
        last = now;
        if more >= LATE {
            late.fetch_add(more.as_nanos() as u64, Ordering::Relaxed);
        }
    }
}
