/* What symbols.c needs, linked with versions. */
#define VISIBLE __attribute__((visibility("default")))

VISIBLE int counter = 5;
VISIBLE int given(void) { return 2; }
VISIBLE int versioned(void) { return counter; }
VISIBLE int (*address_of_versioned(void))(void) { return versioned; }
VISIBLE int asks_for_given(void) { return given(); }
