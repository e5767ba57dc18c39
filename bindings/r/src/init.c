/* Registration, and the one question to R that has to be asked from C. */
#include <R.h>
#include <Rinternals.h>

void R_init_cytosol_extendr(void *dll);

void R_init_cytosol(void *dll) { R_init_cytosol_extendr(dll); }

static void check(void *unused) {
    (void)unused;
    R_CheckUserInterrupt();
}

/* Whether Ctrl-C waits to be seen. R_CheckUserInterrupt jumps: here no Rust frame is jumped over. */
int cytosol_interrupted(void) { return R_ToplevelExec(check, NULL) == FALSE; }
