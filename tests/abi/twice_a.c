/* The header is included twice here and once more in twice_b.c: nothing in it may be defined twice. */
#include "cytosol.h"
#include "cytosol.h"

#ifdef __cplusplus
extern "C" int from_b(void);
#else
int from_b(void);
#endif

int main(void) {
    cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;
    cyto_dense_view dense = CYTO_DENSE_VIEW_INIT;
    cyto_array array = CYTO_ARRAY_INIT;
    cyto_block_source blocks = CYTO_BLOCK_SOURCE_INIT;
    cyto_context_options context = CYTO_CONTEXT_OPTIONS_INIT;
    cyto_open_options open = CYTO_OPEN_OPTIONS_INIT;
    cyto_rctd_files files = CYTO_RCTD_FILES_INIT;
    cyto_reference_input cells = CYTO_REFERENCE_INPUT_INIT;
    cyto_reference_options reference = CYTO_REFERENCE_OPTIONS_INIT;
    cyto_spatial_input pixels = CYTO_SPATIAL_INPUT_INIT;
    struct ArrowArrayStream stream;
    stream.release = 0;
    if (cyto_abi_version() != CYTO_ABI_VERSION || stream.release != 0) return 1;
    if (context.seed != 1 || context.progress_interval_ms != 100 || context.threads != 0) return 2;
    if (reference.n_max_cells != 10000 || !(reference.min_umi > 99.0) || reference.cell_min != 25)
        return 3;
    return view.struct_size == sizeof view && dense.struct_size == sizeof dense &&
                   array.struct_size == sizeof array && blocks.struct_size == sizeof blocks &&
                   context.struct_size == sizeof context && open.struct_size == sizeof open &&
                   files.struct_size == sizeof files && cells.struct_size == sizeof cells &&
                   reference.struct_size == sizeof reference &&
                   pixels.struct_size == sizeof pixels && from_b() == CYTO_OK
               ? 0
               : 4;
}
