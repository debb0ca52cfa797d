//! A network of one's own, without privileges where the system allows.

#![allow(unsafe_code)]

use core::fmt;
use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Why there is no namespace.
#[derive(Debug)]
#[non_exhaustive]
pub enum NamespaceError {
    /// The system does not let this user make one.
    Denied,
    /// The program has several threads already.
    Threads,
    /// The kernel was built without, or the bound of namespaces is reached.
    Unavailable(io::Error),
    /// The user could not be mapped into the new namespace.
    Mapping(io::Error),
}

impl fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str(
                "this system does not let its users make namespaces: run as root, or see \
                 `sysctl kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns \
                 user.max_user_namespaces`; in a container, allow `unshare` in its seccomp profile",
            ),
            Self::Threads => f.write_str("a namespace has to be entered before the program starts threads"),
            Self::Unavailable(error) => write!(f, "this kernel has no namespace to give: {error}"),
            Self::Mapping(error) => {
                write!(f, "could not become root in a user namespace of one's own: {error}")
            }
        }
    }
}

impl core::error::Error for NamespaceError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Denied | Self::Threads => None,
            Self::Unavailable(error) | Self::Mapping(error) => Some(error),
        }
    }
}

/// Moves the program into a new network namespace, where it may create
/// interfaces, and into a new user namespace if it takes one to do so.
///
/// The namespace is empty but for a loopback that is down, and ends with the
/// program. To be called first thing in `main`, before any thread starts:
/// only the calling thread moves, and what it starts later.
///
/// # Errors
///
/// See [`NamespaceError`]. The program is where it was then, except after
/// [`NamespaceError::Mapping`].
pub fn enter() -> Result<(), NamespaceError> {
    // With the privilege, a network namespace alone is enough, and the user
    // stays who it is.
    match unshare(UnshareFlags::NEWNET) {
        Err(Errno::PERM) => {}
        done => return done.map_err(failed),
    }
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET).map_err(failed)?;
    let map = |file: &str, line: String| fs::write(file, line).map_err(NamespaceError::Mapping);
    // Kernels before 3.19 have no such file, and need none.
    match fs::write("/proc/self/setgroups", "deny") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(NamespaceError::Mapping(error)),
        _ => {}
    }
    map("/proc/self/uid_map", format!("0 {user} 1"))?;
    map("/proc/self/gid_map", format!("0 {group} 1"))
}

fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: what makes this call unsafe is `UnshareFlags::FILES`, by which
    // descriptors of one thread become unknown to another. It is not among the
    // flags given here.
    unsafe { unshare_unsafe(flags) }
}

fn failed(errno: Errno) -> NamespaceError {
    match errno {
        Errno::PERM | Errno::ACCESS => NamespaceError::Denied,
        Errno::INVAL => NamespaceError::Threads,
        _ => NamespaceError::Unavailable(errno.into()),
    }
}
