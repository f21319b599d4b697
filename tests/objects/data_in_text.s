# Data between code: objects, labels without a type, zeros, ends that are no whole words, symbols in the middle of a packet.
    .text
    .globl code
    .type code, @function
code:
    { r0 = #1 }
    { r1 = #2 ; r2 = #3 ; r4 = #5 }
    { jumpr r31 }
    .size code, . - code
    .type numbers, @object
numbers:
    .word 1, 2, 0x12345678, 0xffffffff
    .string "printable \177\001~"
    .byte 9
    .size numbers, . - numbers
    .p2align 2
    .type again, @function
again:
    { r0 = r1 }
    .word 0, 0
    { r0 = r2 }
    .word 0, 0, 0
    .size again, . - again
untyped:
    { r3 = #4
      r7 = memw(r1 + #0)
      r8 = add(r9, r10)
      memw(r2 + #16) = r11 }
    .set inner, untyped + 8
    .word 0x6fffffff, 0x00001234
    .word 0
after_zero:
    { nop }
    .type tls_like, @tls_object
tls_like:
    .word 5, 6
    .type common_like, @common
common_like:
    .word 7
    .type both, @object
    .globl both
both:
    .globl both_code
    .type both_code, @function
both_code:
    { r0 = #7 }
    .zero 64
    { r0 = #8 }
    .zero 7
odd:
    .byte 1, 2, 3
    .section .text.empty, "ax", @progbits
nothing_here:
    .section .text.nameless, "ax", @progbits
    { r0 = #9 }
    { jumpr r31 }
    .section .text.zeros, "ax", @progbits
    .globl zeros
zeros:
    .zero 32
    .globl more_zeros
more_zeros:
    .zero 4
    { nop }
    .section .text.tail, "ax", @progbits
tail:
    { nop }
    .byte 1, 2
    .section .text.late, "ax", @progbits
    { r0 = #1 }
late:
    { jump late }
    { jump .Lbefore }
.Lbefore:
    { call zeros }
    .section .bss.text, "ax", @nobits
    .globl reserved
reserved:
    .zero 16
    .globl absolute
    .set absolute, 0x40
    .globl absolute_zero
    .set absolute_zero, 0
