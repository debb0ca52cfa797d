//! Memory that the caller hands over, in sizes of the caller's choice.

use crate::net;
use crate::net::{B, Link, Net, SECOND, assert_forgotten, echo, exchange, join, pattern, with_memory};
use tcpv4::{Fixed, Listener, Memory, Storage, Tcp};

/// Echoes `len` bytes over each of as many connections at once.
fn run<S: Storage>(net: &Net<'_, S>, link: Link, connections: usize, len: usize) {
    net.link.set(link);
    let listener = Listener::<16>::with_capacity();
    let server = listener.serve(net.b(), async |flow| echo(flow).await);
    let mut session = net.session().listen(1, 80, &listener).background(server);
    for n in 0..connections {
        let client = async move {
            let data = pattern(len, n as u8);
            let flow = net.a().create_connection(B).await.unwrap();
            assert!(exchange(flow, &data).await == data);
        };
        session = session.spawn(client);
    }
    assert!(session.run_for(SECOND * 3000), "{:?}\n{:?}", net.a().statistics(), net.b().statistics());
    session.run_for(SECOND * 120);
    assert_forgotten(net);
}

/// Two halves of `BYTES`, and lists of `LIST`.
fn halves<const SLOTS: usize, const BYTES: usize, const LIST: usize>(len: usize) {
    for link in [Link::CLEAN, Link::BAD] {
        with_memory([Memory::<SLOTS, BYTES, LIST>::with_lists(), Memory::with_lists()], |net| {
            run(net, link, SLOTS, len);
        });
    }
}

#[test]
fn one_connection_with_a_segment_each_way() {
    halves::<1, 2920, 1>(30_000);
}

#[test]
fn less_than_a_segment_each_way() {
    halves::<2, 300, 1>(5000);
}

#[test]
fn a_byte_each_way() {
    halves::<1, 2, 1>(50);
}

/// More segments are under way than the lists tell apart.
#[test]
fn short_lists_for_large_buffers() {
    halves::<2, 65_536, 2>(200_000);
}

#[test]
fn long_lists() {
    halves::<3, 131_072, 128>(400_000);
}

/// All that is asked for is sent, although little is asked with.
#[test]
fn shares_of_a_slot() {
    let memory = || Memory::<2, 10_000, 8>::with_lists().with_send_bytes(9000);
    with_memory([memory(), memory()], |net| {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            let info = flow.info().unwrap();
            assert_eq!((info.send_limit, info.receive_space), (9000, 1000));
            assert_eq!((flow.settings().send_limit, flow.settings().receive_limit), (9000, 1000));
            // A buffer is no larger for being asked to be.
            flow.set_send_limit(1 << 20);
            flow.set_receive_limit(1 << 20);
            let info = flow.info().unwrap();
            assert_eq!((info.send_limit, info.receive_space), (9000, 1000));
            assert_eq!(flow.write(&[1; 20_000]).await, Ok(9000));
            flow.close().await.unwrap();
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            net.sleep(SECOND).await;
            assert_eq!(flow.info().unwrap().readable, 1000, "what was offered, and no more");
            assert_eq!(net::read_all(&mut flow).await, [1; 9000]);
        };
        let mut session = net.session().listen(1, 80, &listener);
        session = session.spawn(join(client, server));
        assert!(session.run_for(SECOND * 60));
    });
    // What makes no sense is brought into range.
    for (asked, sent) in [(0, 1), (usize::MAX, 9999)] {
        let memory = || Memory::<2, 10_000, 8>::with_lists().with_send_bytes(asked);
        with_memory([memory(), memory()], |net| {
            assert_eq!(net.a().settings().send_limit, sent);
            assert_eq!(net.a().settings().receive_limit, 10_000 - sent);
        });
    }
}

/// As the documentation of [`Memory`] has it.
#[test]
fn what_a_slot_takes() {
    type Of<const SLOTS: usize, const LIST: usize> = Tcp<&'static net::MockIp, Fixed<'static, SLOTS, LIST>>;
    let [short, long] = [Of::<1, 1>::connection_size().0, Of::<1, 101>::connection_size().0];
    let slot = size_of::<Of<101, 1>>() - size_of::<Of<1, 1>>();
    std::println!("{short} {long} {slot}");
    let entry = (long - short) / 100;
    assert!((900..=1000).contains(&short), "{short}");
    assert!((40..=50).contains(&entry), "{entry}");
    assert!((180..=220).contains(&(slot / 100 - short)), "{slot} {short}");
}
