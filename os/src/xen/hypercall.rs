//! Hypercalls.
//!
//! They go through a page that Xen fills with one stub of 32 bytes for each:
//! so the same program runs on Intel's and on AMD's processors.

use core::arch::asm;
use core::ptr::from_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::abi::{self, DOMID_SELF, ENOSYS, hvm, memory};

/// The address of the page; 0 where there is no Xen, as in a test.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Calls made so far; of these, events sent; and waits.
static CALLS: AtomicUsize = AtomicUsize::new(0);
static SENT: AtomicUsize = AtomicUsize::new(0);
static WAITS: AtomicUsize = AtomicUsize::new(0);

/// Bytes of a stub.
const STUB: usize = 32;

/// Tells where the page of hypercalls is.
///
/// # Safety
///
/// Xen must have filled it, and it must stay.
pub(super) unsafe fn set_page(address: usize) {
    PAGE.store(address, Ordering::Relaxed);
}

/// Calls the hypervisor; `ENOSYS` where there is none.
///
/// # Safety
///
/// What Xen does with the arguments must be sound: pointers among them must be
/// to memory that it may read, or write where it does.
unsafe fn call(number: u32, first: usize, second: usize) -> isize {
    let page = PAGE.load(Ordering::Relaxed);
    if page == 0 {
        return ENOSYS;
    }
    count(&CALLS);
    let stub = page + number as usize * STUB;
    let result: isize;
    // SAFETY: the stub is Xen's; it keeps all registers but the result's and,
    // in debug builds of Xen, those of the arguments. It uses the stack, so
    // `nostack` is not said.
    unsafe {
        asm!(
            "call {stub}",
            stub = in(reg) stub,
            inlateout("rdi") first => _,
            inlateout("rsi") second => _,
            lateout("rdx") _, lateout("r10") _, lateout("r8") _,
            out("rax") result,
        );
    }
    result
}

fn count(calls: &AtomicUsize) {
    // One processor, and nothing interrupts it.
    calls.store(calls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// What was asked of the hypervisor so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    pub(super) all: usize,
    /// Of these, events sent.
    pub(super) sent: usize,
    /// Of these, waits.
    pub(super) waits: usize,
}

/// The calls made so far.
pub(super) fn calls() -> Calls {
    let [all, sent, waits] = [&CALLS, &SENT, &WAITS].map(|calls| calls.load(Ordering::Relaxed));
    Calls { all, sent, waits }
}

/// A hypercall with the number of an operation and its argument.
///
/// # Safety
///
/// The argument must be what the operation wants.
unsafe fn operation<T>(number: u32, operation: usize, argument: &mut T) -> isize {
    // SAFETY: the caller's word; the argument is memory that may be written.
    unsafe { call(number, operation, from_mut(argument).expose_provenance()) }
}

/// Sends an event to the other end of a port. A port that is closed is nobody's
/// concern.
pub(super) fn send(port: u32) {
    count(&SENT);
    let mut argument = xen_sys::evtchn_send { port };
    // SAFETY: the argument is the operation's.
    let _ = unsafe {
        operation(xen_sys::__HYPERVISOR_event_channel_op, xen_sys::EVTCHNOP_send as usize, &mut argument)
    };
}

/// A new port that `peer` may bind to.
pub(super) fn alloc_unbound(peer: u16) -> Option<u32> {
    let mut argument = xen_sys::evtchn_alloc_unbound { dom: DOMID_SELF, remote_dom: peer, port: 0 };
    let number = xen_sys::EVTCHNOP_alloc_unbound as usize;
    // SAFETY: the argument is the operation's.
    let status = unsafe { operation(xen_sys::__HYPERVISOR_event_channel_op, number, &mut argument) };
    (status == 0).then_some(argument.port)
}

/// Closes a port.
pub(super) fn close(port: u32) {
    let mut argument = xen_sys::evtchn_close { port };
    // SAFETY: the argument is the operation's.
    let _ = unsafe {
        operation(xen_sys::__HYPERVISOR_event_channel_op, xen_sys::EVTCHNOP_close as usize, &mut argument)
    };
}

/// Blocks until one of `ports` is pending or Xen's time is `until`, in
/// nanoseconds (0: for ever). May return early.
pub(super) fn poll(ports: &mut [u32], until: u64) {
    count(&WAITS);
    let nr_ports = u32::try_from(ports.len()).unwrap_or_default();
    let mut argument = xen_sys::sched_poll { ports: ports.as_mut_ptr(), nr_ports, timeout: until };
    // SAFETY: the argument is the operation's, and `ports` as long as it says.
    let _ = unsafe { operation(xen_sys::__HYPERVISOR_sched_op, xen_sys::SCHEDOP_poll as usize, &mut argument) };
}

/// Ends the guest, with a reason of `SHUTDOWN_…`.
pub(super) fn shutdown(reason: u32) -> ! {
    loop {
        let mut argument = xen_sys::sched_shutdown { reason };
        let number = xen_sys::SCHEDOP_shutdown as usize;
        // SAFETY: the argument is the operation's.
        let _ = unsafe { operation(xen_sys::__HYPERVISOR_sched_op, number, &mut argument) };
    }
}

/// A parameter of this guest.
pub(super) fn param(index: u32) -> Option<u64> {
    let mut argument = hvm::Param { domain: DOMID_SELF, pad: 0, index, value: 0 };
    // SAFETY: the argument is the operation's.
    let status = unsafe { operation(xen_sys::__HYPERVISOR_hvm_op, hvm::GET_PARAM, &mut argument) };
    (status == 0).then_some(argument.value)
}

/// Has a page of Xen's appear at `address`.
///
/// # Safety
///
/// Nothing else may be there: what was is lost.
pub(super) unsafe fn map(space: u32, index: u64, address: usize) -> bool {
    let frame = (address / abi::PAGE) as u64;
    let mut argument = memory::AddToPhysmap { domain: DOMID_SELF, size: 0, space, index, frame };
    // SAFETY: the argument is the operation's, the place is the caller's word.
    let status = unsafe { operation(xen_sys::__HYPERVISOR_memory_op, memory::ADD_TO_PHYSMAP, &mut argument) };
    status == 0
}

/// The identity that the tool stack gave to this guest.
pub(super) fn guest_handle() -> [u8; 16] {
    let mut handle = [0; 16];
    // SAFETY: the argument is the operation's: 16 bytes.
    let _ = unsafe { operation(xen_sys::__HYPERVISOR_xen_version, abi::XENVER_GUEST_HANDLE, &mut handle) };
    handle
}

/// Gives the processor away for a moment.
pub(super) fn pause() {
    let mut nothing = 0_u32;
    // SAFETY: the operation ignores its argument.
    let _ = unsafe { operation(xen_sys::__HYPERVISOR_sched_op, xen_sys::SCHEDOP_yield as usize, &mut nothing) };
}
