//! Attention whose scores also compare content with distances, per sequence and head, over rows without padding.
//!
//! score(i, j) = (qᵢ · kⱼ + qᵢ · K(i − j) + kⱼ · Q(i − j)) / √(terms · D).
//!
//! K and Q are rows of projected embeddings of distances; several distances may share a row. Both are laid out anew, by
//! distance. Row i of content times K then holds the term of column j at a place that falls by one with each row. So the
//! matrix of terms is a view of these products, whose rows begin one float closer together than they are long. No index
//! is looked up.
//!
//! Nothing of size T × T is kept: backward computes the weights again.

use super::attention::{Part, parts, softmax, softmax_backward};
use super::dropout::Dropout;
use super::gpu;
use super::sequences::Sequences;
use crate::cpu::add::add;
use crate::cpu::product::operand::Operand;
use crate::cpu::product::product_here;
use crate::cpu::reduce::{add_area, for_each_column_block};
use crate::cpu::simd::multiversion;
use crate::memory::floats::Floats;
use crate::memory::tensor::{Area, LINE, Tensor};
use crate::threads::{Shared, for_each};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use tagsmith_device::gpu::Gpu;

/// Query rows and keys that are worked on at a time.
const BLOCK: usize = 64;

/// The row of each distance in a table of 2S rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// S: distance 0 has row S; distances beyond the first and the last row share these.
    pub span: usize,
    /// The distance whose row is the last, if larger distances share rows by their logarithm.
    pub logarithmic: Option<usize>,
}

impl Buckets {
    /// Returns the row of distance i − j.
    ///
    /// # Precision
    /// Logarithms are rounded to f32, like PyTorch's.
    /// # Source
    /// He et al., 2021 (DeBERTa), and for logarithms He, Gao and Chen, 2021 (DeBERTaV3).
    pub fn row(self, distance: isize) -> usize {
        let middle = self.span / 2;
        let magnitude = distance.unsigned_abs();
        let place = match self.logarithmic {
            Some(largest) if magnitude > middle => {
                let ratio = |x: usize| (x as f32 / middle as f32).ln();
                let steps = (ratio(magnitude) / ratio(largest) * (middle as f32 - 1.0)).ceil();
                distance.signum() * (steps as isize).saturating_add(middle as isize)
            }
            _ => distance,
        };
        place.saturating_add(self.span as isize).clamp(0, 2 * self.span as isize - 1) as usize
    }
}

/// Which of P rows each distance has. All layers share it, and a GPU gets it once.
#[derive(Debug)]
pub struct Places {
    /// That of distance i − j stands at place i − j + T − 1, where T is the longest sequence.
    rows: Vec<u32>,
    count: usize,
    on_gpu: OnceLock<gpu::disentangled::Places>,
}

impl Places {
    /// Takes the row of each distance from 1 − T to T − 1, and P.
    ///
    /// # Panics
    /// If rows fall from distance to distance, or one is not below P.
    pub fn new(rows: Vec<u32>, count: usize) -> Places {
        let inside = rows.last().is_none_or(|&last| (last as usize) < count);
        assert!(rows.is_sorted() && inside, "disentangled: the rows of distances are {rows:?} of {count}");
        Places { rows, count, on_gpu: OnceLock::new() }
    }

    /// Returns the length of the longest sequence whose distances all have a row.
    fn longest(&self) -> usize {
        self.rows.len().div_ceil(2)
    }

    /// Returns the places as the kernels of a GPU read them: of the GPU that first asked.
    fn on_gpu(&self, gpu: &Gpu) -> &gpu::disentangled::Places {
        self.on_gpu.get_or_init(|| gpu::disentangled::Places::new(gpu, &self.rows, self.count))
    }
}

/// Projected embeddings of distances.
#[derive(Clone, Debug)]
pub struct Relative {
    /// Rows of the distances that occur: (P, H), or (P, 2H) where both terms are computed.
    pub table: Tensor,
    /// The first column of the rows that queries are compared with, if they are.
    pub keys: Option<usize>,
    /// The first column of the rows that keys are compared with, if they are.
    pub queries: Option<usize>,
    /// The table's row of each distance.
    pub places: Arc<Places>,
}

/// The projections and settings of attention, for backward.
#[must_use]
#[derive(Debug)]
pub struct Saved {
    qkv: Tensor,
    relative: Relative,
    heads: usize,
    dropout: Option<Dropout>,
    /// What a GPU needs for backward.
    on_gpu: Option<gpu::attention::Kept>,
}

