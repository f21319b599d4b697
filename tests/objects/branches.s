# Every kind of jump and call: to labels of this section and of another, forwards and backwards, extended and not.
    .text
    .globl branches
    .type branches, @function
branches:
    { jump ahead }
    { call branches }
    { if (p0) jump ahead }
    { if (!p0) jump branches }
    { if (p0.new) jump:t ahead
      p0 = cmp.eq(r0, #1) }
    { if (!p1) jump:nt ahead }
    { if (p1) call elsewhere }
    { if (!p1) call branches }
    { if (r0 != #0) jump:t ahead }
    { if (r0 != #0) jump:nt ahead }
    { if (r0 >= #0) jump:t branches }
    { if (r0 == #0) jump:t ahead }
    { if (r0 <= #0) jump:nt branches }
    { p0 = cmp.eq(r0, #-1); if (p0.new) jump:t ahead }
    { p0 = cmp.gtu(r1, r2); if (!p0.new) jump:nt branches }
    { p1 = tstbit(r3, #0); if (p1.new) jump:t ahead }
    { r0 = #5 ; jump ahead }
    { r1 = r2 ; jump branches }
    { r2 = add(r2, #1)
      if (cmp.eq(r2.new, #3)) jump:t ahead }
    { r2 = add(r2, #1)
      if (!cmp.gt(r2.new, r4)) jump:nt branches }
    { r2 = add(r2, #1)
      if (tstbit(r2.new, #0)) jump:t ahead }
    { jump ##ahead }
    { call ##far_away }
    { if (p0) jump ##far_away }
    { loop0(start0, #4) }
start0:
    { nop }
    { r0 = add(r0, #1) }:endloop0
    { loop1(start1, r3) }
start1:
    { p3 = sp1loop0(start2, #3) }
start2:
    { r0 = add(r0, #1) }:endloop0
    { r0 = add(r0, #2) ; nop }:endloop1
    { r7 = add(pc, ##elsewhere@PCREL) }
    { r8 = ##branches
      jump ahead }
    { jumpr r31 ; r0 = r1 }
    { if (p0) jumpr:t r31 }
    { callr r5 }
    { if (!p2) callr r6 }
    { if (p0) jump ahead
      jump branches }
ahead:
    { trap0(#1) }
    { r5:4 = memd(r0 + #8) ; memw(r1 + #4) = r2 ; jump .Lprivate }
.Lprivate:
    { jump 1f }
1:  { jumpr r31 }
    .size branches, . - branches

    .section .text.second, "ax", @progbits
    .globl elsewhere
    .type elsewhere, @function
elsewhere:
    { jump branches }
    { call elsewhere }
    { jump . }
    { if (p0) jump ##branches }
    .size elsewhere, . - elsewhere
