//! Deadlines, and who is woken for them.

use std::time::Duration;

use crate::common::*;
use ipv4::REASSEMBLY_TIMEOUT;
use traits::*;

fn fragment(id: u16) -> Make {
    make(PEER, ME, 17, pattern(32)).with(|p| {
        p.fragment = MF;
        p.id = id;
    })
}

#[test]
fn the_earliest_deadline_of_all() {
    let link = Link::default();
    let i = layer(&link);
    let at = |secs| i.now() + Duration::from_secs(secs);
    assert_eq!(poll(&i), None);
    link.deadline.set(Some(at(40)));
    assert_eq!(poll(&i), Some(at(40)));
    feed(&i, &fragment(1));
    assert_eq!(poll(&i), Some(at(30)));
    link.deadline.set(Some(at(5)));
    assert_eq!(poll(&i), Some(at(5)));
    assert_eq!(link.polls.get(), 4);
}

#[test]
fn a_task_is_woken_for_an_earlier_deadline_and_no_other() {
    let link = Link::default();
    let i = layer(&link);
    let (count, waker) = Count::waker();
    i.poll(i.now(), &waker);
    feed(&i, &fragment(1));
    assert_eq!(count.get(), 1);
    i.poll(i.now(), &waker);
    link.pass(Duration::from_secs(1));
    feed(&i, &fragment(2));
    feed(&i, &make(PEER, ME, 17, vec![]));
    assert_eq!(count.get(), 1, "a later deadline wakes nobody");
    i.join_group(GROUP).unwrap();
    assert_eq!(count.get(), 2);
}

#[test]
fn all_tasks_are_woken() {
    let link = Link::default();
    let i = layer(&link);
    let (a, wakes_a) = Count::waker();
    let (b, wakes_b) = Count::waker();
    i.poll(i.now(), &wakes_a);
    i.poll(i.now(), &wakes_b);
    feed(&i, &fragment(1));
    assert_eq!((a.get(), b.get()), (1, 1));
}

#[test]
fn deadlines_pass_one_by_one() {
    let link = Link::default();
    let i = layer(&link);
    let start = i.now();
    feed(&i, &fragment(1));
    link.pass(Duration::from_secs(3));
    feed(&i, &fragment(2));
    link.now.set(start + REASSEMBLY_TIMEOUT);
    assert_eq!(poll(&i), Some(start + REASSEMBLY_TIMEOUT + Duration::from_secs(3)));
    assert_eq!(i.statistics().rx_fragment_timeout, 1);
    link.pass(Duration::from_secs(60));
    assert_eq!(poll(&i), None);
    assert_eq!(i.statistics().rx_fragment_timeout, 2);
    assert_eq!(link.take().len(), 2);
}
