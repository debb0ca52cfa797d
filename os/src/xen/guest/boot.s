# The entry of a PVH guest: 32 bits, paging off, ebx = address of the start info
# (arch-x86/hvm/start_info.h). Identity-maps the first 4 GiB, leaves out the page
# at 0 and the one below the stack, and goes on in 64 bits. No page is writable
# and executable: code and constants are not writable, and only code and the page
# of hypercalls are executable. Every processor that Xen runs on can do that.

.section .note.xen, "a", @note
    .balign 4
    .long 4                     # bytes of the name
    .long 4                     # bytes of the value
    .long 18                    # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long _start

.section .text.boot, "ax", @progbits
.code32
.global _start
_start:
    cld
    movl %ebx, %ebp

    # 2048 pages of 2 MiB: present, writable, large, not executable.
    movl $boot_directories, %edi
    movl $0x83, %eax
    movl $2048, %ecx
1:  movl %eax, (%edi)
    movl $0x80000000, 4(%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 1b

    # The four directories in the table above, that in the one above it.
    movl $boot_pointers, %edi
    movl $boot_directories + 3, %eax
    movl $4, %ecx
2:  movl %eax, (%edi)
    addl $0x1000, %eax
    addl $8, %edi
    loop 2b
    movl $boot_pointers + 3, boot_top

    # Those that the program is in as small pages, as the large ones were.
    movl $boot_tables, %edi
    movl $3, %eax
3:  movl %eax, (%edi)
    movl $0x80000000, 4(%edi)
    addl $0x1000, %eax
    addl $8, %edi
    cmpl $boot_tables_end, %edi
    jb 3b
    movl $boot_directories, %edi
    movl $boot_tables + 3, %eax
4:  movl %eax, (%edi)
    movl $0, 4(%edi)
    addl $8, %edi
    addl $0x1000, %eax
    cmpl $boot_tables_end + 3, %eax
    jb 4b

    # Code: executable. Code and constants: not writable.
    movl $text_entries, %edi
5:  movl $0, 4(%edi)
    addl $8, %edi
    cmpl $rodata_entries, %edi
    jb 5b
    movl $text_entries, %edi
6:  andb $0xfd, (%edi)
    addl $8, %edi
    cmpl $data_entries, %edi
    jb 6b
    # Xen fills it, past these tables.
    andb $0xfd, hypercall_entry
    movl $0, hypercall_entry + 4
    # Nothing is at 0, nor below the stack.
    movl $0, boot_tables
    movl $0, guard_entry

    movl %cr4, %eax
    orl $0x620, %eax            # PAE, OSFXSR, OSXMMEXCPT
    movl %eax, %cr4
    movl $boot_top, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx      # EFER
    rdmsr
    orl $0x900, %eax            # LME, NXE
    wrmsr
    movl %cr0, %eax
    andl $0xfffffffb, %eax      # not EM
    orl $0x80010003, %eax       # PG, WP, MP, PE
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $7f

.code64
7:  xorl %eax, %eax
    movl %eax, %ss
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl $stack_top, %esp
    movl %ebp, %edi
    call guest_start
    ud2

# Exceptions: each stub leaves the frame with an error code and the vector.
.balign 16
.global exception_stubs
exception_stubs:
.set vector, 0
.rept 32
    .balign 16
    .if vector == 8 || vector == 10 || vector == 11 || vector == 12 || vector == 13 || vector == 14 || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    pushq $0
    .endif
    pushq $vector
    jmp 8f
    .set vector, vector + 1
.endr
8:  movq %rsp, %rdi
    andq $-16, %rsp
    cld
    call guest_exception
    ud2

.section .rodata.boot, "a", @progbits
.balign 8
boot_gdt:
    .quad 0
    # Code, 64 bits, accessed: so the processor does not write it here.
    .quad 0x00209b0000000000
boot_gdt_pointer:
    .word 15
    .long boot_gdt

.section .bss.boot, "aw", @nobits
# The linker's script puts them at a page's beginning.
boot_top:
    .skip 4096
boot_pointers:
    .skip 4096
boot_directories:
    .skip 16384
.global hypercall_page
hypercall_page:
    .skip 4096
