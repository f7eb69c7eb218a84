//! AdamW over a model's parameters: dense ones all at once, tables of which few rows have a gradient deferred.

use crate::error::Error;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use tagsmith_kernel::memory::values::{View, ViewMut};
use tagsmith_kernel::op::adamw::{self, AdamW, Kept, Part};
use tagsmith_kernel::op::clip::{Clip, clip};
use tagsmith_kernel::op::deferred::Deferred;
use tagsmith_kernel::params::table::UnreadableRows;
use tagsmith_kernel::params::{Grads, Moments, Params, Slot, SlotId};
use tagsmith_weights::tensors::{self, Entry, Reader, Values};

/// Moments of everything that learns, and the updates that rows of tables have yet to make.
pub struct Optimizer {
    dense: Moments,
    /// What a device keeps of the dense parameters' places.
    kept: Kept,
    tables: Vec<(SlotId, Deferred)>,
}

impl Optimizer {
    /// Zero moments.
    pub fn new(params: &Params) -> Optimizer {
        Optimizer { dense: Moments::new(params), kept: Kept::default(), tables: deferred(params) }
    }

    /// Makes all moments 0, and forgets the updates that rows have yet to make.
    pub fn clear(&mut self, params: &Params) {
        self.dense.clear();
        self.tables = deferred(params);
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

    /// Makes one update with gradients that are clipped to the norm `most`; `adamw` returns the numbers of a slot. Returns
    /// the norm before.
    ///
    /// # Errors
    /// Rows that cannot be read from their origin; the first error of the device.
    pub fn update(
        &mut self,
        params: &mut Params,
        grads: &Grads,
        most: f64,
        adamw: impl Fn(SlotId, &Slot) -> AdamW,
    ) -> Result<f64, Error> {
        let gradient = |number: usize| match grads.sparse(SlotId(number)) {
            Some(rows) => Some(View::Host(&rows.values)),
            None => grads.dense(params, SlotId(number)),
        };
        let gradients: Vec<View> = (0..params.slots.len()).filter_map(gradient).collect();
        let Clip { norm, factor } = clip(&gradients, most);
        let dense: Vec<Option<(AdamW, View)>> = (0..params.slots.len())
            .map(|number| {
                let id = SlotId(number);
                Some((adamw(id, &params.slots[number]), grads.dense(params, id)?))
            })
            .collect();
        let mut moments = self.dense.each_mut().enumerate();
        let parts = params.each_dense_mut().filter_map(|(id, p)| {
            let [m, v] = moments.find_map(|(number, moments)| (number == id.0).then_some(moments))?;
            let (adamw, g) = dense[id.0]?;
            Some(Part { adamw, p, g, m, v })
        });
        adamw::update(parts.collect(), factor.view(), &mut self.kept);
        for (id, deferred) in &mut self.tables {
            let rows = grads.sparse(*id).expect("a table that learns has rows of gradients");
            let adamw = adamw(*id, &params.slots[id.0]);
            deferred.update(&adamw, factor.data()[0], params.table_mut(*id), rows)?;
        }
        Ok(norm.read()?)
    }

    /// Writes the moments and the number of updates to a safetensors file. It holds all dense moments in the order of
    /// the slots. For each embedding table it holds the rows that ever had a gradient, with their moments.
    ///
    /// # Errors
    /// What the system says of the file; the first error of the device.
    ///
    /// # Panics
    /// If updates wait: [`Optimizer::settle`] comes first.
    pub fn save(&self, params: &Params, updates: u64, file: &Path) -> Result<(), Error> {
        let whole = learning_tables(params).filter(|&id| !params.is_table(id));
        let whole =
            whole.map(|id| Ok((id, RowsWithMoments::of_whole(self.dense.of(id), params.slots[id.0].shape[1])?)));
        let whole: Vec<(SlotId, RowsWithMoments)> = whole.collect::<Result<_, Error>>()?;
        let deferred = self.tables.iter().map(|(id, deferred)| (*id, RowsWithMoments::of_deferred(deferred)));
        let tables: Vec<(SlotId, RowsWithMoments)> = deferred.chain(whole).collect();
        let ids = || dense_that_learn(params);
        let len = ids().map(|id| params.slots[id.0].len()).sum();
        let dense = |half: usize| Values::F32s(Box::new(ids().map(move |id| Ok(self.dense.of(id)[half].read()?))));
        let mut entries = vec![
            Entry { name: FIRST.into(), shape: vec![len], values: dense(0) },
            Entry { name: SECOND.into(), shape: vec![len], values: dense(1) },
        ];
        for (id, RowsWithMoments { rows, moments }) in &tables {
            let slot = &params.slots[id.0];
            let width = slot.shape[1];
            let named =
                |kind: &str, shape, values| Entry { name: format!("{}.{kind}", slot.name).into(), shape, values };
            entries.push(named(ROWS, vec![rows.len()], Values::U32(rows)));
            for (kind, half) in [(FIRST, 0), (SECOND, width)] {
                let slices = moments.iter().map(move |moments| Ok(Cow::Borrowed(&moments[half..][..width])));
                entries.push(named(kind, vec![rows.len(), width], Values::F32s(Box::new(slices))));
            }
        }
        Ok(tensors::write(file, entries, &[(UPDATES, updates.to_string())])?)
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
        let len = dense_that_learn(params).map(|id| params.slots[id.0].len()).sum();
        for (half, name) in [FIRST, SECOND].into_iter().enumerate() {
            of_shape(name, &[len])?;
            let mut at = 0;
            for id in dense_that_learn(params) {
                let mut moments = vec![0.0; params.slots[id.0].len()];
                reader.read(name, at, &mut moments)?;
                at += moments.len();
                let [first, second] = self.dense.of_mut(id);
                [first, second].into_iter().nth(half).expect("there are two").copy_from(View::Host(&moments));
            }
        }
        let mut names = 2;
        for id in learning_tables(params) {
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
            let rows = reader.read_u32(&numbers)?;
            let restored = match self.tables.iter_mut().find(|(table, _)| *table == id) {
                Some((_, deferred)) => deferred.restore(params.table(id), &rows, moments.into_iter())?,
                None => restore_whole(self.dense.of_mut(id), &rows, &moments),
            };
            if !restored {
                return Err(reader.refuse(format!("`{numbers}` are not different rows of {}", slot.shape[0])).into());
            }
            names += 3;
        }
        match reader.names().len() == names {
            true => Ok(updates),
            false => Err(reader
                .refuse("has moments of parameters that do not learn: other parameters are frozen".into())
                .into()),
        }
    }

    /// Bytes held for the moments and for what waits.
    pub fn bytes(&self) -> usize {
        self.dense.bytes() + self.tables.iter().map(|(_, deferred)| deferred.bytes()).sum::<usize>()
    }
}

/// Names in the file, as PyTorch's optimizer has them.
const FIRST: &str = "exp_avg";
const SECOND: &str = "exp_avg_sq";
const ROWS: &str = "rows";
const UPDATES: &str = "step";

/// No updates of the tables yet.
fn deferred(params: &Params) -> Vec<(SlotId, Deferred)> {
    let tables = learning_tables(params).filter(|&id| params.is_table(id));
    let shape = |id: SlotId| &params.slots[id.0].shape;
    tables.map(|id| (id, Deferred::new(shape(id)[0], shape(id)[1]))).collect()
}

/// The parameters that learn, without embedding tables.
fn dense_that_learn(params: &Params) -> impl Iterator<Item = SlotId> {
    let slots = params.slots.iter().enumerate();
    slots.filter(|(_, slot)| !slot.sparse && !slot.frozen).map(|(number, _)| SlotId(number))
}

/// The embedding tables that learn, wherever they lie.
fn learning_tables(params: &Params) -> impl Iterator<Item = SlotId> {
    let slots = params.slots.iter().enumerate();
    slots.filter(|(_, slot)| slot.sparse && !slot.frozen).map(|(number, _)| SlotId(number))
}

/// The rows of an embedding table that ever had a gradient, and of each the first moments and then the second.
struct RowsWithMoments<'a> {
    rows: Cow<'a, [u32]>,
    moments: Vec<Cow<'a, [f32]>>,
}

