//! AdamW of a table of which a batch reads few rows. The updates that a row misses wait until it is read.
//!
//! A row without a gradient has gradient 0: its moments decay, and it moves on by what is left of them. The updates may
//! be made when the row is next read: the same operations follow one another, and so the bits are the same.
//! Two things make it cheap. A row that never had a gradient has moments 0, so that only weight decay changes it,
//! and it takes no memory for moments. And a row's moments fall so fast that, after some hundred updates, its moves
//! are lost in rounding. From there on only decays are multiplied.
//!
//! # When moves are lost
//! Let S be the largest rate η / (1 − β₁ᵗ) among the missed updates, and let all factors 1 − ηλ lie in (½, 1]. Then
//! |m|, v and |p|, changed by decay alone, do not grow over these updates, and 1 / √(1 − β₂ᵗ) is at least 1. Every
//! operation of the formula rounds monotonically. So each move is at most S·|m| / (√v + ε), with m at the start and v
//! at the end, in floating point as on paper.
//!
//! The distance from p to the nearest other float is at least 2⁻²⁴·|p|. Where no move exceeds half of that for the p at
//! the end, p minus the move rounds to p. `at_rest` asks for a quarter, so that its own rounding does not matter. A p of
//! 0 rests if its moves are 0. Its sign stays too, for p is −0 only after moves of +0, and m keeps its sign. The
//! argument does not depend on the schedule: where the rate rises later, S is that later rate.

use super::adamw::{AdamW, Constants, update_block, updated};
use crate::cpu::decay::{GROUP, decay, decay_group, load_group, store_group};
use crate::cpu::simd::{Lanes, multiversion};
use crate::params::row_gradients::RowGradients;
use crate::params::table::{Table, UnreadableRows};
use crate::threads::{Shared, for_each};

/// Rows that one task brings up to date.
const ROWS: usize = 8;
/// Entry of `places` for a row without moments.
const NOWHERE: u32 = u32::MAX;

/// The moments of a table's rows that ever had a gradient, and the updates that rows have yet to make.
///
/// ε must be above 0: a row that never had a gradient would have move 0 / 0 without it, and has move 0 here.
#[derive(Clone, Debug)]
pub struct Deferred {
    width: usize,
    /// Table rows with moments, in the order of their first gradient.
    rows: Vec<u32>,
    /// For each of `rows`, the first moments and then the second.
    moments: Vec<Box<[f32]>>,
    /// For each table row, the place in `rows`.
    places: Vec<u32>,
    /// Updates that some row has yet to make.
    past: Vec<Constants>,
    /// For each table row, the number of updates of `past` that it has made.
    made: Vec<u32>,
}

impl Deferred {
    /// Starts without moments, for a table of `rows` rows.
    pub fn new(rows: usize, width: usize) -> Deferred {
        assert!(rows < NOWHERE as usize, "deferred: a table of {rows} rows");
        let (places, made) = (vec![NOWHERE; rows], vec![0; rows]);
        Deferred { width, rows: Vec::new(), moments: Vec::new(), places, past: Vec::new(), made }
    }

    /// Brings these rows into memory and up to date, so that they may be read. An id may repeat.
    ///
    /// # Errors
    /// Rows that cannot be read from their origin.
    pub fn catch_up(&mut self, table: &mut Table, ids: &[u32]) -> Result<(), UnreadableRows> {
        let mut rows = ids.to_vec();
        rows.sort_unstable();
        rows.dedup();
        for &row in &rows {
            if !table.holds(row as usize) {
                table.fetch(&[row])?;
                self.made[row as usize] = self.past.len() as u32;
            }
        }
        self.replay(table, rows);
        Ok(())
    }

    /// Brings every row in memory up to date.
    pub fn settle(&mut self, table: &mut Table) {
        let rows = (0..table.len() as u32).filter(|&row| table.holds(row as usize)).collect();
        self.replay(table, rows);
        self.past.clear();
        self.made.fill(0);
    }

    /// Makes one update: of the rows with a gradient now, of the others later. Gradients are multiplied by `factor` first.
    ///
    /// # Errors
    /// Rows that cannot be read from their origin: other ranks may have gradients of rows that this one never read.
    ///
    /// # Panics
    /// If updates wait that have another β₁, β₂ or ε.
    pub fn update(
        &mut self,
        adamw: &AdamW,
        factor: f32,
        table: &mut Table,
        gradients: &RowGradients,
    ) -> Result<(), UnreadableRows> {
        self.catch_up(table, &gradients.rows)?;
        let constants = adamw.constants(factor);
        let formula = |c: &Constants| [c.beta1, c.beta2, c.epsilon].map(f32::to_bits);
        let same = self.past.first().is_none_or(|waiting| formula(waiting) == formula(&constants));
        assert!(same, "deferred: β₁, β₂ and ε stay while updates wait");
        self.past.push(constants);
        table.decay_unread(constants.keep);
        for &row in &gradients.rows {
            if self.places[row as usize] == NOWHERE {
                self.admit(row, vec![0.0; 2 * self.width].into());
            }
        }
        let now = self.past.len() as u32;
        self.each(table, &gradients.rows, |i, p, moments, made| {
            let (m, v) = moments.expect("a row with a gradient has moments").split_at_mut(p.len());
            update_block(constants, p, &gradients.values[i * p.len()..][..p.len()], m, v);
            *made = now;
        });
        Ok(())
    }

