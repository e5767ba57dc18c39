/* Registration, and what has to be done from C because R jumps: out of C frames only, never over Rust's. */
#include <setjmp.h>

#include <R.h>
#include <Rinternals.h>
#include <R_ext/Rdynload.h>

void R_init_cytosol_extendr(void *dll);

void R_init_cytosol(void *dll) { R_init_cytosol_extendr(dll); }

static void check(void *unused) {
    (void)unused;
    R_CheckUserInterrupt();
}

/* Whether Ctrl-C waits to be seen. */
int cytosol_interrupted(void) { return R_ToplevelExec(check, NULL) == FALSE; }

/* What a progress function of R is told, and what it answers. */
struct news {
    SEXP function;
    const char *stage, *message;
    double done, total, elapsed;
    int answer;
};

static SEXP tell(void *data) {
    struct news *news = data;
    SEXP stage = PROTECT(ScalarString(mkCharCE(news->stage, CE_UTF8)));
    SEXP message = PROTECT(ScalarString(mkCharCE(news->message, CE_UTF8)));
    SEXP done = PROTECT(ScalarReal(news->done)), total = PROTECT(ScalarReal(news->total));
    SEXP elapsed = PROTECT(ScalarReal(news->elapsed));
    SEXP call = PROTECT(lang6(news->function, stage, done, total, elapsed, message));
    news->answer = asInteger(eval(call, R_GlobalEnv));
    UNPROTECT(6);
    return R_NilValue;
}

static void jumped(void *place, Rboolean jumps) {
    if (jumps) longjmp(*(jmp_buf *)place, 1);
}

/* Calls a progress function, whose conditions find the handlers of R as they are: its answer, or -1 when it jumps (an
 * error, a handler that exits, Ctrl-C). The jump waits in `token` until cytosol_jump_function's function goes on. */
int cytosol_tell(SEXP function, const char *stage, double done, double total, double elapsed, const char *message,
                 SEXP token) {
    struct news news = {function, stage, message, done, total, elapsed, 1};
    jmp_buf place;
    if (setjmp(place)) return -1;
    R_UnwindProtect(tell, &news, jumped, &place, token);
    return news.answer;
}

static SEXP go_on(SEXP token) {
    R_ContinueUnwind(token);
    return R_NilValue;
}

/* For .Call, which is R's own: no Rust frame is under the function that jumps. */
SEXP cytosol_jump_function(void) { return R_MakeExternalPtrFn((DL_FUNC)go_on, install("native symbol"), R_NilValue); }
