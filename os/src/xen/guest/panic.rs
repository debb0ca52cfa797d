//! How a guest ends that cannot go on: with its message on the console, as a
//! crash.

use core::arch::asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use crate::xen::console::LastWords;
use crate::xen::hypercall;
use crate::xen::window::Window;

/// The console's page and port, once they are known.
static PAGE: AtomicUsize = AtomicUsize::new(0);
static PORT: AtomicU32 = AtomicU32::new(0);
/// A panic within a panic ends at once.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Where last words go from now on.
pub(super) fn set_console(page: Window, port: u32) {
    PORT.store(port, Ordering::Relaxed);
    PAGE.store(page.address(), Ordering::Relaxed);
}

/// Writes to Xen's own log, a byte at a time: there, before the console is.
struct Port;

impl Write for Port {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: Xen takes this port's bytes for a guest's debug messages;
            // nothing else happens.
            unsafe { asm!("out 0xe9, al", in("al") byte, options(nomem, nostack, preserves_flags)) };
        }
        Ok(())
    }
}

/// Says `what`, and ends the guest as one that has crashed.
pub(super) fn crash(what: fmt::Arguments<'_>) -> ! {
    if !PANICKED.swap(true, Ordering::Relaxed) {
        let base =
            core::ptr::NonNull::new(core::ptr::with_exposed_provenance_mut(PAGE.load(Ordering::Relaxed)));
        // What cannot be said cannot be helped.
        let _ = match base {
            Some(base) => {
                // SAFETY: the page that `set_console` was given.
                let page = unsafe { Window::new(base, crate::xen::abi::PAGE) };
                writeln!(LastWords::new(page, PORT.load(Ordering::Relaxed)), "\r\n{what}")
            }
            None => writeln!(Port, "{what}"),
        };
    }
    hypercall::shutdown(xen_sys::SHUTDOWN_crash)
}

#[cfg(not(guest_small))]
#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    crash(format_args!("{info}"))
}

/// Nothing that panics has a message or a place in the file, since nobody looks at
/// them: 17 KB. In their stead, where functions that were under way return to.
#[cfg(guest_small)]
#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    crash(format_args!("panicked, see addr2line:{}", super::Callers))
}