/// Returns multi-head self-attention inside each sequence.
///
/// # Shapes
/// qkv (R, 3H) → context (R, H). Queries, keys and values lie side by side, each N heads of D.
/// # Precision
/// Sums in f32; each row's maximum is subtracted before the exponential.
/// # Panics
/// If a shape does not fit, or a sequence has distances without a row in `relative`.
/// # Source
/// He et al., 2021, who leave out the position-to-position term too.
pub fn forward(
    qkv: Tensor,
    relative: Relative,
    sequences: &Sequences,
    heads: usize,
    dropout: Option<Dropout>,
) -> (Tensor, Saved) {
    let (r, h) = (qkv.rows(), qkv.columns() / 3);
    let dropout = dropout.filter(|dropout| dropout.rate > 0.0);
    relative.check(sequences, h);
    let parts = parts(sequences, heads, r, h);
    let mut saved = Saved { qkv, relative, heads, dropout, on_gpu: None };
    if let Some(gpu) = saved.qkv.gpu() {
        let (context, kept) = gpu::attention::forward(&saved.qkv, sequences.on_gpu(gpu), saved.settings(gpu));
        saved.on_gpu = Some(kept);
        return (context, saved);
    }
    let mut context = Tensor::unfilled(r, h);
    let out = context.area_mut();
    for_each(parts.len(), |i| SCRATCH.with_borrow_mut(|s| saved.forward_part(parts[i], out, s)));
    (context, saved)
}

impl Relative {
    fn check(&self, sequences: &Sequences, h: usize) {
        let terms = usize::from(self.keys.is_some()) + usize::from(self.queries.is_some());
        assert_eq!(self.table.columns(), terms * h, "disentangled: {terms} terms of {h} columns");
        let (longest, places) = (sequences.longest(), &self.places);
        assert!(
            longest <= places.longest() && places.count == self.table.rows(),
            "disentangled: a sequence of {longest} pieces, distances below {}",
            places.longest()
        );
    }

    /// Returns the table's row of each distance in a sequence of `length`, place by place. Distances fall for the terms
    /// of queries, whose columns are j, and rise for the terms of keys, whose columns are i.
    fn row(&self, side: Side, length: usize, place: usize) -> usize {
        let place = match side {
            Side::Queries => 2 * (length - 1) - place,
            Side::Keys => place,
        };
        self.places.rows[self.places.longest() - length + place] as usize
    }

    /// Returns one head's rows of all distances in a sequence, one after the other: (2T − 1, D).
    fn lay_out(&self, side: Side, first: usize, length: usize, d: usize, to: &mut [f32]) {
        for (place, to) in to.chunks_exact_mut(d).enumerate() {
            to.copy_from_slice(&self.table.row(self.row(side, length, place))[first..first + d]);
        }
    }
}

/// The content that is compared with distances.
#[derive(Clone, Copy)]
enum Side {
    Queries,
    Keys,
}

/// Rows of distances of one head.
struct Band<'a> {
    side: Side,
    /// The rows, (2T − 1, D).
    rows: &'a [f32],
    d: usize,
    length: usize,
}

impl<'a> Band<'a> {
    /// Returns the places of the distances between these content rows and these others: rows + columns − 1 of them.
    fn places(&self, rows: &Range<usize>, columns: &Range<usize>) -> Range<usize> {
        // The least place belongs to the last row and the first column.
        let first = columns.start + self.length - rows.end;
        first..first + rows.len() + columns.len() - 1
    }

    fn operand(&self, places: &Range<usize>) -> &'a [f32] {
        &self.rows[places.start * self.d..places.end * self.d]
    }
}

/// Returns room for products of rows with all distances between `rows` rows and `columns` columns. The second area is
/// the view of the products in which element (i, j) is the term of row i and column j.
fn band_areas(room: &mut Floats, rows: usize, columns: usize) -> (Area, Area) {
    let width = rows + columns - 1;
    let stride = width.next_multiple_of(LINE);
    if room.len() < rows * stride {
        *room = Floats::zeros(rows * stride);
    }
    let at = room.as_mut_ptr();
    // SAFETY: the room holds rows · stride floats. The view's element (i, j) is the band's (i, j + rows − 1 − i).
    unsafe { (Area::new(at, stride, rows, width), Area::new(at.wrapping_add(rows - 1), stride - 1, rows, columns)) }
}

