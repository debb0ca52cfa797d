//! `race!` and `choose`, the slides' `<?>`.

use core::future::Future;

/// Runs up to 16 branches with the same output at once until the first
/// completes, whose output is that of the whole; the others are dropped. To be
/// used in an `async` context. When several are ready, the one written first
/// wins.
///
/// ```
/// # os::virtual_time::run(async |os| {
/// # use traits::Time;
/// # use core::time::Duration;
/// let after = async |seconds, what| {
///     os.sleep(Duration::from_secs(seconds)).await;
///     what
/// };
/// assert_eq!(os::race!(after(2, "Heads"), after(1, "Tails")), "Tails");
/// # });
/// ```
#[macro_export]
macro_rules! race {
    ($($branch:expr),+ $(,)?) => {
        $crate::__branches!(race [] [a b c d e f g h i j k l m n o p] $($branch),+)
    };
}

/// Completes with the first of two threads: `a <?> b`. The other is dropped.
/// For more than two, and inside `async` code, there is
/// [`race!`](crate::race!).
pub async fn choose<T>(a: impl Future<Output = T>, b: impl Future<Output = T>) -> T {
    race!(a, b)
}
