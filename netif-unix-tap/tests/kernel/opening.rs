//! Opening, adopting, naming, and what can go wrong.

use std::os::fd::AsFd;
use std::task::Poll;

use netif_unix_tap::namespace::{self, NamespaceError};
use netif_unix_tap::{OpenError, Options, Tap, TapError, setup};
use os::Os;
use os::unix::Unix;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink};
use traits::{Layer, Network, Offload, SendError, TxMeta};
use wire::{Cidr, MacAddr};

use crate::harness::skip;
use crate::packets::{Cable, KERNEL};

fn os() -> Os<Unix> {
    Os::new_unix().unwrap()
}

pub fn reports_and_is_busy() {
    let os = os();
    let tap = Tap::open(&os, "fata0").unwrap();
    assert_eq!((tap.name().as_str(), tap.mtu()), ("fata0", 1500));
    let kernel = setup::mac("fata0").unwrap();
    assert!(tap.mac() != kernel && tap.mac().is_unicast() && tap.mac().0[0] & 2 != 0);
    let offload = tap.capabilities().offload;
    assert!(offload.contains(Offload::all() - Offload::USO4), "{offload:?}");

    let busy = Tap::open(&os, "fata0").unwrap_err();
    assert!(matches!(&busy, OpenError::Busy(name) if name == "fata0"));
    assert!(busy.to_string().contains("another program"));
    let mac = tap.mac();
    drop(tap);
    // It is gone with its owner, and its name is free.
    let given = MacAddr([2, 1, 2, 3, 4, 5]);
    let again = Options::new().mac(given).open(&os, "fata0").unwrap();
    assert!(again.mac() == given && mac != given);
}

pub fn names() {
    let os = os();
    for bad in ["a name", "sixteen-letters-", "a/b", "..", "tap:0"] {
        assert!(matches!(Tap::open(&os, bad), Err(OpenError::InvalidName(_))), "{bad}");
    }
    let first = Tap::open(&os, "tap%d").unwrap();
    let second = Tap::open(&os, "tap%d").unwrap();
    assert_eq!((first.name().as_str(), second.name().as_str()), ("tap0", "tap1"));
    assert_ne!(first.mac(), second.mac());
    let loopback = Tap::open(&os, "lo").unwrap_err();
    assert!(matches!(loopback, OpenError::NotATap(_)), "{loopback:?}");
    assert!(loopback.to_string().contains("another kind of interface"));
}

pub fn mtu() {
    let os = os();
    let cable = Cable::new(&os, Options::new());
    let fd = cable.tap.as_fd().try_clone_to_owned().unwrap();
    setup::set_mtu(&cable.tap.name(), 9000).unwrap();
    let jumbo = Options::new().adopt(&os, fd).unwrap();
    assert_eq!(jumbo.mtu(), 9000);
    jumbo.write(TxMeta::NONE, 9014, |buffer| buffer.len()).unwrap();
    assert_eq!(jumbo.write(TxMeta::NONE, 9015, |buffer| buffer.len()), Err(SendError::TooLong));
    assert_eq!(jumbo.statistics().tx_packets, 1);
}

pub fn several_queues() {
    let os = os();
    let options = Options::new().multi_queue(true);
    let queues: Vec<_> = (0..4).map(|_| options.open(&os, "fata0").unwrap()).collect();
    assert!(queues.iter().all(|queue| queue.mac() == queues[0].mac()));
    let single = Tap::open(&os, "fata0").unwrap_err();
    assert!(matches!(single, OpenError::NotATap(_)), "{single:?}");
    assert!(single.to_string().contains("multi_queue"));
}

pub fn adopts_a_descriptor() {
    let os = os();
    let tap = Options::new().vnet_header(false).open(&os, "fata0").unwrap();
    let fd = tap.as_fd().try_clone_to_owned().unwrap();
    let mac = tap.mac();
    drop(tap);
    let adopted = Options::new().adopt(&os, fd).unwrap();
    assert_eq!((adopted.name().as_str(), adopted.mac()), ("fata0", mac));
    // As it was opened: without the header, and so without offloads.
    assert_eq!(adopted.capabilities(), traits::Capabilities::NONE);

    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let no_tap = Options::new().adopt(&os, socket.into()).unwrap_err();
    assert!(matches!(no_tap, OpenError::NotATap(_)), "{no_tap:?}");
}