    /// Makes the updates that these rows missed.
    fn replay(&mut self, table: &mut Table, mut rows: Vec<u32>) {
        rows.retain(|&row| (self.made[row as usize] as usize) < self.past.len());
        let past = std::mem::take(&mut self.past);
        let keeps: Vec<f32> = past.iter().map(|c| c.keep).collect();
        self.each(table, &rows, |_, p, moments, made| {
            let missed = *made as usize..past.len();
            match moments {
                Some(moments) => {
                    let (m, v) = moments.split_at_mut(p.len());
                    let missed = &past[missed];
                    replay_row(missed, largest_step(missed), p, m, v);
                }
                None => decay(&keeps[missed], p),
            }
            *made = past.len() as u32;
        });
        self.past = past;
    }

    /// Calls `work(i, row, moments, updates made)` for the i-th of `rows`, on all threads. The rows ascend and are in
    /// memory.
    fn each(
        &mut self,
        table: &mut Table,
        rows: &[u32],
        work: impl Fn(usize, &mut [f32], Option<&mut [f32]>, &mut u32) + Sync + Send,
    ) {
        let same = (table.len(), table.width()) == (self.places.len(), self.width);
        assert!(same, "deferred: a table of another size");
        let inside = rows.last().is_none_or(|&last| (last as usize) < self.places.len());
        assert!(inside && rows.is_sorted_by(|a, b| a < b), "deferred: rows of the table ascend");
        let places = &self.places;
        let (table, made) = (Shared::new(table.rows_mut()), Shared::new(&mut self.made));
        let moments = Shared::new(&mut self.moments);
        for_each(rows.len().div_ceil(ROWS), |block| {
            for (i, &row) in rows.iter().enumerate().skip(block * ROWS).take(ROWS) {
                let row = row as usize;
                // SAFETY: `rows` ascend within the table, so all differ, and so do their places.
                let (p, made) = unsafe { (&mut table.slice(row, 1)[0], &mut made.slice(row, 1)[0]) };
                let p = p.get_mut().expect("a row is in memory before it changes");
                let moments = (places[row] != NOWHERE).then(|| {
                    // SAFETY: as above.
                    unsafe { &mut moments.slice(places[row] as usize, 1)[0][..] }
                });
                work(i, p, moments, made);
            }
        });
    }

    fn admit(&mut self, row: u32, moments: Box<[f32]>) {
        self.places[row as usize] = self.rows.len() as u32;
        self.rows.push(row);
        self.moments.push(moments);
    }

    /// Returns the rows that have moments, in the order of their first gradient.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Returns the first and the second moments of each of [`Deferred::rows`], in one slice a row.
    ///
    /// # Panics
    /// If updates wait: [`Deferred::settle`] comes first.
    pub fn moments(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        assert!(self.past.is_empty(), "deferred: moments are read while updates wait");
        self.moments.iter().map(|moments| &moments[..])
    }

    /// Forgets all and takes over these rows' moments, as [`Deferred::moments`] gave them, and brings the rows into
    /// memory. Returns whether the rows are rows of the table that all differ.
    ///
    /// # Errors
    /// Rows that cannot be read from their origin.
    pub fn restore(
        &mut self,
        table: &Table,
        rows: &[u32],
        moments: impl Iterator<Item = Box<[f32]>>,
    ) -> Result<bool, UnreadableRows> {
        *self = Deferred::new(self.places.len(), self.width);
        for (&row, moments) in rows.iter().zip(moments) {
            assert_eq!(moments.len(), 2 * self.width, "deferred: moments of another width");
            if self.places.get(row as usize) != Some(&NOWHERE) {
                return Ok(false);
            }
            table.fetch(&[row])?;
            self.admit(row, moments);
        }
        Ok(true)
    }

    /// Returns the bytes that are held beside the table. These are 8 a row of the table, the moments of rows that had a
    /// gradient, and the updates that wait.
    pub fn bytes(&self) -> usize {
        let each = size_of::<Box<[f32]>>() + size_of::<u32>();
        let moments: usize = self.moments.iter().map(|moments| size_of_val(&moments[..]) + each).sum();
        moments + size_of_val(&self.places[..]) + size_of_val(&self.made[..]) + size_of_val(&self.past[..])
    }
}

/// Returns S of the module's documentation. Where its conditions do not hold, S is infinite and nothing is taken to be
/// at rest.
fn largest_step(past: &[Constants]) -> f32 {
    let shrinks =
        past.iter().all(|c| c.keep > 0.5 && c.keep <= 1.0 && c.beta1 <= 1.0 && c.beta2 <= 1.0 && c.step >= 0.0);
    if shrinks { past.iter().fold(0.0, |most, c| if c.step <= most { most } else { c.step }) } else { f32::INFINITY }
}

