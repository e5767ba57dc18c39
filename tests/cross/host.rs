//! The Rust host; see README.md. Usage: cross INPUT OUTPUT

use std::path::{Path, PathBuf};

use cytosol::data::matrix::Csr;
use cytosol::data::{Categorical, OpenOptions, open};
use cytosol::rctd::{
    Mode, Partial, Rctd, RctdOptions, RctdResults, Reference, ReferenceInput, ReferenceOptions,
    SpatialInput, cell_type_labels,
};
use cytosol::{Context, ContextOptions, Error, Result};

struct Host {
    input: PathBuf,
    output: PathBuf,
}

impl Host {
    fn plain(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.input.join("plain").join(name);
        std::fs::read(&path).map_err(|e| Error::io(&path, "reading", e))
    }

    fn i32s(&self, name: &str) -> Result<Vec<i32>> {
        let bytes = self.plain(name)?;
        let four = |b: &[u8]| i32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        Ok(bytes.chunks_exact(4).map(four).collect())
    }

    fn f64s(&self, name: &str) -> Result<Vec<f64>> {
        let bytes = self.plain(name)?;
        let eight = |b: &[u8]| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
        Ok(bytes.chunks_exact(8).map(eight).collect())
    }

    fn names(&self, name: &str) -> Result<Vec<String>> {
        let text = String::from_utf8_lossy(&self.plain(name)?).into_owned();
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn counts(&self, stem: &str, n_genes: usize) -> Result<Csr> {
        let starts = self.i32s(&format!("{stem}.starts.i32"))?;
        let genes = self.i32s(&format!("{stem}.genes.i32"))?;
        let values = self.f64s(&format!("{stem}.values.f64"))?;
        Csr::from_parts(
            n_genes,
            starts.into_iter().map(|s| s as usize).collect(),
            genes.into_iter().map(|g| g as u32).collect(),
            values.into_iter().map(|v| v as u32).collect(),
        )
    }

    fn write(&self, route: &str, mode: Mode, what: &str, bytes: &[u8]) -> Result<()> {
        let path = self.output.join(format!("{route}.{mode}.{what}"));
        std::fs::write(&path, bytes).map_err(|e| Error::io(&path, "writing", e))
    }

    fn write_results(&self, route: &str, results: &RctdResults) -> Result<()> {
        let write = |what: &str, bytes: Vec<u8>| self.write(route, results.mode, what, &bytes);
        write("sigma", format!("{}\n", results.sigma).into_bytes())?;
        write("cell_types", lines(&results.cell_types))?;
        write("barcodes", lines(&results.barcodes))?;
        write("pixels", u32s(&results.pixels))?;
        write("weights", f64s(&results.weights))?;
        write("normalized_weights", f64s(&results.normalized_weights()))?;
        write("dominant_type", u32s(&results.dominant_type()))?;
        write("conv_all", flags(&results.converged))?;
        if let Some(doublet) = &results.doublet {
            write("spot_class", doublet.spot_class.clone())?;
            write("first_type", u32s(&doublet.first_type))?;
            write("second_type", u32s(&doublet.second_type))?;
            write("first_class", flags(&doublet.first_class))?;
            write("second_class", flags(&doublet.second_class))?;
            write("min_score", f64s(&doublet.min_score))?;
            write("singlet_score", f64s(&doublet.singlet_score))?;
            write("conv_doublet", flags(&doublet.converged))?;
            write("weights_doublet", f64s(&doublet.weights))?;
            let implied = results.doublet_weights().unwrap_or_default();
            write("doublet_weights", f64s(&implied))?;
            if let Some(scores) = &doublet.scores {
                write("candidate_offsets", u64s(&scores.offsets))?;
                write("candidates", u32s(&scores.candidates))?;
                write("singlet_scores", f64s(&scores.singlet_scores))?;
                write("pair_offsets", u64s(&scores.pair_offsets))?;
                write("pair_scores", f64s(&scores.pair_scores))?;
            }
        }
        if let Some(multi) = &results.multi {
            write("multi_offsets", u64s(&multi.offsets))?;
            write("multi_types", u32s(&multi.cell_types))?;
            write("conf_list", flags(&multi.confident))?;
            write("sub_weights", f64s(&multi.sub_weights))?;
            write("min_score", f64s(&multi.min_score))?;
            write("conv_sub", flags(&multi.converged))?;
            write("fallback", flags(&multi.fallback))?;
        }
        Ok(())
    }
}

fn lines(list: &[String]) -> Vec<u8> {
    list.iter()
        .flat_map(|text| format!("{text}\n").into_bytes())
        .collect()
}

fn flags(list: &[bool]) -> Vec<u8> {
    list.iter().map(|&flag| u8::from(flag)).collect()
}

fn u32s(list: &[u32]) -> Vec<u8> {
    list.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn u64s(list: &[u64]) -> Vec<u8> {
    list.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn f64s(list: &[f64]) -> Vec<u8> {
    list.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Routes `arrays` and `shards`.
fn from_arrays(host: &Host, ctx: &Context, mode: Mode) -> Result<()> {
    let genes = host.names("genes.txt")?;
    let cells = ReferenceInput {
        counts: Box::new(host.counts("cells", genes.len())?),
        cells: host.names("cells.txt")?,
        genes: genes.clone(),
        cell_types: Categorical {
            codes: host.i32s("labels.i32")?,
            categories: host.names("types.txt")?,
            ordered: false,
        },
        n_umi: None,
    };
    let reference = Reference::build(ctx, cells, &ReferenceOptions::default())?;
    let coords = host.f64s("coords.f64")?;
    let pixels = SpatialInput {
        counts: Box::new(host.counts("pixels", genes.len())?),
        pixels: host.names("pixels.txt")?,
        genes,
        coords: Some(coords.chunks_exact(2).map(|xy| [xy[0], xy[1]]).collect()),
        n_umi: None,
    };
    let mut rctd = Rctd::create(ctx, pixels, &reference, RctdOptions::default())?;
    host.write_results("arrays", &rctd.run(ctx, mode)?)?;
    let mut shards = Vec::new();
    for range in rctd.plan(Some(37)) {
        let shard = rctd.run_shard(ctx, mode, range)?;
        shards.push(Partial::from_bytes(&shard.to_bytes())?);
    }
    host.write_results("shards", &rctd.merge(mode, shards)?)
}

/// Route `files`.
fn from_files(host: &Host, ctx: &Context, mode: Mode) -> Result<()> {
    let cells = open(&host.input.join("reference"), &OpenOptions::default())?;
    let cells = ReferenceInput {
        cell_types: cell_type_labels(&cells.obs, "cell_type")?,
        n_umi: cells.n_umi(),
        counts: cells.counts,
        cells: cells.obs.index,
        genes: cells.var.index,
    };
    let mut order = ReferenceOptions::default();
    order.type_order = Some(host.names("types.txt")?);
    let reference = Reference::build(ctx, cells, &order)?;
    let path = host.input.join("spatial");
    let pixels = open(&path, &OpenOptions::default())?;
    let pixels = SpatialInput {
        coords: pixels.coordinates(),
        n_umi: pixels.n_umi(),
        counts: pixels.counts,
        pixels: pixels.obs.index,
        genes: pixels.var.index,
    };
    let mut rctd = Rctd::create(ctx, pixels, &reference, RctdOptions::default())?;
    let results = rctd.run(ctx, mode)?;
    host.write_results("files", &results)?;
    let target = host.output.join(format!("files.{mode}.h5ad"));
    results.write_h5ad(ctx, &path, &OpenOptions::default(), &target)
}

fn main() -> Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = paths.as_slice() else {
        return Err(Error::argument("arguments", "give INPUT and OUTPUT"));
    };
    let host = Host {
        input: Path::new(input).to_owned(),
        output: Path::new(output).to_owned(),
    };
    let mut two = ContextOptions::default();
    two.threads = 2;
    let ctx = Context::new(&two)?;
    for mode in [Mode::Full, Mode::Doublet, Mode::Multi] {
        from_arrays(&host, &ctx, mode)?;
        from_files(&host, &ctx, mode)?;
    }
    Ok(())
}
