//! Facts of Xen's public interface that `xen-sys` does not have, for x86-64.
//! The headers that state them are named at each.

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;

/// The calling domain itself (`xen.h`).
pub(super) const DOMID_SELF: u16 = 0x7ff0;

/// `errno.h`, negated by hypercalls.
pub(super) const ENOSYS: isize = -38;

/// Addresses for pages that Xen maps in: below the pages that the tool stack
/// puts under 4 GiB, above all memory of a PVH guest.
pub(super) const SHARED_INFO_AT: usize = 0xfd00_0000;
/// As [`SHARED_INFO_AT`], for the frames of the grant table.
pub(super) const GRANT_TABLE_AT: usize = 0xfd10_0000;

/// Leaves of CPUID (`arch-x86/cpuid.h`).
pub(super) mod cpuid {
    /// The first leaf of a hypervisor; Xen's may be moved up by 0x100 or a
    /// multiple of it, to make room for another hypervisor's.
    pub(in super::super) const FIRST: u32 = 0x4000_0000;
    pub(in super::super) const LAST: u32 = 0x4001_0000;
    pub(in super::super) const STEP: usize = 0x100;
    /// "XenVMMXenVMM" in `ebx`, `ecx`, `edx`.
    pub(in super::super) const SIGNATURE: [u32; 3] = [0x566e_6558, 0x6558_4d4d, 0x4d4d_566e];
    /// From the first leaf on: `ebx` is the register to ask for the page of
    /// hypercalls with.
    pub(in super::super) const HYPERCALL_PAGE: u32 = 2;
}

/// `memory.h`.
pub(super) mod memory {
    pub(in super::super) const ADD_TO_PHYSMAP: usize = 7;
    pub(in super::super) const SPACE_SHARED_INFO: u32 = 0;
    pub(in super::super) const SPACE_GRANT_TABLE: u32 = 1;

    #[repr(C)]
    pub(in super::super) struct AddToPhysmap {
        pub(in super::super) domain: u16,
        pub(in super::super) size: u16,
        pub(in super::super) space: u32,
        pub(in super::super) index: u64,
        pub(in super::super) frame: u64,
    }
}

/// `hvm/hvm_op.h`, `hvm/params.h`.
pub(super) mod hvm {
    pub(in super::super) const GET_PARAM: usize = 1;
    pub(in super::super) const STORE_FRAME: u32 = 1;
    pub(in super::super) const STORE_PORT: u32 = 2;
    pub(in super::super) const CONSOLE_FRAME: u32 = 17;
    pub(in super::super) const CONSOLE_PORT: u32 = 18;

    #[repr(C)]
    pub(in super::super) struct Param {
        pub(in super::super) domain: u16,
        pub(in super::super) pad: u16,
        pub(in super::super) index: u32,
        pub(in super::super) value: u64,
    }
}

/// `grant_table.h`, version 1: flags, domain and frame of an entry are 8 bytes.
pub(super) mod grant {
    pub(in super::super) const ENTRY: usize = 8;
    /// The first entries are the tool stack's.
    pub(in super::super) const RESERVED: u32 = 8;
    pub(in super::super) const PERMIT_ACCESS: u16 = 1;
    pub(in super::super) const READ_ONLY: u16 = 1 << 2;
    pub(in super::super) const READING: u16 = 1 << 3;
    pub(in super::super) const WRITING: u16 = 1 << 4;
}

/// `version.h`.
pub(super) const XENVER_GUEST_HANDLE: usize = 8;

/// `arch-x86/hvm/start_info.h`.
pub(super) mod start {
    pub(in super::super) const MAGIC: u32 = 0x336e_c578;
    /// Ordinary memory, in the map.
    pub(in super::super) const RAM: u32 = 1;

    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    pub(in super::super) struct StartInfo {
        pub(in super::super) magic: u32,
        pub(in super::super) version: u32,
        pub(in super::super) flags: u32,
        pub(in super::super) modules: u32,
        pub(in super::super) module_list: u64,
        pub(in super::super) command_line: u64,
        pub(in super::super) rsdp: u64,
        pub(in super::super) memory_map: u64,
        pub(in super::super) memory_map_entries: u32,
        pub(in super::super) reserved: u32,
    }

    /// A file that came with the guest, such as an initial file system.
    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    pub(in super::super) struct Module {
        pub(in super::super) start: u64,
        pub(in super::super) size: u64,
        pub(in super::super) command_line: u64,
        pub(in super::super) reserved: u64,
    }

    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    pub(in super::super) struct MemoryMapEntry {
        pub(in super::super) start: u64,
        pub(in super::super) size: u64,
        pub(in super::super) kind: u32,
        pub(in super::super) reserved: u32,
    }
}
