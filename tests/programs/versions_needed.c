/* What versions.c needs: names with two versions, or, with -DPLAIN, none.
 *
 * With -DOLD only the first version, as skeletons were linked with once; with -DNEW a third one that the others have not.
 */
#define VISIBLE __attribute__((visibility("default")))

#if defined PLAIN
VISIBLE int answer(void) { return 9; }
VISIBLE _Thread_local int kept = 90;
#else
VISIBLE int answer_1(void) { return 1; }
VISIBLE _Thread_local int kept_1 = 10;
#ifdef OLD
__asm__(".symver answer_1, answer@@V1");
__asm__(".symver kept_1, kept@@V1");
#else
VISIBLE int answer_2(void) { return 2; }
VISIBLE _Thread_local int kept_2 = 20;
__asm__(".symver answer_1, answer@V1");
__asm__(".symver kept_1, kept@V1");
#ifdef NEW
VISIBLE int answer_3(void) { return 3; }
__asm__(".symver answer_2, answer@V2");
__asm__(".symver answer_3, answer@@V3");
#else
__asm__(".symver answer_2, answer@@V2");
#endif
__asm__(".symver kept_2, kept@@V2");
#endif
#endif
