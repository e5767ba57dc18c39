//! Any matrix, in any storage a host may have it in, gives the same blocks; broken views give
//! errors and never a panic.

use cytosol::data::matrix::{
    Csr, DenseView, FnBlocks, IndexArray, IndexBase, Layout, Orientation, SparseView, ValueArray,
};
use cytosol::data::{CellBlocks, CountBlock};
use cytosol::{Context, ContextOptions};
use proptest::prelude::*;

/// Counts as a host would hold them, cells x genes, row-major.
#[derive(Debug, Clone)]
struct Matrix {
    n_cells: usize,
    n_genes: usize,
    counts: Vec<u8>,
}

fn matrices() -> impl Strategy<Value = Matrix> {
    (0_usize..12, 1_usize..9).prop_flat_map(|(n_cells, n_genes)| {
        let count = prop_oneof![3 => Just(0_u8), 2 => any::<u8>()];
        prop::collection::vec(count, n_cells * n_genes).prop_map(move |counts| Matrix {
            n_cells,
            n_genes,
            counts,
        })
    })
}

/// Sparse arrays of one compressed axis, explicit zeros kept when asked.
struct Arrays {
    indptr: Vec<i64>,
    indices: Vec<i64>,
    values: Vec<f64>,
}

impl Matrix {
    fn at(&self, cell: usize, gene: usize) -> u8 {
        self.counts[cell * self.n_genes + gene]
    }

    fn compressed(&self, by_cell: bool, keep_zeros: bool, base: i64) -> Arrays {
        let (n_major, n_minor) = if by_cell {
            (self.n_cells, self.n_genes)
        } else {
            (self.n_genes, self.n_cells)
        };
        let mut arrays = Arrays {
            indptr: vec![base],
            indices: Vec::new(),
            values: Vec::new(),
        };
        for major in 0..n_major {
            // Backwards, so that unsorted indices are met all the time.
            for minor in (0..n_minor).rev() {
                let value = if by_cell {
                    self.at(major, minor)
                } else {
                    self.at(minor, major)
                };
                if value > 0 || keep_zeros {
                    arrays.indices.push(minor as i64 + base);
                    arrays.values.push(f64::from(value));
                }
            }
            arrays.indptr.push(arrays.indices.len() as i64 + base);
        }
        arrays
    }
}

/// The values in every element type, owned.
struct Typed {
    i32s: Vec<i32>,
    i64s: Vec<i64>,
    f32s: Vec<f32>,
    f64s: Vec<f64>,
    u16s: Vec<u16>,
    u32s: Vec<u32>,
    u8s: Vec<u8>,
}

impl Typed {
    fn new(values: &[f64]) -> Self {
        Typed {
            i32s: values.iter().map(|&v| v as i32).collect(),
            i64s: values.iter().map(|&v| v as i64).collect(),
            f32s: values.iter().map(|&v| v as f32).collect(),
            f64s: values.to_vec(),
            u16s: values.iter().map(|&v| v as u16).collect(),
            u32s: values.iter().map(|&v| v as u32).collect(),
            u8s: values.iter().map(|&v| v as u8).collect(),
        }
    }

    fn all(&self) -> [ValueArray<'_>; 7] {
        [
            ValueArray::I32(&self.i32s),
            ValueArray::I64(&self.i64s),
            ValueArray::F32(&self.f32s),
            ValueArray::F64(&self.f64s),
            ValueArray::U16(&self.u16s),
            ValueArray::U32(&self.u32s),
            ValueArray::U8(&self.u8s),
        ]
    }
}

fn context(threads: usize) -> Context {
    let mut options = ContextOptions::default();
    options.threads = threads;
    Context::new(&options).expect("a pool")
}

type Rows = Vec<(Vec<u32>, Vec<u32>)>;