impl Saved {
    fn terms(&self) -> usize {
        1 + usize::from(self.relative.keys.is_some()) + usize::from(self.relative.queries.is_some())
    }

    fn scale(&self) -> f32 {
        let d = self.qkv.columns() / 3 / self.heads;
        1.0 / ((d * self.terms()) as f32).sqrt()
    }

    /// Returns the settings as a GPU takes them.
    fn settings(&self, gpu: &Gpu) -> gpu::attention::Settings {
        let Relative { table, keys, queries, places } = &self.relative;
        let places = places.on_gpu(gpu);
        let (mask, distances) = (Dropout::on_gpu(self.dropout), places.distances(table, [*keys, *queries]));
        gpu::attention::Settings { heads: self.heads, window: None, mask, distances: Some(distances) }
    }

    /// Returns one third of one head, from the sequence's first row on.
    fn third(&self, part: Part, third: usize) -> &[f32] {
        let h = self.qkv.columns() / 3;
        &self.qkv.data()[part.start * 3 * h + third * h + part.head * (h / self.heads)..]
    }

    /// Computes scores of a block of query rows, before scaling.
    fn scores(&self, part: Part, rows: &Range<usize>, bands: &[Option<Band>; 2], room: &mut Floats, scores: Area) {
        let h = self.qkv.columns() / 3;
        let d = h / self.heads;
        let (queries, keys) = (self.third(part, 0), self.third(part, 1));
        let block = Operand::Rows(&queries[rows.start * 3 * h..], 3 * h);
        product_here(d, block, Operand::Columns(keys, 3 * h), false, scores);
        for band in bands.iter().flatten() {
            match band.side {
                Side::Queries => {
                    let (products, terms) = band_areas(room, rows.len(), part.length);
                    let operand = band.operand(&band.places(rows, &(0..part.length)));
                    product_here(d, block, Operand::Columns(operand, d), false, products);
                    add_area(terms, scores);
                }
                Side::Keys => {
                    for columns in blocks(part.length) {
                        let (products, terms) = band_areas(room, columns.len(), rows.len());
                        let operand = band.operand(&band.places(&columns, rows));
                        let block = Operand::Rows(&keys[columns.start * 3 * h..], 3 * h);
                        product_here(d, block, Operand::Columns(operand, d), false, products);
                        add_transposed(terms, scores.part(0..rows.len(), columns));
                    }
                }
            }
        }
    }

