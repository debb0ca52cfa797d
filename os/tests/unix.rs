//! The Unix backend: descriptors, wakes from other threads, clocks, console.

#![cfg(feature = "unix")]

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use os::unix::{Console, Reactor, Source, Unix};
use os::{Bottom, Os};
use rand_core::Rng;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use traits::{Clock, Console as _, Time, blue};

fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

async fn read(os: &Os<Unix>, source: &Source) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 64];
    poll_fn(|context| {
        loop {
            match rustix::io::read(source, &mut buffer) {
                Ok(len) => return Poll::Ready(Ok(buffer[..len].to_vec())),
                Err(Errno::AGAIN) => match os.poll_readable(source, context.waker()) {
                    Poll::Ready(ready) => ready?,
                    Poll::Pending => return Poll::Pending,
                },
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    })
    .await
}

async fn write(os: &Os<Unix>, source: &Source, bytes: &[u8]) -> io::Result<()> {
    poll_fn(|context| {
        loop {
            match rustix::io::write(source, bytes) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(Errno::AGAIN) => match os.poll_writable(source, context.waker()) {
                    Poll::Ready(ready) => ready?,
                    Poll::Pending => return Poll::Pending,
                },
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    })
    .await
}

/// Both ends in one loop: a message is echoed often enough that each side has
/// to wait for the other one.
fn ping_pong(os: &Os<Unix>) {
    let (a, b) = pair();
    let (a, b) = (os.register(a).unwrap(), os.register(b).unwrap());
    os.run(async {
        let echo = async {
            for _ in 0..50 {
                let message = read(os, &b).await.unwrap();
                write(os, &b, &message).await.unwrap();
            }
        };
        let client = async {
            for number in 0..50_u8 {
                write(os, &a, &[number]).await.unwrap();
                assert_eq!(read(os, &a).await.unwrap(), [number]);
            }
        };
        os::join!(echo, client);
    });
}

#[test]
fn descriptors_wake_their_readers() {
    ping_pong(&Os::new_unix().unwrap());
}

#[test]
fn and_in_a_loop_that_spins() {
    let os = Os::new_unix().unwrap();
    os.set_spinning(true);
    ping_pong(&os);
}

#[test]
fn a_writer_waits_for_room() {
    let os = Os::new_unix().unwrap();
    let (a, b) = pair();
    let (a, b) = (os.register(a).unwrap(), os.register(b).unwrap());
    let mut sent = 0;
    // Fills the socket, then sends one more while the other side drains it.
    while rustix::io::write(&a, &[7; 1000]).is_ok() {
        sent += 1;
    }
    let received = Cell::new(0);
    os.run(async {
        let drains = async {
            os::yield_now().await;
            while received.get() <= sent {
                read(&os, &b).await.unwrap();
                received.set(received.get() + 1);
            }
        };
        os::join!(async { write(&os, &a, &[8; 10]).await.unwrap() }, drains);
    });
    assert_eq!(received.get(), sent + 1);
}

#[test]
fn the_end_of_the_other_side_wakes_the_reader() {
    let os = Os::new_unix().unwrap();
    let (a, b) = pair();
    let a = os.register(a).unwrap();
    let message = os.run(async {
        let closes = async {
            os::yield_now().await;
            drop(b);
        };
        os::join!(read(&os, &a), closes).0
    });
    assert_eq!(message.unwrap(), []);
}

#[test]
fn a_place_that_is_used_again_gets_none_of_its_predecessors_events() {
    let os = Os::new_unix().unwrap();
    for round in 0..20 {
        let (a, b) = pair();
        let old = os.register(a.try_clone().unwrap()).unwrap();
        rustix::io::write(&b, &[round]).unwrap();
        drop(old);
        // The same place, and a descriptor that has nothing to say.
        let (quiet, _other) = pair();
        let quiet = os.register(quiet).unwrap();
        let woken = os.run(async {
            let mut waits = pin!(read(&os, &quiet));
            let first = poll_fn(|context| Poll::Ready(waits.as_mut().poll(context))).await;
            for _ in 0..20 {
                os::yield_now().await;
            }
            first.is_ready()
        });
        assert!(!woken);
    }
}

#[test]
fn a_wake_from_another_thread_ends_the_wait() {
    let os = Os::new_unix().unwrap();
    for _ in 0..100 {
        let mut thread = None;
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        os.run(poll_fn(|context| {
            if done.load(std::sync::atomic::Ordering::Acquire) {
                return Poll::Ready(());
            }
            let (waker, done) = (context.waker().clone(), done.clone());
            thread.get_or_insert_with(|| {
                std::thread::spawn(move || {
                    done.store(true, std::sync::atomic::Ordering::Release);
                    waker.wake();
                })
            });
            Poll::Pending
        }));
        thread.unwrap().join().unwrap();
    }
}

#[test]
fn a_sleep_ends_no_earlier_than_its_deadline() {
    let os = Os::new_unix().unwrap();
    for micros in [0, 1, 300, 1_200] {
        os.run(async {
            let deadline = os.now() + Duration::from_micros(micros);
            os.sleep_until(deadline).await;
            assert!(os.now() >= deadline && os.bottom().now() >= os.now());
        });
    }
}

#[test]
fn a_deadline_beyond_the_systems_range_is_as_good_as_none() {
    let os = Os::new_unix().unwrap();
    os.run(async {
        let never = os.sleep_until(traits::Instant::MAX);
        os::race!(never, os.sleep(Duration::from_micros(10)));
    });
}

#[test]
fn main_returns_what_its_thread_does() {
    assert_eq!(os::unix::run(async |_| 42).unwrap(), 42);
}

#[test]
fn the_wall_clock_is_this_centurys() {
    assert!(Os::new_unix().unwrap().gmtime().year >= 2024);
}

#[test]
fn generators_differ() {
    let os = Os::new_unix().unwrap();
    let mut numbers =
        [os.random().next_u64(), os.random().next_u64(), Os::new_unix().unwrap().random().next_u64()];
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]));
}

