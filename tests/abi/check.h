/* Checks of the C hosts: every failure is printed with its place, and the host ends with 1. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cytosol.h"

static int failures = 0;
static cyto_error *err = NULL;

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            failures += 1;                                                          \
        }                                                                           \
    } while (0)

/* A call with `&err` that must succeed; the host cannot go on without. */
#define OK(call)                                                                    \
    do {                                                                            \
        if ((call) != CYTO_OK) {                                                    \
            fprintf(stderr, "%s:%d: %s\n    %s %s\n", __FILE__, __LINE__, #call,    \
                    cyto_error_message(err), cyto_error_detail_json(err));          \
            exit(1);                                                                \
        }                                                                           \
        CHECK(err == NULL);                                                         \
    } while (0)

/* A call with `&err` that must fail with a status, a message and `words` in message or detail. */
#define FAILS(status, words, call)                                                  \
    do {                                                                            \
        const cyto_status got_ = (call);                                            \
        if (got_ != (status) || err == NULL || cyto_error_code(err) != got_ ||      \
            (strstr(cyto_error_message(err), (words)) == NULL &&                    \
             strstr(cyto_error_detail_json(err), (words)) == NULL)) {               \
            fprintf(stderr, "%s:%d: %s\n    gave %s \"%s\" %s, not %s \"%s\"\n",    \
                    __FILE__, __LINE__, #call, cyto_status_name(got_),              \
                    cyto_error_message(err), cyto_error_detail_json(err),           \
                    cyto_status_name(status), (words));                             \
            failures += 1;                                                          \
        }                                                                           \
        cyto_error_free(err);                                                       \
        err = NULL;                                                                 \
    } while (0)

#endif
