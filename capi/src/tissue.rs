//! What a `cyto_rctd` holds: the engine's object behind a lock, and arrays that never move.
//!
//! A step that panics poisons the lock: the handle then answers `CYTO_STATE`, and its arrays stay readable.

use std::ffi::{CString, c_char};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use engine::Context;
use engine::rctd::{Rctd, RctdOptions};

use crate::arrays::{Lent, Named};
use crate::error::Failure;
use crate::text::{StringList, c_string};

/// RCTD on one tissue, shared.
pub(crate) struct Tissue {
    rctd: Mutex<Rctd<'static>>,
    /// Options in force last; earlier ones may be on loan.
    options: Mutex<Vec<CString>>,
    cell_types: StringList,
    barcodes: StringList,
    genes_bulk: StringList,
    genes_reg: StringList,
    profiles_bulk: Vec<f64>,
    n_umi: Vec<f64>,
    coords: Option<Vec<[f64; 2]>>,
    kept: Vec<u32>,
    fates: Vec<u8>,
    /// Results of the steps; a step done again adds to them, since arrays of the first may be on loan.
    bulk: Mutex<Steps<Bulk>>,
    sigma: Mutex<Steps<Sigma>>,
}

/// Results of a step, each time that it was done; they never move.
struct Steps<T> {
    done: Vec<T>,
    is_current: bool,
}

impl<T> Default for Steps<T> {
    fn default() -> Self {
        Steps {
            done: Vec::new(),
            is_current: false,
        }
    }
}

impl<T> Steps<T> {
    fn push(&mut self, step: T) {
        self.done.push(step);
        self.is_current = true;
    }

    fn last(&self) -> Option<&T> {
        self.done.last().filter(|_| self.is_current)
    }
}

struct Bulk {
    proportions: Vec<f64>,
    profiles: Vec<f64>,
}

struct Sigma {
    key: u32,
    keys: Vec<u32>,
    scores: Vec<f64>,
    random_seed: Option<Vec<i32>>,
}

impl Tissue {
    pub(crate) fn new(rctd: Rctd<'static>) -> Self {
        Tissue {
            options: Mutex::new(vec![c_string(&rctd.options().to_json())]),
            cell_types: StringList::new(rctd.cell_types()),
            barcodes: StringList::new(rctd.barcodes()),
            genes_bulk: StringList::new(&rctd.genes_bulk()),
            genes_reg: StringList::new(&rctd.genes_reg()),
            profiles_bulk: rctd.profiles_bulk().to_vec(),
            n_umi: rctd.n_umi().to_vec(),
            coords: rctd.coords().map(<[[f64; 2]]>::to_vec),
            kept: rctd.kept().to_vec(),
            fates: rctd.fates().iter().map(|&fate| fate as u8).collect(),
            bulk: Mutex::default(),
            sigma: Mutex::default(),
            rctd: Mutex::new(rctd),
        }
    }

    /// Runs work on the engine's object; one call at a time.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut Rctd<'static>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut rctd = self.rctd.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => Failure::state("rctd: in use by another call"),
            TryLockError::Poisoned(_) => {
                Failure::state("rctd: unusable since a panic in an earlier call; make a new one")
            }
        })?;
        work(&mut rctd)
    }

    pub(crate) fn fit_bulk(&self, ctx: &Context) -> Result<(), Failure> {
        self.with(|rctd| {
            let fit = rctd.fit_bulk(ctx)?;
            lock(&self.bulk).push(Bulk {
                proportions: fit.proportions.clone(),
                profiles: fit.profiles.clone(),
            });
            lock(&self.sigma).is_current &= rctd.sigma().is_some();
            Ok(())
        })
    }

    pub(crate) fn choose_sigma(&self, ctx: &Context) -> Result<(), Failure> {
        self.with(|rctd| {
            let fit = rctd.choose_sigma(ctx)?;
            lock(&self.sigma).push(Sigma {
                key: fit.key,
                keys: fit.epochs.iter().map(|epoch| epoch.key).collect(),
                scores: fit.epochs.iter().map(|epoch| epoch.score).collect(),
                random_seed: fit.random_seed.clone(),
            });
            Ok(())
        })
    }

    pub(crate) fn set_options(&self, options: RctdOptions) -> Result<(), Failure> {
        self.with(|rctd| {
            rctd.set_options(options)?;
            lock(&self.options).push(c_string(&rctd.options().to_json()));
            lock(&self.bulk).is_current &= rctd.bulk().is_some();
            lock(&self.sigma).is_current &= rctd.sigma().is_some();
            Ok(())
        })
    }

    pub(crate) fn sigma(&self) -> u32 {
        lock(&self.sigma).last().map_or(0, |fit| fit.key)
    }

    /// Lives as long as the handle.
    pub(crate) fn options_json(&self) -> *const c_char {
        lock(&self.options)
            .last()
            .map_or(c"{}".as_ptr(), |json| json.as_ptr())
    }

    fn of_bulk(&self, lend: impl FnOnce(&Bulk) -> Lent) -> Option<Lent> {
        lock(&self.bulk).last().map(lend)
    }

    fn of_sigma(&self, lend: impl FnOnce(&Sigma) -> Lent) -> Option<Lent> {
        lock(&self.sigma).last().map(lend)
    }

    fn n_types(&self) -> usize {
        self.cell_types.pointers().len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `cyto_rctd_array` lends.
pub(crate) const ARRAYS: [Named<Tissue>; 14] = [
    ("barcodes", |t| Some(Lent::text(&t.barcodes))),
    ("n_umi", |t| Some(Lent::f64s(&t.n_umi))),
    ("coords", |t| t.coords.as_deref().map(Lent::points)),
    ("fates", |t| Some(Lent::u8s(&t.fates))),
    ("kept", |t| Some(Lent::u32s(&t.kept))),
    ("genes_bulk", |t| Some(Lent::text(&t.genes_bulk))),
    ("genes_reg", |t| Some(Lent::text(&t.genes_reg))),
    ("cell_types", |t| Some(Lent::text(&t.cell_types))),
    ("profiles_bulk", |t| {
        Some(Lent::matrix(&t.profiles_bulk, t.n_types()))
    }),
    ("proportions", |t| {
        t.of_bulk(|fit| Lent::f64s(&fit.proportions))
    }),
    ("profiles_normalized", |t| {
        t.of_bulk(|fit| Lent::matrix(&fit.profiles, t.n_types()))
    }),
    ("sigma_keys", |t| t.of_sigma(|fit| Lent::u32s(&fit.keys))),
    ("sigma_scores", |t| {
        t.of_sigma(|fit| Lent::f64s(&fit.scores))
    }),
    ("sigma_random_seed", |t| {
        let sigma = lock(&t.sigma);
        sigma.last()?.random_seed.as_deref().map(Lent::i32s)
    }),
];
