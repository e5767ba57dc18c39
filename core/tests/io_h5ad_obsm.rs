//! Wide arrays of `obsm` are read when they are asked for by name.
#![cfg(feature = "hdf5")]

use cytosol::data::matrix::Csr;
use cytosol::data::{
    Annotations, Compression, Numbers, OpenOptions, Rows, Table, Tables, create, open,
};
use cytosol::{Context, Reason};

#[test]
fn wide_arrays_come_by_name_and_absent_ones_are_said() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("wide.h5ad");
    let ctx = Context::single_threaded().expect("pool");
    let mut counts = Csr::from_dense(2, &[1, 0, 0, 2]).expect("fits");
    let obs = Table::new(vec!["a".into(), "b".into()]);
    let var = Table::new(vec!["x".into(), "y".into()]);
    let tables = Tables {
        obs: &obs,
        var: &var,
    };
    let values: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let mut new = Annotations::default();
    new.obsm("wide", 6, Rows::Whole(Numbers::F32(values)));
    create(&ctx, &path, &mut counts, tables, new, Compression::None).expect("written");

    let by_default = open(&path, &OpenOptions::default()).expect("opened");
    assert!(by_default.obsm.is_empty());
    let mut options = OpenOptions::default();
    options.obsm = vec!["wide".into()];
    let asked = open(&path, &options).expect("opened");
    let (name, array) = &asked.obsm[0];
    assert_eq!(
        (name.as_str(), array.row(1)),
        ("wide", &[6.0, 7.0, 8.0, 9.0, 10.0, 11.0][..])
    );
    options.obsm = vec!["absent".into()];
    let error = open(&path, &options).expect_err("absent");
    assert!(error.message().contains("present: \"wide\""), "{error}");
    assert!(matches!(error.reason(), Reason::MissingKey { .. }));
}
