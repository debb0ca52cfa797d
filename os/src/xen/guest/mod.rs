//! The guest's beginning and end.

mod exceptions;
mod heap;
mod memory;
mod panic;
mod start;

use core::arch::{asm, global_asm, x86_64::__cpuid};
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use alloc::boxed::Box;

use super::abi::{self, PAGE, cpuid, hvm, memory as memory_op};
use super::bottom::Given;
#[cfg(guest_small)]
use super::callers;
use super::grants::{Grants, map_frame};
use super::pages::Sharing;
use super::window::Window;
use super::{Xen, clock, control, hypercall, random};
use crate::Os;
use start::{Range, Start};

global_asm!(include_str!("boot.s"), options(att_syntax));

unsafe extern "C" {
    /// Ends of the program, from the linker's script.
    static image_start: u8;
    static image_end: u8;
    /// The end of its code.
    #[cfg(guest_small)]
    static rodata_start: u8;
    /// The page under the stack, and the stack's end.
    static stack_guard: u8;
    static stack_top: u8;
    /// A page in it, for Xen to fill.
    static hypercall_page: [u8; PAGE];
}

unsafe extern "Rust" {
    /// The application's beginning, which calls [`run`].
    safe fn guest_main() -> !;
}

/// Where the start info is.
static START: AtomicUsize = AtomicUsize::new(0);

/// The boot code's way on.
#[unsafe(no_mangle)]
extern "C" fn guest_start(start_info: usize) -> ! {
    START.store(start_info, Ordering::Relaxed);
    // SAFETY: called once, here.
    unsafe { exceptions::set_up() };
    guest_main()
}

/// Runs `main` as the guest's program, to its end, and then powers off; ends
/// before that when the tool stack asks for it.
///
/// # Panics
///
/// A guest that lacks what it cannot do without (a console, xenstore, random
/// numbers) crashes with a message.
pub fn run<T>(main: impl AsyncFnOnce(&Os<Xen>) -> T) -> ! {
    let os = Os::new(begin());
    // Its memory ends with the guest: nothing of it needs code that drops it.
    let mut program = ManuallyDrop::new(on_heap(|| async {
        main(&os).await;
        control::End::Poweroff
    }));
    let asked = async {
        match control::asked(&os).await {
            Ok(end) => end,
            // Without xenstore nobody can ask.
            Err(_) => core::future::pending().await,
        }
    };
    let end = os.run(async { crate::race!(program.as_mut(), asked) });
    let console = os.console();
    account(&os, &console);
    traits::Console::log(
        &console,
        match end {
            control::End::Poweroff => "poweroff",
            control::End::Reboot => "reboot",
        },
    );
    drain(&os);
    hypercall::shutdown(end.reason())
}

/// Says what was asked of the hypervisor and of xenstore.
fn account(os: &Os<Xen>, console: &super::Console) {
    let hypercall::Calls { all, sent, waits } = hypercall::calls();
    let (received, grants) = (os.bottom().events_received(), os.bottom().grants_made());
    let requests = os.store().requests();
    traits::Console::log(
        console,
        format_args!(
            "{all} hypercalls ({sent} events sent, {waits} waits), {received} events received, \
             {grants} grants, {requests} requests to xenstore, {} bytes of stack",
            stack_used()
        ),
    );
}

/// Bytes of the stack that were in use at the most: it was zeroed.
fn stack_used() -> usize {
    let (guard, top) = ((&raw const stack_guard).addr(), (&raw const stack_top).addr());
    let untouched = |&at: &usize| {
        // SAFETY: within the stack, below what this function has of it or in it;
        // nobody refers to it.
        unsafe { ptr::with_exposed_provenance::<u64>(at).read_volatile() == 0 }
    };
    top - (guard + PAGE..top).step_by(size_of::<u64>()).find(|at| !untouched(at)).unwrap_or(top)
}

/// The calls behind which words of the stack point, from the last one on, at most 16:
/// those that are under way, and a few that are left from before. Told are their last
/// bytes, since what follows a call that never returns may be another function.
#[cfg(guest_small)]
struct Callers;

#[cfg(guest_small)]
impl core::fmt::Display for Callers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (text, text_end) = ((&raw const image_start).addr(), (&raw const rodata_start).addr());
        let here = (&raw const text).addr().next_multiple_of(size_of::<u64>());
        let words = (here..(&raw const stack_top).addr()).step_by(size_of::<u64>()).map(|at| {
            // SAFETY: within the stack, which nobody else writes to now.
            unsafe { ptr::with_exposed_provenance::<usize>(at).read_volatile() }
        });
        // SAFETY: the program's code, which nobody writes to.
        let code =
            unsafe { core::slice::from_raw_parts(ptr::with_exposed_provenance::<u8>(text), text_end - text) };
        words
            .filter(|&word| callers::follows_call(code, text, word))
            .take(16)
            .try_for_each(|word| write!(f, " {:#x}", word - 1))
    }
}

