/* In front of libcytosol (LD_PRELOAD) or in its place: a library of another ABI. */
#include <stdint.h>

int32_t cyto_abi_version(void);
int32_t cyto_abi_version(void) { return 999; }