impl<'a> RowsWithMoments<'a> {
    fn of_deferred(deferred: &'a Deferred) -> RowsWithMoments<'a> {
        let moments = deferred.moments().map(Cow::Borrowed).collect();
        RowsWithMoments { rows: Cow::Borrowed(deferred.rows()), moments }
    }

    /// Finds them among the moments of a dense table: a row that never had a gradient has moments of 0.
    fn of_whole(moments: [View<'_>; 2], width: usize) -> Result<RowsWithMoments<'a>, Error> {
        let [first, second] = moments.map(View::to_vec);
        let (first, second) = (first?, second?);
        let (mut rows, mut moments) = (Vec::new(), Vec::new());
        for (row, (first, second)) in first.chunks_exact(width).zip(second.chunks_exact(width)).enumerate() {
            let both = [first, second].concat();
            if both.iter().any(|moment| moment.to_bits() != 0) {
                rows.push(row as u32);
                moments.push(Cow::Owned(both));
            }
        }
        Ok(RowsWithMoments { rows: Cow::Owned(rows), moments })
    }
}

/// Takes over the moments of these rows of a dense table; those of all others become 0. Returns whether they are different
/// rows of the table.
fn restore_whole(whole: [ViewMut<'_>; 2], rows: &[u32], moments: &[Box<[f32]>]) -> bool {
    let len = whole[0].len();
    let mut halves = [vec![0.0; len], vec![0.0; len]];
    let mut seen = BTreeSet::new();
    for (&row, moments) in rows.iter().zip(moments) {
        let width = moments.len() / 2;
        let (start, end) = (row as usize * width, (row as usize + 1) * width);
        if end > len || !seen.insert(row) {
            return false;
        }
        halves
            .iter_mut()
            .zip(moments.chunks_exact(width))
            .for_each(|(half, row)| half[start..end].copy_from_slice(row));
    }
    whole.into_iter().zip(&halves).for_each(|(to, half)| to.copy_from(View::Host(half)));
    true
}