    fn bands<'s>(&self, part: Part, laid_out: &'s mut [Floats; 2]) -> [Option<Band<'s>>; 2] {
        let d = self.qkv.columns() / 3 / self.heads;
        let (length, needed) = (part.length, (2 * part.length - 1) * d);
        let firsts = [(Side::Queries, self.relative.keys), (Side::Keys, self.relative.queries)];
        let mut firsts = firsts.into_iter();
        laid_out.each_mut().map(|room| {
            let (side, first) = firsts.next().expect("two rooms, two sides");
            let first = first? + part.head * d;
            if room.len() < needed {
                *room = Floats::zeros(needed);
            }
            self.relative.lay_out(side, first, length, d, &mut room[..needed]);
            Some(Band { side, rows: &room[..needed], d, length })
        })
    }

    fn forward_part(&self, part: Part, out: Area, s: &mut Scratch) {
        let Part { start, length, head } = part;
        let h = self.qkv.columns() / 3;
        let d = h / self.heads;
        let Scratch { weights, band, laid_out } = s;
        let bands = self.bands(part, laid_out);
        for rows in blocks(length) {
            let [scores, ..] = areas(weights, rows.len(), length);
            self.scores(part, &rows, &bands, band, scores);
            softmax(self.scale(), scores);
            let numbers = start + rows.start..start + rows.end;
            if let Some(dropout) = part.dropout(self.dropout) {
                dropout.mask(numbers.clone(), 0..length, scores, None, scores);
            }
            // SAFETY: the weights are this thread's, and nobody writes them while they are read.
            let kept = Operand::Rows(unsafe { scores.data() }, scores.stride());
            let values = Operand::Rows(self.third(part, 2), 3 * h);
            product_here(length, kept, values, false, out.part(numbers, head * d..head * d + d));
        }
    }

    /// Returns the gradients of qkv (R, 3H) and of the table of distances.
    pub fn backward(self, sequences: &Sequences, dcontext: &Tensor) -> (Tensor, Tensor) {
        let (r, h) = (self.qkv.rows(), self.qkv.columns() / 3);
        dcontext.assert_shape("disentangled", "dcontext", r, h);
        if let (Some(gpu), Some(kept)) = (self.qkv.gpu(), &self.on_gpu) {
            let distances = (self.relative.places.on_gpu(gpu), &self.relative.table);
            let (settings, sequences) = (self.settings(gpu), sequences.on_gpu(gpu));
            return gpu::disentangled::backward(&self.qkv, kept, sequences, settings, distances, dcontext);
        }
        let mut dqkv = Tensor::unfilled(r, 3 * h);
        // Gradients of each sequence's distances, as they are laid out: 2T − 1 rows at twice the sequence's first row.
        let mut dlaid_out = Tensor::unfilled(2 * r, self.relative.table.columns());
        let parts = parts(sequences, self.heads, r, h);
        let (out, of_distances) = (dqkv.area_mut(), dlaid_out.area_mut());
        for_each(parts.len(), |i| {
            SCRATCH.with_borrow_mut(|s| self.backward_part(parts[i], dcontext, out, of_distances, s));
        });
        let dtable = self.gather(sequences, &dlaid_out);
        (dqkv, dtable)
    }

    fn backward_part(&self, part: Part, dcontext: &Tensor, out: Area, of_distances: Area, s: &mut Scratch) {
        let Part { start, length, head } = part;
        let h = self.qkv.columns() / 3;
        let d = h / self.heads;
        let scale = self.scale();
        let [queries, keys, values] = [0, 1, 2].map(|third| self.third(part, third));
        let gradient = |third: usize, rows: Range<usize>| {
            let first = third * h + head * d;
            out.part(start + rows.start..start + rows.end, first..first + d)
        };
        let of_side = |first: usize, places: Range<usize>| {
            let first = first + head * d;
            of_distances.part(2 * start + places.start..2 * start + places.end, first..first + d)
        };
        for first in [self.relative.keys, self.relative.queries].into_iter().flatten() {
            of_side(first, 0..2 * length - 1).clear();
        }
        let dropout = part.dropout(self.dropout);
        let Scratch { weights, band, laid_out } = s;
        let bands = self.bands(part, laid_out);
        for rows in blocks(length) {
            let count = rows.len();
            let upstream = Operand::Rows(&dcontext.data()[(start + rows.start) * h + head * d..], h);
            let [weights, dropped, dweights] = areas(weights, count, length);
            self.scores(part, &rows, &bands, band, weights);
            product_here(d, upstream, Operand::Columns(values, 3 * h), false, dweights);
            softmax(scale, weights);
            let kept = match dropout {
                Some(dropout) => {
                    let numbers = start + rows.start..start + rows.end;
                    dropout.mask(numbers.clone(), 0..length, weights, None, dropped);
                    dropout.mask(numbers, 0..length, dweights, None, dweights);
                    dropped
                }
                None => weights,
            };
            // From here on `dweights` holds the gradient of the scores before scaling.
            softmax_backward(scale, weights, dweights);
            // SAFETY: both are this thread's, and nobody writes them while they are read.
            let (kept, dscores) = unsafe { (kept.data(), dweights.data()) };
            let (stride, again) = (dweights.stride(), rows.start > 0);
            let block = Operand::Rows(&queries[rows.start * 3 * h..], 3 * h);
            product_here(count, Operand::Columns(kept, stride), upstream, again, gradient(2, 0..length));
            product_here(count, Operand::Columns(dscores, stride), block, again, gradient(1, 0..length));
            product_here(
                length,
                Operand::Rows(dscores, stride),
                Operand::Rows(keys, 3 * h),
                false,
                gradient(0, rows.clone()),
            );
            for side in bands.iter().flatten() {
                match side.side {
                    Side::Queries => {
                        let first = self.relative.keys.expect("it has a band");
                        let places = side.places(&rows, &(0..length));
                        let (products, terms) = band_areas(band, count, length);
                        products.clear();
                        add_area(dweights, terms);
                        band_backward(
                            products,
                            side.operand(&places),
                            block,
                            gradient(0, rows.clone()),
                            of_side(first, places),
                        );
                    }
                    Side::Keys => {
                        let first = self.relative.queries.expect("it has a band");
                        for columns in blocks(length) {
                            let places = side.places(&columns, &rows);
                            let (products, terms) = band_areas(band, columns.len(), count);
                            products.clear();
                            add_transposed(dweights.part(0..count, columns.clone()), terms);
                            let block = Operand::Rows(&keys[columns.start * 3 * h..], 3 * h);
                            let to = gradient(1, columns);
                            band_backward(products, side.operand(&places), block, to, of_side(first, places));
                        }
                    }
                }
            }
        }
    }

    /// Sums gradients of distances, as each sequence lays them out, into rows of the table, in the order of sequences
    /// and places.
    fn gather(&self, sequences: &Sequences, dlaid_out: &Tensor) -> Tensor {
        let (p, width) = (self.relative.table.rows(), self.relative.table.columns());
        let h = self.qkv.columns() / 3;
        let mut dtable = Tensor::unfilled(p, width);
        let out = Shared::new(dtable.data_mut());
        let sides = [(Side::Queries, self.relative.keys), (Side::Keys, self.relative.queries)];
        for (side, first) in sides.into_iter().filter_map(|(side, first)| Some((side, first?))) {
            for_each_column_block(h, |columns| {
                let columns = first + columns.start..first + columns.end;
                // SAFETY (here and below): blocks of columns are disjoint.
                let to = |row: usize| unsafe { out.slice(row * width + columns.start, columns.len()) };
                (0..p).for_each(|row| to(row).fill(0.0));
                for sequence in sequences.each().filter(|sequence| !sequence.is_empty()) {
                    let length = sequence.len();
                    for place in 0..2 * length - 1 {
                        let from = &dlaid_out.row(2 * sequence.start + place)[columns.clone()];
                        add(from, to(self.relative.row(side, length, place)));
                    }
                }
            });
        }
        dtable
    }
}

