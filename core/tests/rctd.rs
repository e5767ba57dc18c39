//! RCTD on simulated tissues: recovery of the truth, the same bits however it is run, faults.

mod tissue;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cytosol::rctd::{Mode, Partial, Rctd, RctdOptions, RctdResults, Reference};
use cytosol::{Context, ContextOptions, ErrorKind, Flow};
use tissue::{Plan, Tissue};

const MODES: [Mode; 3] = [Mode::Full, Mode::Doublet, Mode::Multi];

fn context(threads: usize) -> Context {
    let mut options = ContextOptions::default();
    options.threads = threads;
    // Only the fixed reports: how many others there are depends on timing.
    options.progress_interval = std::time::Duration::from_secs(3600);
    Context::new(&options).expect("a context")
}

fn prepared(ctx: &Context, tissue: &Tissue) -> Rctd<'static> {
    let reference =
        Reference::build(ctx, tissue.reference(), &Default::default()).expect("a reference");
    let mut rctd =
        Rctd::create(ctx, tissue.spatial(), &reference, RctdOptions::default()).expect("created");
    rctd.prepare(ctx).expect("prepared");
    rctd
}

/// Every float as bits, so that equality is equality.
fn bits(results: &RctdResults) -> Vec<u64> {
    let mut floats = results.weights.clone();
    if let Some(doublet) = &results.doublet {
        floats.extend(&doublet.min_score);
        floats.extend(&doublet.singlet_score);
        floats.extend(&doublet.weights);
        if let Some(scores) = &doublet.scores {
            floats.extend(&scores.pair_scores);
            floats.extend(&scores.singlet_scores);
        }
    }
    if let Some(multi) = &results.multi {
        floats.extend(&multi.sub_weights);
        floats.extend(&multi.min_score);
    }
    floats.iter().map(|f| f.to_bits()).collect()
}

#[test]
fn bits_do_not_depend_on_threads_or_chunks() {
    let tissue = Tissue::simulate(Plan::default());
    let ctx = context(1);
    let mut rctd = prepared(&ctx, &tissue);
    let sigma = rctd.sigma().expect("estimated").clone();
    let expected = MODES.map(|mode| rctd.fit_pixels(&ctx, mode).expect("fitted"));
    for threads in [1, 2, 3, 7] {
        let ctx = context(threads);
        let mut rctd = prepared(&ctx, &tissue);
        assert_eq!(rctd.sigma(), Some(&sigma));
        for expected in &expected {
            let mode = expected.mode;
            let found = rctd.fit_pixels(&ctx, mode).expect("fitted");
            assert_eq!(bits(&found), bits(expected), "{mode}, {threads} threads");
            assert_eq!(&found, expected);
            for size in [1, 17, 1000] {
                let mut partials = Vec::new();
                for range in rctd.plan(Some(size)) {
                    let partial = rctd.run_shard(&ctx, mode, range).expect("a shard");
                    let bytes = partial.to_bytes();
                    partials.push(Partial::from_bytes(&bytes).expect("whole"));
                }
                partials.reverse();
                let merged = rctd.merge(mode, partials).expect("merged");
                assert_eq!(bits(&merged), bits(expected), "{mode}, shards of {size}");
                assert_eq!(&merged, expected);
            }
        }
    }
}

#[test]
fn order_of_pixels_and_genes_does_not_change_a_pixel() {
    let tissue = Tissue::simulate(Plan::default());
    let ctx = context(2);
    let reference =
        Reference::build(&ctx, tissue.reference(), &Default::default()).expect("a reference");
    let run = |spatial| {
        let mut rctd =
            Rctd::create(&ctx, spatial, &reference, RctdOptions::default()).expect("created");
        rctd.run(&ctx, Mode::Full).expect("fitted")
    };
    let expected = run(tissue.spatial());
    let mut turned = tissue.spatial();
    let mut block = cytosol::data::CountBlock::default();
    let n = tissue.plan.pixels;
    turned
        .counts
        .read_cells(&ctx, 0..n, &mut block)
        .expect("rows");
    let mut matrix = cytosol::data::matrix::Csr::new(tissue.plan.genes);
    for row in (0..n).rev() {
        let (genes, counts) = block.row(row);
        let last = tissue.plan.genes as u32 - 1;
        for (&gene, &count) in genes.iter().zip(counts).rev() {
            matrix.push(last - gene, count);
        }
        matrix.end_cell();
    }
    turned.counts = Box::new(matrix);
    turned.pixels.reverse();
    turned.genes.reverse();
    let found = run(turned);
    let k = expected.cell_types.len();
    for (pixel, barcode) in expected.barcodes.iter().enumerate() {
        let other = found
            .barcodes
            .iter()
            .position(|b| b == barcode)
            .expect("kept too");
        assert_eq!(
            expected.weights[pixel * k..(pixel + 1) * k],
            found.weights[other * k..(other + 1) * k]
        );
    }
}

