# The entry of a PVH guest: 32 bits, paging off, ebx = address of the start info
# (arch-x86/hvm/start_info.h). Identity-maps the first 4 GiB, leaves out the page
# at 0 and the one below the stack, and goes on in 64 bits.

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

    # 2048 pages of 2 MiB: present, writable, large.
    movl $boot_directories, %edi
    movl $0x83, %eax
    movl $2048, %ecx
1:  movl %eax, (%edi)
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

    # The 2 MiB of the stack's guard in small pages, without the guard.
    movl $stack_guard, %edx
    andl $0xffe00000, %edx
    movl $boot_table, %edi
    leal 3(%edx), %eax
    movl $512, %ecx
3:  movl %eax, (%edi)
    addl $0x1000, %eax
    addl $8, %edi
    loop 3b
    movl $stack_guard, %eax
    shrl $12, %eax
    andl $511, %eax
    movl $0, boot_table(, %eax, 8)
    movl %edx, %eax
    shrl $21, %eax
    movl $boot_table + 3, boot_directories(, %eax, 8)
    # Nothing is at 0, if that is in the same 2 MiB.
    testl %edx, %edx
    jnz 4f
    movl $0, boot_table
4:
    movl %cr4, %eax
    orl $0x620, %eax            # PAE, OSFXSR, OSXMMEXCPT
    movl %eax, %cr4
    movl $boot_top, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx      # EFER
    rdmsr
    orl $0x100, %eax            # LME
    wrmsr
    movl %cr0, %eax
    andl $0xfffffffb, %eax      # not EM
    orl $0x80010003, %eax       # PG, WP, MP, PE
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $5f

.code64
5:  xorl %eax, %eax
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
    jmp 6f
    .set vector, vector + 1
.endr
6:  movq %rsp, %rdi
    andq $-16, %rsp
    cld
    call guest_exception
    ud2

.section .rodata.boot, "a", @progbits
.balign 8
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000    # code, 64 bits
boot_gdt_pointer:
    .word 15
    .long boot_gdt

.section .bss.boot, "aw", @nobits
.balign 4096
boot_top:
    .skip 4096
boot_pointers:
    .skip 4096
boot_directories:
    .skip 16384
boot_table:
    .skip 4096
.global hypercall_page
hypercall_page:
    .skip 4096
