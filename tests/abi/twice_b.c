#include "cytosol.h"

#ifdef __cplusplus
extern "C" int from_b(void);
#else
int from_b(void);
#endif

int from_b(void) { return (int)cyto_error_code(NULL); }