#[test]
fn the_truth_is_recovered() {
    let tissue = Tissue::simulate(Plan {
        genes: 240,
        pixels: 150,
        sigma: 0.3,
        ..Plan::default()
    });
    let ctx = context(0);
    let mut rctd = prepared(&ctx, &tissue);
    let sigma = rctd.sigma().expect("estimated").key;
    assert!((20..=45).contains(&sigma), "simulated 30, found {sigma}");
    let k = tissue.plan.types;
    let full = rctd.fit_pixels(&ctx, Mode::Full).expect("fitted");
    let mut squares = 0.0;
    for (found, row) in full.normalized_weights().chunks_exact(k).zip(&full.pixels) {
        let truth = &tissue.truth[*row as usize * k..][..k];
        squares += found
            .iter()
            .zip(truth)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>();
    }
    let error = (squares / full.weights.len() as f64).sqrt();
    assert!(error < 0.06, "root mean square error {error}");

    let results = rctd.fit_pixels(&ctx, Mode::Doublet).expect("fitted");
    let doublet = results.doublet.as_ref().expect("doublet mode");
    let (mut right, mut sure) = (0, 0);
    for (pixel, &row) in results.pixels.iter().enumerate() {
        let truth = &tissue.truth[row as usize * k..][..k];
        let present: Vec<u32> = (0..k as u32).filter(|&t| truth[t as usize] > 0.0).collect();
        let mut found = vec![doublet.first_type[pixel]];
        match doublet.spot_class[pixel] {
            1 => {}
            2 => found.push(doublet.second_type[pixel]),
            _ => continue,
        }
        found.sort_unstable();
        sure += 1;
        right += usize::from(found == present);
    }
    assert!(
        sure * 10 > results.n_pixels() * 8,
        "{sure} sure of {}",
        results.n_pixels()
    );
    assert!(right * 100 > sure * 95, "{right} right of {sure}");
}

#[test]
fn cancelling_at_any_progress_call_stops_and_leaves_the_context_usable() {
    let tissue = Tissue::simulate(Plan {
        pixels: 20,
        ..Plan::default()
    });
    let ctx = context(2);
    let run = |ctx: &Context| {
        let reference = Reference::build(ctx, tissue.reference(), &Default::default())?;
        let mut rctd = Rctd::create(ctx, tissue.spatial(), &reference, RctdOptions::default())?;
        rctd.run(ctx, Mode::Doublet)
    };
    let expected = run(&ctx).expect("fitted");
    let calls = Arc::new(AtomicUsize::new(0));
    let stop_at = Arc::new(AtomicUsize::new(usize::MAX));
    let (counted, limit) = (Arc::clone(&calls), Arc::clone(&stop_at));
    ctx.set_progress(Some(Box::new(move |_| {
        if counted.fetch_add(1, Ordering::Relaxed) == limit.load(Ordering::Relaxed) {
            Flow::Cancel
        } else {
            Flow::Continue
        }
    })));
    run(&ctx).expect("fitted");
    let n_calls = calls.load(Ordering::Relaxed);
    assert!(n_calls > 10, "{n_calls} progress calls");
    for at in 0..n_calls {
        calls.store(0, Ordering::Relaxed);
        stop_at.store(at, Ordering::Relaxed);
        let error = run(&ctx).expect_err("stopped");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "at call {at}");
        ctx.cancel_token().reset();
    }
    stop_at.store(usize::MAX, Ordering::Relaxed);
    assert_eq!(run(&ctx).expect("fitted"), expected);
}

