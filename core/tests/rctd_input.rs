//! What bad input gets: an error that names what is wrong, where, and what would be right.

mod tissue;

use cytosol::data::{CellBlocks, CountBlock};
use cytosol::rctd::{
    Mode, PixelFate, RareTypes, Rctd, RctdOptions, Reference, ReferenceOptions, SpatialInput,
};
use cytosol::{Context, Error, ErrorKind, Reason, Result};
use tissue::{Plan, Tissue};

fn ctx() -> Context {
    Context::single_threaded().expect("a context")
}

fn create_with(
    change: impl FnOnce(&mut SpatialInput<'static>),
    options: RctdOptions,
) -> Result<Rctd<'static>> {
    let tissue = Tissue::simulate(Plan::default());
    let ctx = ctx();
    let reference = Reference::build(&ctx, tissue.reference(), &Default::default())?;
    let mut spatial = tissue.spatial();
    change(&mut spatial);
    Rctd::create(&ctx, spatial, &reference, options)
}

fn failure(change: impl FnOnce(&mut SpatialInput<'static>), options: RctdOptions) -> Error {
    match create_with(change, options) {
        Ok(_) => panic!("must be refused"),
        Err(error) => error,
    }
}

/// A matrix with one value that is no count.
struct Broken {
    n_genes: usize,
    n_cells: usize,
    value: f64,
}

impl CellBlocks for Broken {
    fn n_cells(&self) -> usize {
        self.n_cells
    }

    fn n_genes(&self) -> usize {
        self.n_genes
    }

    fn read_cells(
        &mut self,
        _: &Context,
        cells: std::ops::Range<usize>,
        block: &mut CountBlock,
    ) -> Result<()> {
        block.start(cells.start);
        for cell in cells {
            if cell == 17 {
                block.push(3, self.value)?;
            }
            block.end_row();
        }
        Ok(())
    }
}

#[test]
fn values_that_are_no_counts_are_named_by_gene_and_pixel() {
    for (value, words) in [
        (-1.0, "negative"),
        (1.5, "not an integer"),
        (f64::NAN, "not a number"),
    ] {
        let error = failure(
            |s| {
                s.counts = Box::new(Broken {
                    n_genes: s.genes.len(),
                    n_cells: s.pixels.len(),
                    value,
                });
            },
            RctdOptions::default(),
        );
        assert!(
            error
                .message()
                .starts_with(r#"spatial.counts[gene "Gene3", pixel "pixel17"]: "#),
            "{error}"
        );
        assert!(error.message().contains(words), "{error}");
    }
}

#[test]
fn foreign_gene_names_are_shown_with_examples() {
    let error = failure(
        |s| s.genes.iter_mut().for_each(|g| *g = format!("ENS_{g}")),
        RctdOptions::default(),
    );
    assert_eq!(error.reason(), &Reason::NoCommonGenes);
    for name in [
        "Gene0",
        "Gene1",
        "Gene2",
        "ENS_Gene0",
        "ENS_Gene1",
        "ENS_Gene2",
    ] {
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn filters_say_how_many_pixels_each_of_them_took() {
    let mut options = RctdOptions::default();
    options.umi_min = 1e9;
    options.umi_max = 1e10;
    let error = failure(|_| {}, options);
    assert_eq!(error.reason(), &Reason::NoPixels);
    assert!(
        error.message().contains("90 have nUMI < umi_min"),
        "{error}"
    );
}

#[test]
fn every_removed_pixel_has_its_reason() {
    let rctd = create_with(
        |s| {
            let mut n_umi = vec![500.0; s.pixels.len()];
            n_umi[4] = 99.0;
            n_umi[5] = 3e7;
            s.n_umi = Some(n_umi);
        },
        RctdOptions::default(),
    )
    .expect("created");
    assert_eq!(rctd.fates()[4], PixelFate::UmiTooLow);
    assert_eq!(rctd.fates()[5], PixelFate::UmiTooHigh);
    assert_eq!(rctd.kept().len(), 88);
}

#[test]
fn no_pixel_for_sigma_names_the_current_value() {
    let mut options = RctdOptions::default();
    options.umi_min_sigma = 1e6;
    let mut rctd = create_with(|_| {}, options).expect("created");
    let error = rctd.run(&ctx(), Mode::Full).expect_err("no pixel");
    assert_eq!(error.reason(), &Reason::NoSigmaPixels);
    assert!(
        error.message().contains("umi_min_sigma = 1000000"),
        "{error}"
    );
}

#[test]
fn rare_types_are_named_with_their_numbers() {
    let tissue = Tissue::simulate(Plan {
        cells_per_type: 24,
        ..Plan::default()
    });
    let ctx = ctx();
    let reference =
        Reference::build(&ctx, tissue.reference(), &Default::default()).expect("a reference");
    let error = match Rctd::create(&ctx, tissue.spatial(), &reference, RctdOptions::default()) {
        Ok(_) => panic!("must be refused"),
        Err(error) => error,
    };
    assert!(error.message().contains("Type0 (24 cells)"), "{error}");
    assert!(matches!(error.reason(), Reason::TooFewCells { cell_types } if cell_types.len() == 5));
    let mut options = ReferenceOptions::default();
    options.rare_types = RareTypes::Drop;
    let error = Reference::build(&ctx, tissue.reference(), &options).expect_err("none left");
    assert!(error.message().contains("at least 2 are needed"), "{error}");
}

#[test]
fn labels_and_names_are_checked() {
    let tissue = Tissue::simulate(Plan::default());
    let ctx = ctx();
    let build = |change: &dyn Fn(&mut cytosol::rctd::ReferenceInput<'static>)| {
        let mut input = tissue.reference();
        change(&mut input);
        Reference::build(&ctx, input, &Default::default()).expect_err("refused")
    };
    let error = build(&|i| i.cell_types.codes[7] = -1);
    assert!(
        error
            .message()
            .contains(r#"cell "cell7" has no cell type (1 cells"#),
        "{error}"
    );
    let error = build(&|i| i.cell_types.categories[2] = "T/B".into());
    assert!(error.message().contains(r#""T/B" contains "/""#), "{error}");
    let error = build(&|i| i.genes[1] = "Gene0".into());
    assert!(error.message().contains("names must be unique"), "{error}");
    let error = build(&|i| i.n_umi = Some(vec![1.0; 3]));
    assert!(
        error.message().contains("3 values for 150 names"),
        "{error}"
    );
    let error = build(&|i| i.cells.truncate(3));
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn downsampling_keeps_the_asked_number_and_is_seeded() {
    let tissue = Tissue::simulate(Plan::default());
    let ctx = ctx();
    let mut options = ReferenceOptions::default();
    options.n_max_cells = 27;
    let first = Reference::build(&ctx, tissue.reference(), &options).expect("a reference");
    assert!(first.cells_per_type.iter().all(|&n| n == 27));
    assert!(first.warnings[0].contains("n_max_cells = 27"));
    let again = Reference::build(&ctx, tissue.reference(), &options).expect("a reference");
    assert_eq!(first, again);
}

#[test]
fn replicates_share_a_reference() {
    use cytosol::rctd::{Replicate, Replicates};
    let tissue = Tissue::simulate(Plan::default());
    let ctx = ctx();
    let reference =
        Reference::build(&ctx, tissue.reference(), &Default::default()).expect("a reference");
    let member = |name: &str, group| Replicate {
        name: name.into(),
        group,
        spatial: tissue.spatial(),
    };
    let options = RctdOptions::default();
    let error = |list| match Replicates::create(&ctx, list, &reference, &options) {
        Ok(_) => panic!("must be refused"),
        Err(error) => error,
    };
    assert!(error(vec![member("a", 1)]).message().contains("at least 2"));
    assert!(
        error(vec![member("a", 1), member("a", 1)])
            .message()
            .contains("twice")
    );
    assert!(
        error(vec![member("a", 1), member("b", 2)])
            .message()
            .contains("group 1")
    );
    let mut pair = Replicates::create(
        &ctx,
        vec![member("a", 1), member("b", 1)],
        &reference,
        &options,
    )
    .expect("created");
    let results = pair.run(&ctx, Mode::Full).expect("fitted");
    assert_eq!(results[0].1, results[1].1);
}

#[test]
fn given_profiles_and_explicit_sigma_pixels_are_used() {
    let tissue = Tissue::simulate(Plan::default());
    let ctx = ctx();
    let built =
        Reference::build(&ctx, tissue.reference(), &Default::default()).expect("a reference");
    let given = Reference::from_profiles(built.profiles.clone()).expect("profiles");
    let run = |reference: &Reference, options: RctdOptions| {
        let mut rctd = Rctd::create(&ctx, tissue.spatial(), reference, options).expect("created");
        rctd.run(&ctx, Mode::Full).expect("fitted")
    };
    let expected = run(&built, RctdOptions::default());
    assert_eq!(run(&given, RctdOptions::default()), expected);
    let mut options = RctdOptions::default();
    options.sigma = Some(71);
    assert_eq!(run(&given, options.clone()).sigma, 70);
    options.sigma = None;
    options.sigma_pixels = Some(vec![3, 1, 2]);
    let mut rctd = Rctd::create(&ctx, tissue.spatial(), &given, options.clone()).expect("created");
    rctd.prepare(&ctx).expect("prepared");
    assert_eq!(rctd.sigma().expect("estimated").n_pixels, 3);
    for (pixels, entries, words) in [
        (Some(vec![]), None, "names no pixel"),
        (None, Some(vec![]), "round 0 has no list"),
        (None, Some(vec![vec![u64::MAX]]), "names entry"),
    ] {
        options.sigma_pixels = pixels;
        options.sigma_entries = entries;
        let mut rctd =
            Rctd::create(&ctx, tissue.spatial(), &given, options.clone()).expect("created");
        let error = rctd.prepare(&ctx).expect_err("refused");
        assert!(error.message().contains(words), "{error}");
    }
    options.sigma_entries = None;
    options.sigma_pixels = Some(vec![9999]);
    let mut rctd = Rctd::create(&ctx, tissue.spatial(), &given, options).expect("created");
    assert!(
        rctd.prepare(&ctx)
            .expect_err("no such pixel")
            .message()
            .contains("row 9999")
    );
}