/// A thread with a whole tower in it may take more than the stack.
#[inline(never)]
fn on_heap<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

/// Gives the console daemon a moment to take what was written.
fn drain(os: &Os<Xen>) {
    const ROUNDS: usize = 100;
    for _ in 0..ROUNDS {
        if os.bottom().console().0.flush_all() {
            return;
        }
        hypercall::pause();
    }
}

/// All that comes before the run loop. Whatever is missing ends the guest.
fn begin() -> Xen {
    // SAFETY: what the boot code found in `ebx`.
    let Some(start) = (unsafe { Start::read(START.load(Ordering::Relaxed)) }) else {
        panic::crash(format_args!(
            "no start info of version 1: not started as a PVH guest by Xen 4.11 or later"
        ));
    };
    find_hypercalls();
    let program = Range { start: (&raw const image_start).addr(), end: (&raw const image_end).addr() };
    // SAFETY: that is where the program is; the memory map is the tool stack's.
    unsafe { start.free(program, |range| heap::add(range)) };
    let console = page_and_port(hvm::CONSOLE_FRAME, hvm::CONSOLE_PORT, "console");
    panic::set_console(console.0, console.1);
    let store = page_and_port(hvm::STORE_FRAME, hvm::STORE_PORT, "xenstore");
    assert!(
        !start.has_memory(abi::SHARED_INFO_AT) && !start.has_memory(abi::GRANT_TABLE_AT),
        "memory where Xen's pages are to be"
    );
    let shared_info = map_shared_info();
    let Ok(random) = random::seeded(context(shared_info)) else {
        panic!("no random numbers: the processor offers neither RDSEED nor RDRAND");
    };
    // SAFETY: the heap has nothing of what is below its end.
    let command_line = unsafe { start.command_line() };
    let sharing = Sharing::new(Grants::new(map_frame));
    match Xen::new(Given { shared_info, console, store, sharing, random, command_line }) {
        Some(xen) => xen,
        None => panic!("no event channel"),
    }
}

/// Finds Xen by CPUID and has it fill the page of hypercalls.
fn find_hypercalls() {
    let base = (cpuid::FIRST..cpuid::LAST).step_by(cpuid::STEP).find(|&leaf| {
        let found = __cpuid(leaf);
        [found.ebx, found.ecx, found.edx] == cpuid::SIGNATURE
    });
    let Some(base) = base else { panic::crash(format_args!("no Xen under this program")) };
    let register = __cpuid(base + cpuid::HYPERCALL_PAGE).ebx;
    let page = (&raw const hypercall_page).expose_provenance();
    // SAFETY: writing a page's address to that register has Xen fill the page,
    // which is kept for that.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") page as u32, in("edx") (page >> 32) as u32);
        hypercall::set_page(page);
    }
}

/// A page that the tool stack shares with a daemon, and the port to it.
fn page_and_port(frame: u32, port: u32, what: &str) -> (Window, u32) {
    let found = hypercall::param(frame).zip(hypercall::param(port));
    let Some((frame, port)) = found.filter(|&(frame, port)| frame != 0 && port != 0) else {
        panic::crash(format_args!("this guest was given no {what}"));
    };
    let address = frame as usize * PAGE;
    let base = NonNull::new(ptr::with_exposed_provenance_mut(address));
    let Some(base) = base.filter(|_| frame < (1 << 32) / PAGE as u64) else {
        panic::crash(format_args!("the page of the {what} is out of reach"));
    };
    // SAFETY: the tool stack's page for this, apart from the guest's memory; the
    // boot code has mapped it.
    (unsafe { Window::new(base, PAGE) }, port as u32)
}

fn map_shared_info() -> Window {
    let address = abi::SHARED_INFO_AT;
    // SAFETY: no memory is there, as was seen.
    let mapped = unsafe { hypercall::map(memory_op::SPACE_SHARED_INFO, 0, address) };
    match NonNull::new(ptr::with_exposed_provenance_mut(address)).filter(|_| mapped) {
        // SAFETY: mapped for ever, just now.
        Some(base) => unsafe { Window::new(base, PAGE) },
        None => panic!("Xen does not share its page"),
    }
}

/// What tells this start of this guest from others.
fn context(shared_info: Window) -> [u8; 32] {
    let mut context = [0; 32];
    let (handle, times) = context.split_at_mut(16);
    handle.copy_from_slice(&hypercall::guest_handle());
    let (counter, time) = times.split_at_mut(8);
    counter.copy_from_slice(&clock::counter().to_le_bytes());
    time.copy_from_slice(&(clock::wall(shared_info).as_nanos() as u64).to_le_bytes());
    context
}
