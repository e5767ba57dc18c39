/* What the structs are filled with: `cyto_sparse_view view = CYTO_SPARSE_VIEW_INIT;` */
#define CYTO_ARRAY_INIT {sizeof(cyto_array), 0, 0, 0, 0, 0, NULL}
#define CYTO_BLOCK_SOURCE_INIT {sizeof(cyto_block_source), 0, 0, NULL, NULL, NULL, NULL, 0}
#define CYTO_CONTEXT_OPTIONS_INIT {sizeof(cyto_context_options), 0, 100, 1, 0, NULL}
#define CYTO_DENSE_VIEW_INIT {sizeof(cyto_dense_view), 0, 0, 0, 0, 0, 0, NULL}
#define CYTO_DESEQ_INPUT_INIT \
    {sizeof(cyto_deseq_input), NULL, NULL, NULL, 0, NULL, NULL, NULL, 0}
#define CYTO_DESEQ_UNMIX_INPUT_INIT {sizeof(cyto_deseq_unmix_input), NULL, NULL, 0, 0, 0}
#define CYTO_OPEN_OPTIONS_INIT {sizeof(cyto_open_options), NULL, NULL, 0, 0, 0, 0}
#define CYTO_PP_INPUT_INIT \
    {sizeof(cyto_pp_input), NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0}
#define CYTO_RCTD_FILES_INIT {sizeof(cyto_rctd_files), NULL, NULL, NULL, NULL, NULL, NULL}
#define CYTO_REFERENCE_INPUT_INIT \
    {sizeof(cyto_reference_input), NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0}
#define CYTO_REFERENCE_OPTIONS_INIT {sizeof(cyto_reference_options), 10000, 100.0, 25, 0, 0, NULL, 0}
#define CYTO_SPARSE_VIEW_INIT \
    {sizeof(cyto_sparse_view), 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0}
#define CYTO_SPATIAL_INPUT_INIT {sizeof(cyto_spatial_input), NULL, NULL, 0, NULL, 0, NULL, 0, NULL, 0}