/// A console at one end of a pair, which lives for the rest of the program.
fn console(colours: bool) -> (Console, OwnedFd) {
    let (a, b) = pair();
    let a: &'static OwnedFd = Box::leak(Box::new(a));
    (Console::new(a.as_fd(), colours), b)
}

fn drain(fd: &OwnedFd) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(len @ 1..) = rustix::io::read(fd, &mut buffer) {
        text.extend_from_slice(&buffer[..len]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn the_console_writes_whole_lines_in_colour_where_it_has_some() {
    let (plain, out) = console(false);
    plain.log(blue(format_args!("udp packet on port {}", 53)));
    plain.write(b"no end yet");
    assert_eq!(drain(&out), "udp packet on port 53\n");
    drop(plain);
    assert_eq!(drain(&out), "no end yet");

    let (colour, out) = console(true);
    colour.log(blue("packet"));
    assert_eq!(drain(&out), "\x1b[34mpacket\x1b[m\n");
}

#[test]
fn the_console_never_blocks_and_says_what_it_lost() {
    let (console, out) = console(false);
    let line = "x".repeat(1000);
    let mut logged = 0;
    while console.lost() < 3 {
        console.log(&line);
        logged += 1;
    }
    let heard = drain(&out).lines().count() as u64;
    assert_eq!(heard + 3, logged);
    console.log("back again");
    assert_eq!(drain(&out), "(3 lines lost)\nback again\n");
    assert_eq!(console.lost(), 0);
}

#[test]
fn a_line_without_an_end_does_not_grow_for_ever() {
    let (console, out) = console(false);
    console.write(&[b'y'; 10_000]);
    assert_eq!(drain(&out).len(), 8192);
    console.log("");
    assert_eq!(drain(&out).len(), 10_000 - 8192 + 1);
}

/// How often whoever waits for one of `sources` that have nothing to say tries
/// it in 80 passes.
fn tries_while_spinning(sources: usize) -> u32 {
    let os = Os::new_unix().unwrap();
    os.set_spinning(true);
    let pairs: Vec<_> = (0..sources).map(|_| pair()).collect();
    let sources: Vec<_> = pairs.iter().map(|(a, _)| os.register(a.try_clone().unwrap()).unwrap()).collect();
    let tries = Cell::new(0);
    os.run(async {
        let waits = poll_fn(|context| {
            tries.set(tries.get() + 1);
            os.poll_readable(&sources[0], context.waker()).map(drop)
        });
        let passes = async {
            for _ in 0..80 {
                os::yield_now().await;
            }
        };
        os::race!(waits, passes);
    });
    tries.get()
}

#[test]
fn a_loop_that_spins_tries_few_sources_in_each_pass_and_asks_about_many() {
    assert!(tries_while_spinning(1) >= 80);
    assert!(tries_while_spinning(4) >= 80);
    // Once for a start, and perhaps for the event that its being added is.
    assert!(tries_while_spinning(5) <= 2);
}

#[test]
fn a_loop_that_tries_sources_again_starves_nothing_else() {
    let os = Os::new_unix().unwrap();
    os.set_spinning(true);
    let (a, b) = pair();
    let a = os.register(a).unwrap();
    let (full, far) = pair();
    let full = os.register(full).unwrap();
    while rustix::io::write(&full, &[7; 1000]).is_ok() {}
    os.run(async {
        // Room to write, a wake from another thread and a timer, while `a` is
        // tried over and over.
        let others = async {
            let woken = os::join!(write(&os, &full, &[8]), async {
                os::yield_now().await;
                while rustix::io::read(&far, &mut [0; 1000]).is_ok() {}
            });
            woken.0.unwrap();
            os.sleep(Duration::from_micros(100)).await;
            let mut thread = None;
            let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            poll_fn(|context| {
                let (waker, told) = (context.waker().clone(), done.clone());
                thread.get_or_insert_with(|| {
                    std::thread::spawn(move || {
                        told.store(true, std::sync::atomic::Ordering::Release);
                        waker.wake();
                    })
                });
                if done.load(std::sync::atomic::Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            rustix::io::write(&b, &[1]).unwrap();
        };
        os::join!(async { assert_eq!(read(&os, &a).await.unwrap(), [1]) }, others);
    });
}
