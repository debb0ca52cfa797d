//! Who is polled when: the wakers of a join's branches.

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use support::{Count, Hand, Signal};

#[test]
fn one_batch_of_packets_costs_one_pass_and_one_poll_of_each_branch() {
    let (device, app, task) = (Signal::default(), Signal::default(), Signal::default());
    let frames = Cell::new(0);
    let sent = Cell::new(0);
    let mut all = Hand::new(async {
        os::join!(
            // Packets: what has come in wakes the application.
            device.each(|_| -> Poll<()> {
                if frames.take() > 0 {
                    app.wake();
                }
                Poll::Pending
            }),
            // The application answers, which gives the task something to do.
            app.each(|_| -> Poll<()> {
                task.wake();
                Poll::Pending
            }),
            task.each(|_| -> Poll<()> {
                sent.set(sent.get() + 1);
                Poll::Pending
            }),
        )
    });
    assert!(all.poll().is_pending());
    let polls = || [&device, &app, &task].map(|signal| signal.polls.take());
    assert_eq!(polls(), [1, 1, 1]);
    assert_eq!(all.woken(), 0, "woken by a sibling: served in the same pass");
    sent.take();

    frames.set(64);
    device.wake();
    assert_eq!(all.woken(), 1);
    assert!(all.poll().is_pending());
    assert_eq!(polls(), [1, 1, 1], "each branch once");
    assert_eq!((sent.get(), all.woken()), (1, 1), "and no second, idle pass");
}

#[test]
fn only_the_branch_that_was_woken_is_polled() {
    let signals: [Signal; 4] = Default::default();
    let [a, b, c, d] = &signals;
    let mut all = Hand::new(async { os::join!(a.idle(), b.idle(), c.idle(), d.idle()) });
    assert!(all.poll().is_pending());
    let polls = || signals.each_ref().map(|signal| signal.polls.take());
    assert_eq!(polls(), [1, 1, 1, 1]);
    c.wake();
    c.wake();
    assert_eq!(all.woken(), 1);
    assert!(all.poll().is_pending());
    assert_eq!(polls(), [0, 0, 1, 0]);
    // Polled without reason.
    assert!(all.poll().is_pending());
    assert_eq!((polls(), all.woken()), ([0, 0, 0, 0], 1));
}

#[test]
fn a_later_branch_that_wakes_an_earlier_one_is_served_in_the_same_pass() {
    let (early, late) = (Signal::default(), Signal::default());
    let answered = Cell::new(false);
    let mut all = Hand::new(async {
        os::race!(
            early.each(|_| if answered.get() { Poll::Ready("answer") } else { Poll::Pending }),
            late.each(|_| {
                answered.set(true);
                early.wake();
                Poll::Pending
            })
        )
    });
    assert_eq!(all.poll(), Poll::Ready("answer"));
    assert_eq!((early.polls.get(), late.polls.get(), all.woken()), (2, 1, 0));
}

#[test]
fn a_branch_that_wakes_itself_waits_for_the_next_pass() {
    let (busy, other) = (Signal::default(), Signal::default());
    let mut all = Hand::new(async {
        os::join!(
            busy.each(|waker| -> Poll<()> {
                waker.wake_by_ref();
                Poll::Pending
            }),
            other.idle()
        )
    });
    for pass in 1..=5 {
        assert!(all.poll().is_pending());
        assert_eq!((busy.polls.get() as usize, all.woken()), (pass, pass));
    }
    assert_eq!(other.polls.get(), 1);
}

#[test]
fn branches_that_wake_each_other_give_way_to_the_rest() {
    let (a, b) = (Signal::default(), Signal::default());
    let mut all = Hand::new(async {
        os::join!(
            a.each(|_| -> Poll<()> {
                b.wake();
                Poll::Pending
            }),
            b.each(|_| -> Poll<()> {
                a.wake();
                Poll::Pending
            })
        )
    });
    assert!(all.poll().is_pending());
    let (first_a, first_b) = (a.polls.get(), b.polls.get());
    assert!((2..=16).contains(&first_a) && (2..=16).contains(&first_b), "{first_a} {first_b}");
    assert_eq!(all.woken(), 1, "the rest comes in the next pass");
    assert!(all.poll().is_pending());
    assert_eq!(all.woken(), 2);
}

