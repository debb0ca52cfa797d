//! Applications with a main for each bottom: a Linux process, or a Xen guest.
