/*
 * cytosol.h - the C interface of Cytosol, the embeddable engine for single-cell and spatial genomics.
 *
 * Generated from capi/src by `cargo run --release -p cytosol-capi --example gen_header`: do not edit.
 *
 * Rules that hold for every function:
 *
 * - A function that can fail returns cyto_status and has the last argument `cyto_error **err`, which may
 *   be NULL. On failure *err is a new error object (code, message, JSON detail), freed with
 *   cyto_error_free; on success it is NULL. Its old value is overwritten, never freed.
 * - The output parameter stands just before `err`. On every failing path the handle in it is NULL.
 * - A handle that a function writes to `out` belongs to the caller and has exactly one function that frees
 *   it, which takes NULL. Handles may be freed in any order.
 * - All other pointers that come out are borrowed, as each function says, at most until the handle is freed.
 * - Strings are UTF-8 and end with NUL; paths are bytes. Strings that go in are copied.
 * - Structs that begin with `size_t struct_size` are filled by the macro of the same name that ends in
 *   _INIT; later versions of the library only append fields, and zero means the default for these.
 * - A context serves one call at a time; a second one, also from inside a callback, gets CYTO_STATE. Different
 *   contexts are independent. Handles passed as const may be used from several threads.
 * - Callbacks come on the thread that made the call and must not unwind (C++ exceptions, longjmp).
 * - Results are the same bits for any number of threads, any block size, whole or in shards.
 * - No function ends the process or prints, and none lets a panic out (CYTO_PANIC instead).
 *
 * Link with -lcytosol, or with libcytosol.a and the libraries that cytosol.pc lists.
 */