/// Adds both gradients of products = content · distancesᵀ to what is there.
fn band_backward(dproducts: Area, distances: &[f32], content: Operand, dcontent: Area, ddistances: Area) {
    let (stride, d) = (dproducts.stride(), dcontent.columns);
    // SAFETY: they are this thread's, and nobody writes them while they are read.
    let data = unsafe { dproducts.data() };
    product_here(dproducts.columns, Operand::Rows(data, stride), Operand::Rows(distances, d), true, dcontent);
    product_here(dproducts.rows, Operand::Columns(data, stride), content, true, ddistances);
}

/// Returns the blocks of a sequence.
fn blocks(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(BLOCK).map(move |first| first..length.min(first + BLOCK))
}

/// Working memory of a thread.
struct Scratch {
    weights: [Floats; 3],
    band: Floats,
    laid_out: [Floats; 2],
}

/// Returns three areas whose rows begin at cache lines.
fn areas(rooms: &mut [Floats; 3], rows: usize, columns: usize) -> [Area; 3] {
    let stride = columns.next_multiple_of(LINE);
    rooms.each_mut().map(|floats| {
        if floats.len() < rows * stride {
            *floats = Floats::zeros(BLOCK * stride);
        }
        // SAFETY: as many floats are there.
        unsafe { Area::new(floats.as_mut_ptr(), stride, rows, columns) }
    })
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        weights: std::array::from_fn(|_| Floats::zeros(0)),
        band: Floats::zeros(0),
        laid_out: std::array::from_fn(|_| Floats::zeros(0)),
    });
}

multiversion! {
    /// Adds xᵀ to y.
    fn add_transposed<L>(x: Area, y: Area) {
        assert_eq!((x.rows, x.columns), (y.columns, y.rows), "disentangled: shapes differ");
        let mut tile = [0f32; 256];
        let (full_rows, full_columns) = (y.rows / L::N * L::N, y.columns / L::N * L::N);
        for i in (0..full_rows).step_by(L::N) {
            for j in (0..full_columns).step_by(L::N) {
                // SAFETY: N rows of N floats from (j, i) are inside x, from (i, j) inside y, and all of them in the tile.
                L::transpose(x.row(j).add(i), x.stride(), tile.as_mut_ptr(), L::N);
                for k in 0..L::N {
                    let at = y.row(i + k).add(j);
                    L::store(at, L::add(L::load(at), L::load(tile.as_ptr().add(k * L::N))));
                }
            }
        }
        for i in 0..y.rows {
            let from = if i < full_rows { full_columns } else { 0 };
            for j in from..y.columns {
                // SAFETY: (i, j) is inside y, (j, i) inside x.
                *y.row(i).add(j) += *x.row(j).add(i);
            }
        }
    }
}
