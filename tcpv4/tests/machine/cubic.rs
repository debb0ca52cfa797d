//! The window after a loss, over time (RFC 9438). In segments and seconds.

use crate::script::path::Path;
use tcpv4::congestion::Algorithm;
use traits::Instant;

const C: f64 = 0.4;

/// W_cubic(t) (RFC 9438 §4.2) with the plateau at `w_max`, from `start` on.
struct Curve {
    w_max: f64,
    k: f64,
}

impl Curve {
    fn new(w_max: f64, start: f64) -> Self {
        Self { w_max, k: ((w_max - start) / C).cbrt() }
    }

    fn at(&self, t: f64) -> f64 {
        C * (t - self.k).powi(3) + self.w_max
    }
}

/// A path of `rtt` milliseconds that has just lost a segment of about 100, and
/// repaired that; how many there were, and when congestion avoidance began.
fn reduced(rtt: u64) -> (Path, f64, Instant) {
    let mut path = Path::new(Algorithm::Cubic, rtt * 1000);
    while path.cwnd() < 90_000 {
        path.round();
    }
    let window = lose(&mut path);
    let now = path.script.now;
    (path, window, now)
}

/// A loss at the present window; how large that was.
fn lose(path: &mut Path) -> f64 {
    let window = path.lose_one();
    assert_eq!(path.ssthresh(), Some((u64::from(window) * 7 / 10) as u32), "β = 0.7 of {window}");
    f64::from(window) / 1000.0
}

fn seconds(path: &Path, since: Instant) -> f64 {
    path.script.now.duration_since(since).as_secs_f64()
}

fn segments(path: &Path) -> f64 {
    f64::from(path.cwnd()) / 1000.0
}

/// RFC 9438 §4.4, §4.5: fast at first, then ever slower towards where the loss
/// was, and beyond that faster again.
#[test]
fn the_window_follows_the_curve() {
    let rtt = 0.2;
    let (mut path, w_max, start) = reduced(200);
    let curve = Curve::new(w_max, 0.7 * w_max);
    assert!((4.0..5.5).contains(&curve.k), "{}", curve.k);
    let mut t = 0.0;
    while t < curve.k + 2.0 {
        path.round();
        t = seconds(&path, start);
        // Each round trip aims at its end.
        let (low, high) = (curve.at(t) - 1.0, curve.at(t + rtt) + 1.0);
        let cwnd = segments(&path);
        assert!((low..=high).contains(&cwnd), "{cwnd} at {t}, not {low} to {high}");
    }
    assert!(segments(&path) > w_max + 2.0);
}

/// RFC 9438 §4.7: a second loss before the window was where the first had been
/// makes room for others: the plateau is at 0.85 of it.
#[test]
fn a_window_that_shrinks_gives_way() {
    let rtt = 0.2;
    let (mut path, first, start) = reduced(200);
    while seconds(&path, start) < 1.0 {
        path.round();
    }
    let second = lose(&mut path);
    assert!(second < first - 5.0);
    let start = path.script.now;
    let curve = Curve::new(0.85 * second, 0.7 * second);
    assert!((3.0..4.5).contains(&curve.k), "{}", curve.k);
    let mut t = 0.0;
    while t < curve.k + 0.5 {
        path.round();
        t = seconds(&path, start);
        let (low, high) = (curve.at(t) - 1.0, curve.at(t + rtt) + 1.0);
        let cwnd = segments(&path);
        assert!((low..=high).contains(&cwnd), "{cwnd} at {t}, not {low} to {high}");
    }
}

/// RFC 9438 §4.3: where round trips are short, Reno is faster: 9/17 segments a
/// round trip until the window is what it was, then one.
#[test]
fn on_a_short_path_it_grows_as_reno_does() {
    let (mut path, before, start) = reduced(10);
    let curve = Curve::new(before, 0.7 * before);
    let mut estimate = 0.7 * before;
    for round in 0..120 {
        path.round();
        estimate += if estimate < before { 9.0 / 17.0 } else { 1.0 };
        let cwnd = segments(&path);
        assert!((cwnd - estimate).abs() < 2.0, "{cwnd} in round {round}, not {estimate}");
    }
    assert!(segments(&path) > before + 10.0);
    assert!(curve.at(seconds(&path, start)) < before, "the curve is below");
}

/// The window after slow start without a loss (RFC 9438 §4.10): K is 0, and the
/// curve goes up from there.
#[test]
fn after_hystart_the_curve_begins_at_its_plateau() {
    let mut path = Path::narrow(Algorithm::Cubic, 200_000, 1_000);
    while path.ssthresh().is_none() {
        path.round();
    }
    let begun = segments(&path);
    let start = path.script.now;
    let reno = |t: f64| t / 0.2;
    while seconds(&path, start) < 3.0 {
        path.round();
        let t = seconds(&path, start);
        let most = begun + (C * (t + 0.4).powi(3)).max(reno(t + 0.4)) + 1.0;
        let cwnd = segments(&path);
        assert!((begun..=most).contains(&cwnd), "{cwnd} at {t}, not {begun} to {most}");
    }
    assert!(segments(&path) > begun + 8.0);
}