#[test]
fn joins_within_joins_serve_each_other_too() {
    let (inner_app, task) = (Signal::default(), Signal::default());
    let device = Signal::default();
    let mut all = Hand::new(async {
        os::join!(
            device.each(|_| -> Poll<()> {
                inner_app.wake();
                Poll::Pending
            }),
            async {
                os::join!(
                    pending::<()>(),
                    inner_app.each(|_| -> Poll<()> {
                        task.wake();
                        Poll::Pending
                    })
                )
            },
            task.idle()
        )
    });
    assert!(all.poll().is_pending());
    device.wake();
    assert!(all.poll().is_pending());
    assert_eq!((device.polls.get(), inner_app.polls.get(), task.polls.get()), (2, 2, 2));
    assert_eq!(all.woken(), 1);
}

#[test]
fn another_task_that_takes_over_is_the_one_woken() {
    let signal = Signal::default();
    let mut all = pin!(async { os::join!(signal.idle(), pending::<()>()) });
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    for count in [&first, &second] {
        let waker = Waker::from(count.clone());
        assert!(all.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(signal.polls.get(), 2, "to register anew");
    let before = first.get();
    signal.wake();
    assert_eq!(second.get(), 1);
    // The first task's registration was still there; waking it too is harmless.
    assert!(first.get() <= before + 1);
}

#[test]
fn a_wake_from_another_thread_is_never_lost() {
    for _ in 0..200 {
        let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = done.clone();
        let thread = std::thread::spawn(move || {
            let waker = receiver.recv().unwrap();
            flag.store(true, std::sync::atomic::Ordering::Release);
            waker.wake();
        });
        embassy_futures::block_on(async {
            let waits = std::future::poll_fn(|context| {
                if done.load(std::sync::atomic::Ordering::Acquire) {
                    return Poll::Ready(());
                }
                let _ = sender.send(context.waker().clone());
                Poll::Pending
            });
            os::join!(waits, os::yield_now(), os::yield_now());
        });
        thread.join().unwrap();
    }
}

#[test]
fn a_branch_is_dropped_when_it_completes_and_the_outputs_come_in_order() {
    struct Noisy(Rc<RefCell<Vec<&'static str>>>, &'static str);
    impl Drop for Noisy {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
        }
    }
    let log = Rc::new(RefCell::new(Vec::new()));
    let gate = Signal::default();
    let open = Cell::new(false);
    let noisy = Noisy(log.clone(), "first is dropped");
    let mut all = Hand::new(async {
        os::join!(
            async move {
                let _noisy = noisy;
                1
            },
            gate.each(|_| if open.get() { Poll::Ready("two") } else { Poll::Pending }),
            ready(3.0)
        )
    });
    assert!(all.poll().is_pending());
    assert_eq!(*log.borrow(), ["first is dropped"]);
    open.set(true);
    gate.wake();
    assert_eq!(all.poll(), Poll::Ready((1, "two", 3.0)));
}

#[test]
fn sixteen_branches_and_one() {
    let mut all = Hand::new(async {
        os::join!(
            ready(0),
            ready(1),
            ready(2),
            ready(3),
            ready(4),
            ready(5),
            ready(6),
            ready(7),
            ready(8),
            ready(9),
            ready(10),
            ready(11),
            ready(12),
            ready(13),
            ready(14),
            ready(15),
        )
    });
    let Poll::Ready(outputs) = all.poll() else { panic!("all were ready") };
    assert_eq!((outputs.0, outputs.7, outputs.15), (0, 7, 15));
    assert_eq!(Hand::new(async { os::join!(ready(5)) }).poll(), Poll::Ready((5,)));
}

#[test]
fn temporaries_live_as_long_as_the_branches() {
    async fn length(text: &str) -> usize {
        os::yield_now().await;
        text.len()
    }
    let lengths =
        os::virtual_time::run(async |_| os::join!(length(&String::from("one")), length(&format!("{}", 20))));
    assert_eq!(lengths, (3, 2));
}

#[test]
fn branches_are_stored_once() {
    async fn big() -> u8 {
        let block = [7_u8; 4096];
        os::yield_now().await;
        block[0]
    }
    let apart = size_of_val(&big()) + size_of_val(&big());
    let joined = async {
        let (a, b) = (big(), big());
        os::join!(a, b)
    };
    let size = size_of_val(&joined);
    assert!(size < apart + 256, "{size} bytes for {apart}");
}

#[test]
fn a_join_of_what_can_move_between_threads_can_too() {
    fn movable<F: Future + Send>(future: F) -> F {
        future
    }
    let all = movable(async { os::join!(ready(1), os::yield_now()) });
    assert_eq!(embassy_futures::block_on(all), (1, ()));
}