/// All rows, read in ranges of `step` cells.
fn rows(ctx: &Context, source: &mut dyn CellBlocks, step: usize) -> Rows {
    let mut rows = Vec::new();
    let mut block = CountBlock::default();
    let n_cells = source.n_cells();
    for start in (0..n_cells).step_by(step) {
        let end = n_cells.min(start + step);
        source
            .read_cells(ctx, start..end, &mut block)
            .expect("read");
        assert_eq!((block.first_row(), block.n_rows()), (start, end - start));
        rows.extend((0..block.n_rows()).map(|row| {
            let (genes, counts) = block.row(row);
            (genes.to_vec(), counts.to_vec())
        }));
    }
    rows
}

/// The slow and obvious second implementation.
fn expected(matrix: &Matrix) -> Rows {
    (0..matrix.n_cells)
        .map(|cell| {
            (0..matrix.n_genes)
                .map(|gene| (gene as u32, u32::from(matrix.at(cell, gene))))
                .filter(|&(_, count)| count > 0)
                .unzip()
        })
        .collect()
}

fn sparse<'a>(
    matrix: &Matrix,
    by_cell: bool,
    orientation: Orientation,
    arrays: (IndexArray<'a>, IndexArray<'a>, ValueArray<'a>, IndexBase),
) -> SparseView<'a> {
    let (n_rows, n_columns) = match orientation {
        Orientation::CellsByGenes => (matrix.n_cells, matrix.n_genes),
        Orientation::GenesByCells => (matrix.n_genes, matrix.n_cells),
    };
    let rows_are_cells = orientation == Orientation::CellsByGenes;
    SparseView {
        name: "counts",
        layout: if by_cell == rows_are_cells {
            Layout::Csr
        } else {
            Layout::Csc
        },
        orientation,
        n_rows,
        n_columns,
        index_base: arrays.3,
        indptr: arrays.0,
        indices: arrays.1,
        values: arrays.2,
    }
}

const ORIENTATIONS: [Orientation; 2] = [Orientation::CellsByGenes, Orientation::GenesByCells];

