//! What `try_join!`, `race!`, `join`, `choose` and `wait` return.

mod support;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::time::Duration;

use os::virtual_time::{self, Deadlock, VirtualTime};
use os::{Abandoned, Os, State};
use support::Hand;
use traits::{Instant, Time};

#[derive(Debug, PartialEq)]
struct DeviceError;

#[derive(Debug, PartialEq)]
struct FlowError;

/// The application's error: `From` each, but not `From<Infallible>`.
#[derive(Debug, PartialEq)]
enum Error {
    Device,
    Flow,
}

impl From<DeviceError> for Error {
    fn from(_: DeviceError) -> Self {
        Self::Device
    }
}

impl From<FlowError> for Error {
    fn from(_: FlowError) -> Self {
        Self::Flow
    }
}

/// A device as drivers have it: its error is an associated type.
trait Device {
    type Error;
    fn listen(&self) -> impl Future<Output = Result<Infallible, Self::Error>>;
}

struct Fails;

impl Device for Fails {
    type Error = DeviceError;

    async fn listen(&self) -> Result<Infallible, DeviceError> {
        os::yield_now().await;
        Err(DeviceError)
    }
}

struct NeverFails;

impl Device for NeverFails {
    type Error = Infallible;

    async fn listen(&self) -> Result<Infallible, Infallible> {
        pending().await
    }
}

/// The shape of the slides' `start`.
async fn start<D: Device, T: Time>(
    device: &D,
    time: &T,
    web: Result<(), FlowError>,
) -> Result<Infallible, Error>
where
    Error: From<D::Error>,
{
    let packets = device.listen();
    let web = async {
        time.sleep(Duration::from_secs(1)).await;
        web?;
        pending::<Result<Infallible, FlowError>>().await
    };
    let tower = async { pending::<Result<Infallible, Infallible>>().await };
    os::try_join!(packets, web, tower)
}

#[test]
fn the_first_error_ends_the_tower_and_becomes_the_applications() {
    let ended = virtual_time::run(async |os| (start(&Fails, os, Err(FlowError)).await, os.now()));
    assert_eq!(ended, (Err(Error::Device), Instant::ZERO));
}

#[test]
fn what_cannot_fail_needs_no_conversion() {
    async fn never_fails<D: Device<Error = Infallible>>(device: &D) -> Result<Infallible, Error> {
        let fails = async { Err::<Infallible, _>(FlowError) };
        os::try_join!(device.listen(), fails)
    }
    assert_eq!(virtual_time::run(async |_| never_fails(&NeverFails).await), Err(Error::Flow));
}

#[test]
fn the_others_are_dropped_at_the_first_error() {
    struct Noisy<'a>(&'a Cell<bool>);
    impl Drop for Noisy<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Cell::new(false);
    let result: Result<(), Error> = virtual_time::run(async |os| {
        let waits = async {
            let _noisy = Noisy(&dropped);
            pending::<Result<(), FlowError>>().await
        };
        let fails = async {
            os.sleep(Duration::from_secs(1)).await;
            Err(DeviceError)
        };
        os::try_join!(waits, fails)
    });
    assert_eq!(result, Err(Error::Device));
    assert!(dropped.get());
}

#[test]
fn success_is_that_of_the_branch_that_ended_last() {
    let result: Result<u64, Error> = virtual_time::run(async |os| {
        let after = async |seconds| {
            os.sleep(Duration::from_secs(seconds)).await;
            Ok::<_, DeviceError>(seconds)
        };
        os::try_join!(after(3), after(1), after(2))
    });
    assert_eq!(result, Ok(3));
}

#[test]
fn the_first_written_wins_a_tie_and_the_losers_give_their_sleeps_back() {
    let os = Os::new(VirtualTime::new());
    let winner = os.run(async {
        let second = async |name| {
            os.sleep(Duration::from_secs(1)).await;
            name
        };
        let late = async {
            os.sleep(Duration::from_secs(9)).await;
            "late"
        };
        os::race!(late, second("first"), second("second"))
    });
    assert_eq!((winner, os.now()), ("first", Instant::from_secs(1)));
    // No sleep is left that could be due.
    assert_eq!(os.try_run(pending::<()>()), Err(Deadlock));
    assert_eq!(os.now(), Instant::from_secs(1));
}

#[test]
fn join_waits_for_both_and_choose_for_one() {
    let log = RefCell::new(Vec::new());
    virtual_time::run(async |os| {
        let say = async |seconds, name: &'static str| {
            os.sleep(Duration::from_secs(seconds)).await;
            log.borrow_mut().push((os.now().as_millis() / 1000, name));
        };
        os::join(say(2, "Heads"), say(1, "Tails")).await;
        os::choose(say(2, "Heads"), say(1, "Tails")).await;
        say(5, "Finished").await;
    });
    assert_eq!(*log.borrow(), [(1, "Tails"), (2, "Heads"), (3, "Tails"), (8, "Finished")]);
}

#[test]
fn the_combinators_need_no_run_loop_of_ours() {
    let sum = embassy_futures::block_on(async {
        let (a, b) = os::join(async { 1 }, os::choose(pending(), ready(2))).await;
        a + b
    });
    assert_eq!(sum, 3);
}

#[test]
fn a_task_returns_what_its_wakener_says_when_the_loop_comes_to_it() {
    let (task, wakener) = os::wait();
    assert_eq!(task.state(), State::Sleep);
    let mut task = Hand::new(task);
    assert!(task.poll().is_pending());
    wakener.wakeup(5);
    assert_eq!(task.woken(), 1);
    assert_eq!(task.poll(), std::task::Poll::Ready(Ok(5)));
}

#[test]
fn a_task_fails_when_its_wakener_is_gone() {
    let (task, wakener) = os::wait::<u8>();
    let mut task = Hand::new(task);
    assert!(task.poll().is_pending());
    drop(wakener);
    assert_eq!((task.task.state(), task.woken()), (State::Fail, 1));
    assert_eq!(task.poll(), std::task::Poll::Ready(Err(Abandoned)));
}

#[test]
fn waking_a_task_that_nobody_waits_for_does_nothing() {
    let (task, wakener) = os::wait();
    drop(task);
    wakener.wakeup("anyone?");
}

#[test]
fn a_task_that_is_asked_for_by_another_wakes_that_one() {
    let (task, wakener) = os::wait();
    let mut task = Hand::new(task);
    assert!(task.poll().is_pending());
    let first = std::mem::take(&mut task.count);
    assert!(task.poll().is_pending());
    wakener.wakeup(());
    assert_eq!((first.get(), task.woken()), (0, 1));
}