/// Updates over which rest is foreseen at once. √v falls by an eighth, a little more than one update's move.
const HORIZON: usize = 256;
/// Updates made in full before rest is looked for again.
const BURST: usize = 8;

/// p, m and v of a group of lanes.
struct Group<L: Lanes> {
    p: [L::V; GROUP],
    m: [L::V; GROUP],
    v: [L::V; GROUP],
}

multiversion! {
    /// Makes the updates `past` of one row, all with gradient 0.
    fn replay_row<L>(past: &[Constants], largest_step: f32, p: &mut [f32], m: &mut [f32], v: &mut [f32]) {
        let n = p.len();
        assert!(m.len() == n && v.len() == n);
        let mut start = 0;
        while start < n {
            // SAFETY: `start` is inside slices of n floats.
            let (to_p, to_m, to_v) = (p.as_mut_ptr().add(start), m.as_mut_ptr().add(start), v.as_mut_ptr().add(start));
            let mut now: Group<L> = Group {
                p: load_group::<L>(to_p, n - start),
                m: load_group::<L>(to_m, n - start),
                v: load_group::<L>(to_v, n - start),
            };
            let mut to_come = past;
            while let Some(first) = to_come.first() {
                let (near, far) = to_come.split_at(HORIZON.min(to_come.len()));
                if at_rest::<L>(largest_step, first.epsilon, &now.p, &now.m, &now.v) {
                    let then = decayed::<L>(near, &now);
                    if at_rest::<L>(largest_step, first.epsilon, &then.p, &now.m, &then.v) {
                        (now, to_come) = (then, far);
                        continue;
                    }
                }
                let (near, far) = to_come.split_at(BURST.min(to_come.len()));
                for c in near {
                    for j in 0..GROUP {
                        [now.p[j], now.m[j], now.v[j]] = updated::<L>(c, L::zero(), [now.p[j], now.m[j], now.v[j]]);
                    }
                }
                to_come = far;
            }
            store_group::<L>(&now.p, to_p, n - start);
            store_group::<L>(&now.m, to_m, n - start);
            store_group::<L>(&now.v, to_v, n - start);
            start += GROUP * L::N;
        }
    }
}

/// Whether every move of these lanes is lost in rounding; see the module's documentation.
///
/// # Safety
/// As [`Lanes`] has it, here and below.
#[inline(always)]
unsafe fn at_rest<L: Lanes>(
    largest_step: f32,
    epsilon: f32,
    p: &[L::V; GROUP],
    m: &[L::V; GROUP],
    v: &[L::V; GROUP],
) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        // This is the least positive float: a move below it is 0.
        let least = L::splat(f32::from_bits(1));
        let (zero, one) = (L::zero(), L::splat(1.0));
        let mut moving = zero;
        for j in 0..GROUP {
            let root = L::add(L::sqrt(v[j]), L::splat(epsilon));
            let farthest = L::div(L::mul(L::splat(largest_step), absolute::<L>(m[j])), root);
            let lost = L::mul(absolute::<L>(p[j]), L::splat(1.0 / (1 << 26) as f32));
            // NaN is not less than anything, and so it counts as moving.
            let moves = L::select_less(farthest, lost, zero, L::select_less(farthest, least, zero, one));
            moving = L::add(moving, moves);
        }
        L::sum(moving) == 0.0
    }
}

/// Returns the group after updates whose moves are all lost.
#[inline(always)]
unsafe fn decayed<L: Lanes>(past: &[Constants], now: &Group<L>) -> Group<L> {
    // SAFETY: the caller's promise.
    unsafe {
        let Group { mut p, mut m, mut v } = *now;
        let (beta1, beta2) = (past[0].beta1, past[0].beta2);
        if past.iter().any(|c| c.keep != 1.0) {
            decay_group::<L>(past.iter().map(|c| c.keep), &mut p);
        }
        power_group::<L>(beta1, past.len(), &mut m);
        power_group::<L>(beta2, past.len(), &mut v);
        Group { p, m, v }
    }
}

/// Replaces x by β·x + 0, `times` times. It stops early where rounding no longer changes the smallest numbers.
#[inline(always)]
unsafe fn power_group<L: Lanes>(beta: f32, times: usize, x: &mut [L::V; GROUP]) {
    // SAFETY: the caller's promise.
    unsafe {
        for time in 0..times {
            let before = *x;
            for x in x.iter_mut() {
                *x = L::mul(*x, L::splat(beta));
            }
            if time == 0 {
                let mut apart = L::zero();
                for j in 0..GROUP {
                    apart = L::add(apart, absolute::<L>(L::sub(x[j], before[j])));
                }
                if L::sum(apart) == 0.0 {
                    break;
                }
            }
        }
        for x in x.iter_mut() {
            // −0 becomes +0, as in the formula, where the gradient's +0 is added.
            *x = L::add(*x, L::zero());
        }
    }
}

#[inline(always)]
unsafe fn absolute<L: Lanes>(x: L::V) -> L::V {
    // SAFETY: the caller's promise.
    unsafe { L::max(x, L::sub(L::zero(), x)) }
}