/// Dense arrays of the matrix with its strides, `gap` unused elements after each line.
fn dense(
    matrix: &Matrix,
    orientation: Orientation,
    row_major: bool,
    gap: usize,
) -> (Vec<f64>, [usize; 4]) {
    let (n_rows, n_columns) = match orientation {
        Orientation::CellsByGenes => (matrix.n_cells, matrix.n_genes),
        Orientation::GenesByCells => (matrix.n_genes, matrix.n_cells),
    };
    let (row_stride, column_stride) = if row_major {
        (n_columns + gap, 1)
    } else {
        (1, n_rows + gap)
    };
    let mut values = vec![0.0; n_rows * row_stride + n_columns * column_stride];
    for row in 0..n_rows {
        for column in 0..n_columns {
            let (cell, gene) = match orientation {
                Orientation::CellsByGenes => (row, column),
                Orientation::GenesByCells => (column, row),
            };
            values[row * row_stride + column * column_stride] = f64::from(matrix.at(cell, gene));
        }
    }
    (values, [n_rows, n_columns, row_stride, column_stride])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sparse_storage_gives_the_same_blocks(
        matrix in matrices(), step in 1_usize..14, keep_zeros: bool, trusted: bool,
        threads in 1_usize..4,
    ) {
        let ctx = context(threads);
        let want = expected(&matrix);
        for (base, number) in [(IndexBase::Zero, 0), (IndexBase::One, 1)] {
            for by_cell in [true, false] {
                let arrays = matrix.compressed(by_cell, keep_zeros, number);
                let typed = Typed::new(&arrays.values);
                let narrow_indptr: Vec<i32> = arrays.indptr.iter().map(|&p| p as i32).collect();
                let narrow_indices: Vec<i32> = arrays.indices.iter().map(|&i| i as i32).collect();
                let indptrs = [IndexArray::I64(&arrays.indptr), IndexArray::I32(&narrow_indptr)];
                let indices = [IndexArray::I64(&arrays.indices), IndexArray::I32(&narrow_indices)];
                for orientation in ORIENTATIONS {
                    for (k, values) in typed.all().into_iter().enumerate() {
                        let parts = (indptrs[k % 2], indices[(k / 2) % 2], values, base);
                        let view = sparse(&matrix, by_cell, orientation, parts);
                        let mut cells = view.into_blocks(&ctx, trusted).expect("good view");
                        prop_assert_eq!(cells.n_genes(), matrix.n_genes);
                        prop_assert_eq!(&rows(&ctx, &mut *cells, step), &want);
                    }
                }
            }
        }
    }

    #[test]
    fn every_dense_storage_gives_the_same_blocks(
        matrix in matrices(), step in 1_usize..14, gap in 0_usize..3, row_major: bool,
    ) {
        let ctx = context(1);
        let want = expected(&matrix);
        for orientation in ORIENTATIONS {
            let (values, [n_rows, n_columns, row_stride, column_stride]) =
                dense(&matrix, orientation, row_major, gap);
            for values in Typed::new(&values).all() {
                let view = DenseView {
                    name: "counts", orientation, n_rows, n_columns, row_stride, column_stride,
                    values,
                };
                let mut cells = view.into_blocks().expect("good view");
                prop_assert_eq!(&rows(&ctx, &mut *cells, step), &want);
            }
        }
    }

    #[test]
    fn owned_and_lent_blocks_are_the_same(matrix in matrices(), step in 1_usize..14) {
        let ctx = context(1);
        let want = expected(&matrix);
        let counts: Vec<u32> = matrix.counts.iter().map(|&c| u32::from(c)).collect();
        let mut owned = Csr::from_dense(matrix.n_genes, &counts).expect("whole rows");
        prop_assert_eq!(&rows(&ctx, &mut owned, step), &want);
        let lender = matrix.clone();
        let mut lent = FnBlocks::new(matrix.n_cells, matrix.n_genes, false, move |cells, take| {
            let entries = cells.start * lender.n_genes..cells.end * lender.n_genes;
            let part = Matrix {
                n_cells: cells.len(),
                n_genes: lender.n_genes,
                counts: lender.counts[entries].to_vec(),
            };
            let arrays = part.compressed(true, false, 0);
            let parts = (
                IndexArray::I64(&arrays.indptr),
                IndexArray::I64(&arrays.indices),
                ValueArray::F64(&arrays.values),
                IndexBase::Zero,
            );
            take(&sparse(&part, true, Orientation::CellsByGenes, parts))
        });
        prop_assert_eq!(&rows(&ctx, &mut lent, step), &want);
    }

    #[test]
    fn arbitrary_arrays_never_panic(
        indptr in prop::collection::vec(-2_i64..9, 0..7),
        indices in prop::collection::vec(prop_oneof![-2_i64..6, any::<i64>()], 0..8),
        values in prop::collection::vec(prop_oneof![Just(1.0), any::<f64>()], 0..8),
        n_rows in 0_usize..6, n_columns in 0_usize..6,
        csr: bool, cells_first: bool, one: bool, trusted: bool,
    ) {
        let ctx = context(1);
        let view = SparseView {
            name: "counts",
            layout: if csr { Layout::Csr } else { Layout::Csc },
            orientation: ORIENTATIONS[usize::from(!cells_first)],
            n_rows,
            n_columns,
            index_base: if one { IndexBase::One } else { IndexBase::Zero },
            indptr: IndexArray::I64(&indptr),
            indices: IndexArray::I64(&indices),
            values: ValueArray::F64(&values),
        };
        if let Ok(mut cells) = view.into_blocks(&ctx, trusted) {
            let mut block = CountBlock::default();
            let n_cells = cells.n_cells();
            if cells.read_cells(&ctx, 0..n_cells, &mut block).is_ok() {
                for row in 0..block.n_rows() {
                    prop_assert!(block.row(row).0.iter().all(|&g| (g as usize) < cells.n_genes()));
                }
            }
        }
    }
}
