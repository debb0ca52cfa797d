//! `join!` and `try_join!`, the slides' `<&>`.

use core::convert::Infallible;
use core::future::Future;

/// Gives each branch a name, then expands to the kind of join asked for.
#[doc(hidden)]
#[macro_export]
macro_rules! __branches {
    ($kind:ident [$($named:tt)*] [$name:ident $($names:ident)*] $branch:expr $(, $rest:expr)*) => {
        $crate::__branches!($kind [$($named)* ($name $branch)] [$($names)*] $($rest),*)
    };
    ($kind:ident [$(($name:ident $branch:expr))+] [$($names:ident)*]) => {
        $crate::__branches!(@run $kind [$($name)+] $(($name $branch))+)
    };
    ($kind:ident [$($named:tt)*] [] $($rest:expr),+) => {
        $crate::__private::compile_error!("at most 16 branches")
    };
    (@run $kind:ident $all:tt $(($name:ident $branch:expr))+) => {
        // A `match` keeps the temporaries of the branches alive.
        match ($($branch,)+) {
            ($($name,)+) => {
                $(
                    let $name = $crate::__private::pin!($crate::__private::Some(
                        $crate::__private::IntoFuture::into_future($name)
                    ));
                    let mut $name = $crate::__private::Slot::new($name);
                )+
                let mut left = [$($crate::__private::stringify!($name)),+].len();
                let mut branches = $crate::__private::Branches::new(left);
                $crate::__private::poll_fn(|context| {
                    let mut pass = branches.pass(context);
                    loop {
                        $(
                            if $name.step(&mut pass) {
                                left -= 1;
                                $crate::__completed!($kind left $name $all);
                            }
                        )+
                        if !pass.again() {
                            return $crate::__private::Poll::Pending;
                        }
                    }
                })
                .await
            }
        }
    };
}

/// What each kind of join does when a branch has completed.
#[doc(hidden)]
#[macro_export]
macro_rules! __completed {
    (join $left:ident $name:ident [$($all:ident)+]) => {
        if $left == 0
            && let ($($crate::__private::Some($all),)+) = ($($all.take(),)+)
        {
            return $crate::__private::Poll::Ready(($($all,)+));
        }
    };
    (try_join $left:ident $name:ident [$($all:ident)+]) => {
        #[allow(unreachable_patterns, unreachable_code)]
        match $name.take() {
            $crate::__private::Some($crate::__private::Ok(value)) => {
                if $left == 0 {
                    return $crate::__private::Poll::Ready($crate::__private::Ok(value));
                }
            }
            $crate::__private::Some($crate::__private::Err(error)) => {
                #[allow(unused_imports)]
                use $crate::__private::ConvertError as _;
                return $crate::__private::Poll::Ready($crate::__private::Err(
                    $crate::__private::Failure(error).convert(),
                ));
            }
            $crate::__private::None => {}
        }
    };
    (race $left:ident $name:ident [$($all:ident)+]) => {
        if let $crate::__private::Some(value) = $name.take() {
            return $crate::__private::Poll::Ready(value);
        }
    };
}

/// Runs up to 16 branches at once, in the order of writing, until all have
/// completed; the outputs are a tuple. To be used in an `async` context.
///
/// Each branch has a waker of its own and is polled only when it was woken.
/// What a branch wakes by what it does is served in the same pass. A branch is
/// dropped as soon as it has completed.
///
/// ```
/// # os::virtual_time::run(async |os| {
/// # use traits::Time;
/// # use core::time::Duration;
/// let (heads, ()) = os::join!(async { "Heads" }, os.sleep(Duration::from_secs(1)));
/// assert_eq!(heads, "Heads");
/// # });
/// ```
#[macro_export]
macro_rules! join {
    ($($branch:expr),+ $(,)?) => {
        $crate::__branches!(join [] [a b c d e f g h i j k l m n o p] $($branch),+)
    };
}

/// Runs up to 16 branches that return `Result<T, …>` at once until one fails
/// or all have succeeded. To be used in an `async` context.
///
/// Branches share one `T`, as the threads of Lwt's `join` do, since most of
/// them return nothing or never end: the result is a `Result<T, E>` that can
/// stand at the end of a function, with the `T` of the branch that ended last.
/// `E` is whatever the context asks for, made from each branch's error by
/// [`From`]; a branch that can't fail ([`Infallible`]) needs no conversion.
/// The first error ends the join, and the other branches are dropped.
///
/// ```
/// use core::convert::Infallible;
///
/// #[derive(Debug, PartialEq)]
/// struct Error(&'static str);
///
/// impl From<&'static str> for Error {
///     fn from(reason: &'static str) -> Self {
///         Self(reason)
///     }
/// }
///
/// async fn device() -> Result<Infallible, &'static str> {
///     Err("unplugged")
/// }
///
/// async fn tower() -> Result<Infallible, Infallible> {
///     core::future::pending().await
/// }
///
/// async fn start() -> Result<Infallible, Error> {
///     os::try_join!(device(), tower())
/// }
///
/// let ended = os::virtual_time::run(async |_| start().await);
/// assert_eq!(ended.err(), Some(Error("unplugged")));
/// ```
#[macro_export]
macro_rules! try_join {
    ($($branch:expr),+ $(,)?) => {
        $crate::__branches!(try_join [] [a b c d e f g h i j k l m n o p] $($branch),+)
    };
}

/// Completes when both threads have: `a <&> b`. For more than two, and inside
/// `async` code, there is [`join!`](crate::join!).
pub async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    join!(a, b)
}

/// The error of a branch, on its way into the error of the whole.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failure<X>(pub X);

impl Failure<Infallible> {
    /// There is none. Being inherent, this one goes before the trait's, so
    /// that `E` need not be `From<Infallible>`.
    pub fn convert<E>(self) -> E {
        match self.0 {}
    }
}

/// Any other error.
#[doc(hidden)]
pub trait ConvertError<X> {
    /// Makes the error of the whole.
    fn convert<E: From<X>>(self) -> E;
}

impl<X> ConvertError<X> for Failure<X> {
    fn convert<E: From<X>>(self) -> E {
        E::from(self.0)
    }
}
