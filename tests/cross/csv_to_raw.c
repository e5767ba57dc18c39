/*
 * Makes arrays, as the hosts write them, of the CSV tables of the command line, whose numbers have all their
 * digits. Usage: csv_to_raw FOLDER MODE OUTPUT/files.MODE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>

enum { MOST_COLUMNS = 64 };

static const char *prefix;
static char *types[MOST_COLUMNS];
static int n_types;

static void fail(const char *what) {
    fprintf(stderr, "csv_to_raw: %s\n", what);
    exit(1);
}

static FILE *create(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s.%s", prefix, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) fail(path);
    return file;
}

static FILE *table(const char *folder, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path);
    return file;
}

/* Fields of the next line; 0 at the end. None of ours holds a comma or a quote. */
static int fields(FILE *file, char *line, char **field) {
    int n = 0;
    if (fgets(line, 1 << 16, file) == NULL) return 0;
    line[strcspn(line, "\r\n")] = 0;
    if (strchr(line, '"') != NULL) fail("a quoted field");
    for (char *at = line; at != NULL && n < MOST_COLUMNS; n++) {
        field[n] = at;
        at = strchr(at, ',');
        if (at != NULL) *at++ = 0;
    }
    return n;
}

static uint32_t code_of(const char *type) {
    for (uint32_t k = 0; k < (uint32_t)n_types; k++)
        if (strcmp(types[k], type) == 0) return k;
    fail(type);
    return 0;
}

static void put(FILE *file, const char *kind, const char *text) {
    static const char *const classes[] = {"reject", "singlet", "doublet_certain", "doublet_uncertain"};
    const double number = strtod(text, NULL);
    const uint8_t flag = strcmp(text, "TRUE") == 0;
    const uint32_t code = kind[0] == 't' ? code_of(text) : 0;
    switch (kind[0]) {
    case 'f': fwrite(&number, sizeof number, 1, file); break;
    case 'b': fwrite(&flag, 1, 1, file); break;
    case 't': fwrite(&code, sizeof code, 1, file); break;
    default:
        for (uint8_t i = 0; i < 4; i++)
            if (strcmp(classes[i], text) == 0) fwrite(&i, 1, 1, file);
    }
}

/* weights.csv: types, barcodes and weights. */
static void weights(const char *folder) {
    static char line[1 << 16], header[1 << 16];
    char *field[MOST_COLUMNS];
    FILE *in = table(folder, "weights.csv"), *values = create("weights"), *names = create("barcodes"),
         *columns = create("cell_types");
    n_types = fields(in, header, field) - 1;
    for (int k = 0; k < n_types; k++) fprintf(columns, "%s\n", types[k] = field[k + 1]);
    while (fields(in, line, field) == n_types + 1) {
        fprintf(names, "%s\n", field[0]);
        for (int k = 0; k < n_types; k++) put(values, "f64", field[k + 1]);
    }
    fclose(in);
    fclose(values);
    fclose(names);
    fclose(columns);
}

/* Columns of a table by their names, each into its array. */
static void columns(const char *folder, const char *name, const char *const (*wanted)[3], int n) {
    static char line[1 << 16], header[1 << 16];
    char *field[MOST_COLUMNS];
    FILE *in = table(folder, name), *out[MOST_COLUMNS];
    int at[MOST_COLUMNS];
    const int n_columns = fields(in, header, field);
    for (int i = 0; i < n; i++) {
        at[i] = -1;
        for (int c = 1; c < n_columns; c++)
            if (strcmp(field[c], wanted[i][0]) == 0) at[i] = c;
        if (at[i] < 0) fail(wanted[i][0]);
        out[i] = create(wanted[i][1]);
    }
    while (fields(in, line, field) == n_columns)
        for (int i = 0; i < n; i++) put(out[i], wanted[i][2], field[at[i]]);
    for (int i = 0; i < n; i++) fclose(out[i]);
    fclose(in);
}

static void doublet_weights(const char *folder) {
    static char line[1 << 16];
    char *field[MOST_COLUMNS];
    FILE *in = table(folder, "weights_doublet.csv"), *out = create("weights_doublet");
    fields(in, line, field);
    while (fields(in, line, field) == 3) {
        put(out, "f64", field[1]);
        put(out, "f64", field[2]);
    }
    fclose(in);
    fclose(out);
}

int main(int argc, char **argv) {
    static const char *const doublet[][3] = {
        {"spot_class", "spot_class", "class"}, {"first_type", "first_type", "type"},
        {"second_type", "second_type", "type"}, {"first_class", "first_class", "bool"},
        {"second_class", "second_class", "bool"}, {"min_score", "min_score", "f64"},
        {"singlet_score", "singlet_score", "f64"}, {"conv_all", "conv_all", "bool"},
        {"conv_doublet", "conv_doublet", "bool"}};
    static const char *const full[][3] = {{"dominant_type", "dominant_type", "type"},
                                          {"conv_all", "conv_all", "bool"}};
    static const char *const multi[][3] = {{"cell_type", "multi_types", "type"},
                                           {"sub_weight", "sub_weights", "f64"},
                                           {"confident", "conf_list", "bool"}};
    if (argc != 4) return 2;
    prefix = argv[3];
    weights(argv[1]);
    if (strcmp(argv[2], "doublet") == 0) {
        columns(argv[1], "results_df.csv", doublet, 9);
        doublet_weights(argv[1]);
    } else if (strcmp(argv[2], "full") == 0) {
        columns(argv[1], "results_df.csv", full, 2);
    } else {
        columns(argv[1], "results_multi.csv", multi, 3);
    }
    return 0;
}
