//! `&L` and `Rc<L>` implement what `L` does, so that sharing a layer is the
//! choice of whoever builds the tower: by borrow, by `Rc`, or by value.

use core::future::Future;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use wire::{EtherType, MacAddr};

use crate::*;

/// Implements each trait given for a pointer type, method by method. Always
/// inlined: a record passed on in memory would cost more than the call.
macro_rules! forward {
    ($(impl $trait:ident { $(type $assoc:ident $(<$lt:lifetime>)? = $ty:ty $(where Self: $bound:lifetime)?;)* $(const $const:ident: $const_ty:ty;)* $(fn $name:ident(&self $(, $arg:ident: $argty:ty)*) $(-> $ret:ty)?;)* })*) => {
        $(
            impl<L: $trait> $trait for &L {
                $(type $assoc $(<$lt>)? = $ty $(where Self: $bound)?;)*
                $(const $const: $const_ty = L::$const;)*
                $(#[inline(always)] fn $name(&self $(, $arg: $argty)*) $(-> $ret)? { L::$name(self $(, $arg)*) })*
            }
            #[cfg(feature = "alloc")]
            impl<L: $trait> $trait for alloc::rc::Rc<L> {
                $(type $assoc $(<$lt>)? = $ty $(where Self: $bound)?;)*
                $(const $const: $const_ty = L::$const;)*
                $(#[inline(always)] fn $name(&self $(, $arg: $argty)*) $(-> $ret)? { L::$name(self $(, $arg)*) })*
            }
        )*
    };
}

crate::__methods_of_layer! { [forward!] [impl Layer] [] }
crate::__methods_of_network! {
    [forward!] [impl Network] [
        type Error = L::Error;
        const GATHERS: bool;
        fn write_gathered(&self, meta: TxMeta, len: usize, payload: impl Payload, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError>;
    ]
}

forward! {
    impl Ethernet {
        const GATHERS: bool;
        fn write_gathered(&self, to: To, ethertype: EtherType, meta: TxMeta, len: usize, payload: impl Payload, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError>;
        fn mac(&self) -> MacAddr;
        fn mtu(&self) -> usize;
        fn write(&self, to: To, ethertype: EtherType, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError>;
        fn write_run(&self, host: Ipv4Addr, ethertype: EtherType, meta: TxMeta, run: Run, fill: impl FnMut(usize, &mut [u8]) -> usize) -> Option<(usize, Result<(), SendError>)>;
        fn add_ipv4(&self, address: Ipv4Addr) -> bool;
        fn remove_ipv4(&self, address: Ipv4Addr);
        fn query_arpv4(&self, address: Ipv4Addr) -> impl Future<Output = Result<MacAddr, Unresolved>>;
        fn probe_ipv4(&self, address: Ipv4Addr) -> impl Future<Output = Result<(), Conflict>>;
        fn conflict(&self) -> impl Future<Output = Conflict>;
        fn confirm(&self, address: Ipv4Addr);
    }
    impl Ip {
        const GATHERS: bool;
        fn write_gathered(&self, header: Header, meta: TxMeta, len: usize, payload: impl Payload, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError>;
        fn write(&self, header: Header, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError>;
        fn write_run(&self, header: Header, meta: TxMeta, run: Run, fill: impl FnMut(usize, &mut [u8]) -> usize) -> Option<(usize, Result<(), SendError>)>;
        fn route(&self, dst: Ipv4Addr, src: Option<Ipv4Addr>) -> Result<Path, SendError>;
        fn unreachable(&self, packet: &Packet<'_>, code: UnreachableCode);
        fn configure(&self, config: &Config<'_>) -> usize;
        fn set_ipv4(&self, address: Ipv4Addr);
        fn get_ipv4(&self) -> Option<Ipv4Addr>;
        fn set_ipv4_netmask(&self, netmask: Ipv4Addr);
        fn get_ipv4_netmask(&self) -> Option<Ipv4Addr>;
        fn set_ipv4_gateways(&self, gateways: &[Ipv4Addr]);
        fn get_ipv4_gateways(&self, each: impl FnMut(Ipv4Addr));
        fn is_local(&self, address: Ipv4Addr) -> bool;
        fn generation(&self) -> u32;
        fn join_group(&self, group: Ipv4Addr) -> Result<(), SendError>;
        fn leave_group(&self, group: Ipv4Addr);
        fn confirm(&self, dst: Ipv4Addr);
        fn learn_path_mtu(&self, dst: Ipv4Addr, mtu: u16);
        fn forget_path_mtu(&self, dst: Ipv4Addr);
    }
    impl Datagrams {
        fn write(&self, endpoint: Endpoint, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError>;
    }
    impl Connections {
        type Flow<'a> = L::Flow<'a> where Self: 'a;
        fn create_connection(&self, dst: SocketAddrV4) -> impl Future<Output = Result<Self::Flow<'_>, ConnectError>>;
    }
    impl Time {
        fn now(&self) -> Instant;
        fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()>;
    }
    impl Clock {
        fn time(&self) -> Duration;
    }
    impl Console {
        fn write(&self, bytes: &[u8]);
        fn has_colours(&self) -> bool;
        fn log(&self, line: impl core::fmt::Display);
    }
    impl Receive {
        fn receive(&self, datagram: Datagram<'_>);
        fn error(&self, error: DatagramError);
    }
}