#[cfg(feature = "tun-tap")]
pub fn adopts_an_iface() {
    use tun_tap::{Iface, Mode};
    let os = os();
    let iface = Iface::without_packet_info("fata%d", Mode::Tap).unwrap();
    let tap = Options::new().adopt_iface(&os, iface).unwrap();
    assert_eq!((tap.name().as_str(), tap.capabilities()), ("fata0", traits::Capabilities::NONE));
    setup::bring_up("fata0", Cidr::new(KERNEL, 24)).unwrap();
    tap.write(TxMeta::NONE, 60, |buffer| buffer.len()).unwrap();
    assert_eq!(tap.statistics().tx_packets, 1);

    let iface = Iface::new("fata%d", Mode::Tap).unwrap();
    let information = Options::new().adopt_iface(&os, iface).unwrap_err();
    assert!(matches!(information, OpenError::PacketInformation(_)), "{information:?}");
    let iface = Iface::without_packet_info("fata%d", Mode::Tun).unwrap();
    assert!(matches!(Options::new().adopt_iface(&os, iface), Err(OpenError::NotATap(_))));
}

pub fn link_goes_down_and_up() {
    let os = os();
    let tap = Tap::open(&os, "fata0").unwrap();
    let write = || tap.write(TxMeta::NONE, 60, |buffer| buffer.len());
    assert_eq!(write(), Err(SendError::Down), "not up yet");
    setup::bring_up("fata0", Cidr::new(KERNEL, 24)).unwrap();
    assert_eq!(write(), Ok(()));
    setup::set_up("fata0", false).unwrap();
    // The frame that finds it out is lost, since it was filled already.
    assert_eq!(write(), Ok(()));
    assert_eq!(write(), Err(SendError::Down));
    setup::set_up("fata0", true).unwrap();
    assert_eq!(write(), Ok(()));
    let statistics = tap.statistics();
    assert_eq!((statistics.tx_packets, statistics.tx_dropped), (2, 1));
}

pub fn interface_is_deleted() {
    let os = os();
    let tap = Tap::open(&os, "fata0").unwrap();
    setup::bring_up("fata0", Cidr::new(KERNEL, 24)).unwrap();
    let ended = os.run(async {
        let deletes = async {
            os::yield_now().await;
            delete_link("fata0");
        };
        os::join!(tap.listen(|_| ()), deletes).0
    });
    let error = ended.unwrap_err();
    assert!(matches!(error, TapError::Gone), "{error:?}");
    assert_eq!(tap.write(TxMeta::NONE, 60, |buffer| buffer.len()), Err(SendError::Down));
    // Whoever listens again learns nothing more.
    let polled = os.run(async {
        let mut listens = std::pin::pin!(tap.listen(|_| ()));
        std::future::poll_fn(|context| Poll::Ready(listens.as_mut().poll(context))).await
    });
    assert!(polled.is_pending());
}

/// `ip link delete`, by netlink: `struct nlmsghdr` and `struct ifinfomsg`.
fn delete_link(name: &str) {
    const RTM_DELLINK: u16 = 17;
    const NLM_F_REQUEST: u16 = 1;
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None).unwrap();
    let index = name_to_index(&socket, name).unwrap();
    let mut message = Vec::new();
    message.extend_from_slice(&32_u32.to_ne_bytes());
    message.extend_from_slice(&RTM_DELLINK.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message.extend_from_slice(&[0; 12]);
    message.extend_from_slice(&index.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    let kernel = netlink::SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &message, rustix::net::SendFlags::empty(), &kernel).unwrap();
}

pub fn namespace_of_a_user() {
    let os = os();
    // Without a namespace, an ordinary user gets told what to do.
    let denied = Tap::open(&os, "fata0").unwrap_err();
    match &denied {
        OpenError::DeviceDenied | OpenError::Denied(_) => {
            assert!(denied.to_string().contains("run as root"));
        }
        OpenError::NoDriver => {}
        other => panic!("{other:?}"),
    }
    match namespace::enter() {
        Ok(()) => {}
        Err(error @ (NamespaceError::Denied | NamespaceError::Unavailable(_))) => skip(&error.to_string()),
        Err(error) => panic!("{error}"),
    }
    assert!(rustix::process::geteuid().is_root(), "root within");
    setup::set_up("lo", true).unwrap();
    match Tap::open(&os, "fata0") {
        Ok(tap) => setup::bring_up(&tap.name(), Cidr::new(KERNEL, 24)).unwrap(),
        // Where only root may read and write the file of the devices.
        Err(OpenError::DeviceDenied | OpenError::NoDriver) => {}
        Err(other) => panic!("{other:?}"),
    }
}

pub fn namespace_after_threads() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || stopped.recv());
    let result = namespace::enter();
    drop(stop);
    let _ = thread.join();
    match result {
        Err(NamespaceError::Threads) => {}
        Err(error @ (NamespaceError::Denied | NamespaceError::Unavailable(_))) => skip(&error.to_string()),
        other => panic!("{other:?}"),
    }
}
