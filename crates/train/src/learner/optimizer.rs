//! AdamW over a model's parameters: the dense ones all at once, tables of which few rows have a gradient deferred.

use std::path::Path;
use tagsmith_kernel::cpu::reduce::sum_of_squares;
use tagsmith_kernel::memory::values::View;
use tagsmith_kernel::op::adamw::{self, AdamW, Part};
use tagsmith_kernel::op::deferred::Deferred;
use tagsmith_kernel::params::table::UnreadableRows;
use tagsmith_kernel::params::{Grads, Moments, Params, Slot, SlotId};
use tagsmith_weights::Error;
use tagsmith_weights::tensors::{self, Entry, Reader, Values};

/// Moments of everything that learns, and the updates that rows of tables have yet to make.
pub struct Optimizer {
    dense: Moments,
    tables: Vec<(SlotId, Deferred)>,
}

impl Optimizer {
    /// Zero moments.
    pub fn new(params: &Params) -> Optimizer {
        let sparse = params.slots.iter().enumerate().filter(|(_, slot)| slot.sparse && !slot.frozen);
        let tables = sparse.map(|(number, slot)| (SlotId(number), Deferred::new(slot.shape[0], slot.shape[1])));
        Optimizer { dense: Moments::new(params), tables: tables.collect() }
    }

    /// Brings these rows of a table into memory and up to date, so that they may be read.
    ///
    /// # Errors
    /// Rows that cannot be read from their origin.
    pub fn catch_up(&mut self, params: &mut Params, table: SlotId, rows: &[u32]) -> Result<(), UnreadableRows> {
        match self.tables.iter_mut().find(|(id, _)| *id == table) {
            Some((_, deferred)) => deferred.catch_up(params.table_mut(table), rows),
            None => params.fetch(table, rows),
        }
    }

    /// Brings everything up to date.
    pub fn settle(&mut self, params: &mut Params) {
        for (id, deferred) in &mut self.tables {
            deferred.settle(params.table_mut(*id));
        }
    }

    /// Makes one update; `adamw` returns the numbers of a slot.
    ///
    /// # Errors
    /// Rows that cannot be read from their origin.
    pub fn update(
        &mut self,
        params: &mut Params,
        grads: &Grads,
        adamw: impl Fn(SlotId, &Slot) -> AdamW,
    ) -> Result<(), UnreadableRows> {
        let dense = params.slots.iter().enumerate().filter(|(_, slot)| !slot.sparse);
        let ids = dense.map(|(number, _)| SlotId(number));
        let gradients: Vec<_> = ids.map(|id| (id, grads.dense(params, id))).collect();
        let (mut first, mut second) = (&mut self.dense.first[..], &mut self.dense.second[..]);
        let mut parts = Vec::with_capacity(gradients.len());
        for ((slot, p), (id, g)) in params.each_dense_mut().zip(gradients) {
            let Some(g) = g else { continue };
            let (m, v);
            (m, first) = first.split_at_mut(p.len());
            (v, second) = second.split_at_mut(p.len());
            parts.push(Part { adamw: adamw(id, slot), p, g: g.host(), m, v });
        }
        adamw::update(&mut parts);
        for (id, deferred) in &mut self.tables {
            let rows = grads.sparse(*id).expect("a table that learns has rows of gradients");
            deferred.update(&adamw(*id, &params.slots[id.0]), params.table_mut(*id), rows)?;
        }
        Ok(())
    }