#[test]
fn shards_of_another_run_are_refused() {
    let tissue = Tissue::simulate(Plan::default());
    let ctx = context(2);
    let mut rctd = prepared(&ctx, &tissue);
    let n = rctd.kept().len() as u64;
    let whole = rctd.run_shard(&ctx, Mode::Full, 0..n).expect("a shard");
    let error = rctd
        .merge(Mode::Doublet, vec![whole.clone()])
        .expect_err("other mode");
    assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
    let other = Tissue::simulate(Plan {
        sigma: 0.5,
        ..Plan::default()
    });
    let error = prepared(&ctx, &other)
        .merge(Mode::Full, vec![whole.clone()])
        .expect_err("other data");
    assert_eq!(error.kind(), ErrorKind::CheckpointMismatch);
    let half = rctd.run_shard(&ctx, Mode::Full, 0..n / 2).expect("a shard");
    let error = rctd
        .merge(Mode::Full, vec![half.clone()])
        .expect_err("a gap");
    assert_eq!(error.argument_name(), Some("partials"));
    let error = rctd
        .merge(Mode::Full, vec![half, whole])
        .expect_err("an overlap");
    assert_eq!(error.argument_name(), Some("partials"));
    assert!(rctd.run_shard(&ctx, Mode::Full, 0..n + 1).is_err());
}

#[test]
fn steps_out_of_order_are_a_state_error() {
    let tissue = Tissue::simulate(Plan::default());
    let ctx = context(1);
    let reference =
        Reference::build(&ctx, tissue.reference(), &Default::default()).expect("a reference");
    let mut rctd =
        Rctd::create(&ctx, tissue.spatial(), &reference, RctdOptions::default()).expect("created");
    let error = rctd.choose_sigma(&ctx).expect_err("no bulk fit yet");
    assert_eq!(error.kind(), ErrorKind::State);
    rctd.fit_bulk(&ctx).expect("fitted");
    let error = rctd.fit_pixels(&ctx, Mode::Full).expect_err("no sigma yet");
    assert_eq!(error.kind(), ErrorKind::State);
}

#[test]
fn options_change_between_steps_and_later_steps_are_done_again() {
    let tissue = Tissue::simulate(Plan::default());
    let ctx = context(1);
    let mut rctd = prepared(&ctx, &tissue);
    let key = rctd.sigma().expect("chosen").key;
    let expected = bits(&rctd.fit_pixels(&ctx, Mode::Full).expect("fitted"));

    let with = |change: &dyn Fn(&mut RctdOptions)| {
        let mut options = RctdOptions::default();
        change(&mut options);
        options
    };
    let error = rctd
        .set_options(with(&|o| o.umi_min = 50.0))
        .expect_err("pixels are chosen");
    assert_eq!(error.argument_name(), Some("umi_min"));
    rctd.set_options(with(&|o| o.sigma = Some(key)))
        .expect("the sigma that was found");
    let again = bits(&rctd.fit_pixels(&ctx, Mode::Full).expect("fitted"));
    assert_eq!(again, expected);
    rctd.set_options(with(&|o| o.sigma = Some(10)))
        .expect("another sigma");
    assert!(rctd.sigma().is_none() && rctd.bulk().is_some());
    rctd.choose_sigma(&ctx).expect("taken");
    let other = bits(&rctd.fit_pixels(&ctx, Mode::Full).expect("fitted"));
    assert_ne!(other, expected);
    rctd.set_options(with(&|o| o.sigma_pixels = Some(vec![0, 1, 2])))
        .expect("a sample");
    rctd.choose_sigma(&ctx).expect("chosen");
    assert_eq!(rctd.sigma().expect("chosen").n_pixels, 3);
    rctd.set_options(with(&|o| o.min_change_bulk = 1.0))
        .expect("a coarser bulk fit");
    assert!(rctd.bulk().is_none() && rctd.sigma().is_none());
}
