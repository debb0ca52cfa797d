//! Devices over devices: what they leave to the device below.
//!
//! The methods of [`Layer`](crate::Layer) and [`Network`](crate::Network) are
//! listed here once, for pointers as well. None has a default but `run` and
//! `write_gathered`, so that one which is missing here is an error of the
//! compiler's. A device over another that has a `write` of its own sees each
//! frame whole: it does not gather, whatever the one below does.

/// Has a device over another implement [`Layer`](crate::Layer) by the one
/// below, in its field of that name; all methods, or all but those written by
/// hand.
///
/// ```
/// use std::cell::Cell;
/// use traits::{Frame, Layer, Network, Never, SendError, TxMeta};
///
/// /// A device that counts the frames sent through it.
/// struct Counted<N> {
///     device: N,
///     sent: Cell<u64>,
/// }
///
/// impl<N: Network> Layer for Counted<N> {
///     traits::forward_layer!(device);
/// }
///
/// impl<N: Network> Network for Counted<N> {
///     type Error = N::Error;
///
///     traits::forward_network!(device, except write);
///
///     fn write(
///         &self,
///         meta: TxMeta,
///         len: usize,
///         fill: impl FnOnce(&mut [u8]) -> usize,
///     ) -> Result<(), SendError> {
///         self.device.write(meta, len, fill)?;
///         self.sent.set(self.sent.get() + 1);
///         Ok(())
///     }
/// }
/// ```
#[macro_export]
macro_rules! forward_layer {
    ($device:tt $(, except $($own:ident),+)?) => {
        $crate::__methods_of_layer! { [$crate::__forward_to!] [Layer $device [$($($own)+)?]] [] }
    };
}

/// Has a device over another implement [`Network`](crate::Network) by the one
/// below: as [`forward_layer`](crate::forward_layer), which shows both.
#[macro_export]
macro_rules! forward_network {
    ($device:tt $(, except $($own:ident),+)?) => {
        $crate::__methods_of_network! { [$crate::__forward_to!] [Network $device [$($($own)+)?]] [] }
    };
}

/// Hands the methods of `Layer` to another macro, as `then! { before { inside
/// methods } }`.
#[doc(hidden)]
#[macro_export]
macro_rules! __methods_of_layer {
    ([$($then:tt)*] [$($before:tt)*] [$($inside:tt)*]) => {
        $($then)* {
            $($before)* {
                $($inside)*
                fn now(&self) -> $crate::Instant;
                fn capabilities(&self) -> $crate::Capabilities;
                fn poll(&self, now: $crate::Instant, waker: &::core::task::Waker) -> Option<$crate::Instant>;
                fn poll_room(&self, waker: &::core::task::Waker) -> ::core::task::Poll<()>;
                fn has_backlog(&self) -> bool;
                fn flush(&self);
            }
        }
    };
}

/// As the one for `Layer`, for `Network`.
#[doc(hidden)]
#[macro_export]
macro_rules! __methods_of_network {
    ([$($then:tt)*] [$($before:tt)*] [$($inside:tt)*]) => {
        $($then)* {
            $($before)* {
                $($inside)*
                fn mac(&self) -> $crate::MacAddr;
                fn mtu(&self) -> usize;
                fn write(&self, meta: $crate::TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), $crate::SendError>;
                fn listen(&self, input: impl FnMut($crate::Frame<'_>)) -> impl ::core::future::Future<Output = Result<$crate::Never, Self::Error>>;
                fn statistics(&self) -> $crate::NetworkStatistics;
                fn reset_statistics(&self);
                fn disconnect(&self);
            }
        }
    };
}

/// Writes each method that is not among `own` as a call of the field's.
#[doc(hidden)]
#[macro_export]
macro_rules! __forward_to {
    ($trait:ident $device:tt $own:tt { $(fn $name:ident(&self $(, $arg:ident: $argty:ty)*) $(-> $ret:ty)?;)* }) => {
        $(
            $crate::__unless_own! {
                $name $own
                #[inline]
                fn $name(&self $(, $arg: $argty)*) $(-> $ret)? {
                    $crate::$trait::$name(&self.$device $(, $arg)*)
                }
            }
        )*
    };
}

/// The method, unless its name is among those in brackets.
#[doc(hidden)]
#[macro_export]
macro_rules! __unless_own {
    (now [now $($own:ident)*] $($method:tt)*) => {};
    (capabilities [capabilities $($own:ident)*] $($method:tt)*) => {};
    (poll [poll $($own:ident)*] $($method:tt)*) => {};
    (poll_room [poll_room $($own:ident)*] $($method:tt)*) => {};
    (has_backlog [has_backlog $($own:ident)*] $($method:tt)*) => {};
    (flush [flush $($own:ident)*] $($method:tt)*) => {};
    (mac [mac $($own:ident)*] $($method:tt)*) => {};
    (mtu [mtu $($own:ident)*] $($method:tt)*) => {};
    (write [write $($own:ident)*] $($method:tt)*) => {};
    (listen [listen $($own:ident)*] $($method:tt)*) => {};
    (statistics [statistics $($own:ident)*] $($method:tt)*) => {};
    (reset_statistics [reset_statistics $($own:ident)*] $($method:tt)*) => {};
    (disconnect [disconnect $($own:ident)*] $($method:tt)*) => {};
    ($name:ident [$other:ident $($own:ident)*] $($method:tt)*) => {
        $crate::__unless_own! { $name [$($own)*] $($method)* }
    };
    ($name:ident [] $($method:tt)*) => { $($method)* };
}