    /// Writes the moments and the number of updates to a safetensors file. It holds all dense moments in the order of
    /// the slots. For each table it holds the rows that ever had a gradient, with their moments.
    ///
    /// # Errors
    /// What the system says of the file.
    ///
    /// # Panics
    /// If updates wait: [`Optimizer::settle`] comes first.
    pub fn save(&self, params: &Params, updates: u64, file: &Path) -> Result<(), Error> {
        let Moments { first, second } = &self.dense;
        let mut entries = vec![
            Entry { name: FIRST.into(), shape: vec![first.len()], values: Values::F32(first) },
            Entry { name: SECOND.into(), shape: vec![second.len()], values: Values::F32(second) },
        ];
        for (id, deferred) in &self.tables {
            let slot = &params.slots[id.0];
            let (rows, width) = (deferred.rows(), slot.shape[1]);
            let named =
                |kind: &str, shape, values| Entry { name: format!("{}.{kind}", slot.name).into(), shape, values };
            entries.push(named(ROWS, vec![rows.len()], Values::U32(rows)));
            for (kind, half) in [(FIRST, 0), (SECOND, width)] {
                let slices = deferred.moments().map(move |moments| Ok(moments[half..][..width].into()));
                entries.push(named(kind, vec![rows.len(), width], Values::F32s(Box::new(slices))));
            }
        }
        tensors::write(file, entries, &[(UPDATES, updates.to_string())])
    }

    /// Reads them back; returns the number of updates.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another model or another choice of frozen parameters.
    pub fn load(&mut self, params: &Params, file: &Path) -> Result<u64, Error> {
        let reader = Reader::open(file)?;
        let updates = reader.metadata(UPDATES).and_then(|updates| updates.parse().ok());
        let updates =
            updates.ok_or_else(|| reader.refuse(format!("has no `{UPDATES}`: it was not written by tagsmith")))?;
        let of_shape =
            |name: &str, shape: &[usize]| match reader.shape(name) == Some(shape) {
                true => Ok(()),
                false => Err(reader
                    .refuse(format!("`{name}` is not of shape {shape:?}: another model, or other frozen parameters"))),
            };
        for (name, moments) in [(FIRST, &mut self.dense.first), (SECOND, &mut self.dense.second)] {
            of_shape(name, &[moments.len()])?;
            reader.read(name, 0, moments)?;
        }
        let mut names = 2;
        for (id, deferred) in &mut self.tables {
            let slot = &params.slots[id.0];
            let [numbers, first, second] = [ROWS, FIRST, SECOND].map(|kind| format!("{}.{kind}", slot.name));
            let count = reader.shape(&numbers).map_or(0, |shape| shape.iter().product());
            of_shape(&numbers, &[count.min(slot.shape[0])])?;
            let width = slot.shape[1];
            of_shape(&first, &[count, width])?;
            of_shape(&second, &[count, width])?;
            let row = |number: usize| {
                let mut moments = vec![0.0; 2 * width];
                reader.read(&first, number * width, &mut moments[..width])?;
                reader.read(&second, number * width, &mut moments[width..])?;
                Ok(moments.into_boxed_slice())
            };
            let moments = (0..count).map(row).collect::<Result<Vec<_>, Error>>()?;
            if !deferred.restore(params.table(*id), &reader.read_u32(&numbers)?, moments.into_iter())? {
                return Err(reader.refuse(format!("`{numbers}` are not different rows of {}", slot.shape[0])));
            }
            names += 3;
        }
        match reader.names().len() == names {
            true => Ok(updates),
            false => {
                Err(reader.refuse("has moments of parameters that do not learn: other parameters are frozen".into()))
            }
        }
    }

    /// Bytes held for the moments and for what waits.
    pub fn bytes(&self) -> usize {
        let dense = size_of_val(&self.dense.first[..]) + size_of_val(&self.dense.second[..]);
        dense + self.tables.iter().map(|(_, deferred)| deferred.bytes()).sum::<usize>()
    }
}

/// Names in the file, as PyTorch's optimizer has them.
const FIRST: &str = "exp_avg";
const SECOND: &str = "exp_avg_sq";
const ROWS: &str = "rows";
const UPDATES: &str = "step";

/// The global L2 norm of all gradients.
pub fn norm(params: &Params, grads: &Grads) -> f64 {
    let gradient = |number: usize| match grads.sparse(SlotId(number)) {
        Some(rows) => Some(&rows.values[..]),
        None => grads.dense(params, SlotId(number)).map(View::host),
    };
    let parts: Vec<&[f32]> = (0..params.slots.len()).filter_map(gradient).collect();
    sum_of_squares(&parts).sqrt()
}
