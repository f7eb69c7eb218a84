//! Deferred AdamW of a table against the update of the whole table, bit for bit, at every instruction level.

use std::sync::Arc;
use tagsmith_kernel::check::{at_every_level, random};
use tagsmith_kernel::memory::values::{View, ViewMut};
use tagsmith_kernel::op::adamw::{self, AdamW, Kept, Part};
use tagsmith_kernel::op::deferred::Deferred;
use tagsmith_kernel::params::row_gradients::RowGradients;
use tagsmith_kernel::params::table::{Origin, Table, UnreadableRows};
use tagsmith_kernel::random::stream::Stream;

const ROWS: usize = 29;
/// This row is read and never has a gradient, as the padding id's.
const READ_ALONE: u32 = 7;
/// From this row on, nothing is read before the end.
const UNREAD: u32 = 25;

/// A run: its length, its rates, its decay.
#[derive(Clone, Copy)]
struct Run {
    width: usize,
    updates: u64,
    warmup: u64,
    peak: f64,
    decay: f64,
    beta1: f64,
    beta2: f64,
}

impl Run {
    /// Update `update`, from 1: a linear warm-up, then a linear fall to 0, and some clipping.
    fn adamw(&self, update: u64) -> AdamW {
        let up = update as f64 / self.warmup as f64;
        let down = (self.updates - update) as f64 / (self.updates - self.warmup) as f64;
        AdamW {
            rate: self.peak * up.min(down),
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: 1e-8,
            decay: self.decay,
            update,
        }
    }

    /// The rows read in an update: row r about once in r² updates, so that gaps go from none to the whole run.
    fn read(&self, update: u64) -> Vec<u32> {
        let stream = Stream::new(11).child(update);
        (0..UNREAD).filter(|&row| stream.uniform(0, row as usize) < 1.0 / (row as f32).powi(2).max(1.0)).collect()
    }

    fn gradients(&self, update: u64) -> RowGradients {
        let rows: Vec<u32> = self.read(update).into_iter().filter(|&row| row != READ_ALONE).collect();
        // Sizes from 1e-9 to 1: a large gradient's move outlasts a small one's.
        let scale = 10f32.powi(-((update % 10) as i32));
        let values = random(update, rows.len() * self.width, scale);
        RowGradients { rows, values }
    }

    /// Weights of all sizes, zeros of both signs among them, and rows that are large throughout.
    fn table(&self) -> Vec<f32> {
        let mut table = random(3, ROWS * self.width, 0.1);
        for (i, p) in table.iter_mut().enumerate() {
            match i % 11 {
                _ if i / self.width % 4 == 3 => *p += 1e4,
                0 => *p = 0.0,
                1 => *p = -0.0,
                2 => *p *= 1e-30,
                3 => *p *= 1e-6,
                _ => {}
            }
        }
        table
    }
}

/// A table's origin: all its numbers, in rows of a width.
#[derive(Debug)]
struct Given(Vec<f32>, usize);

impl Origin for Given {
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        out.copy_from_slice(&self.0[first * self.1..][..out.len()]);
        Ok(())
    }
}

fn all(table: &Table) -> Vec<f32> {
    table.blocks().collect::<Result<Vec<_>, _>>().expect("its rows can be read").concat()
}

fn given(values: Vec<f32>, width: usize) -> Table {
    Table::new(values.len() / width, width, Arc::new(Given(values, width)))
}

/// What a run leaves: weights and moments, dense, as bits.
type Left = [Vec<u32>; 3];

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// What an update's gradients are multiplied by.
fn factor(update: u64) -> f32 {
    if update.is_multiple_of(3) { 0.37 } else { 1.0 }
}

/// Every row in every update; calls `each` with the table before each update.
fn dense(run: Run, mut each: impl FnMut(u64, &[f32])) -> Left {
    let mut p = run.table();
    let (mut m, mut v) = (vec![0f32; p.len()], vec![0f32; p.len()]);
    for update in 1..=run.updates {
        each(update, &p);
        let rows = run.gradients(update);
        let mut g = vec![0f32; p.len()];
        for (&row, values) in rows.rows.iter().zip(rows.values.chunks_exact(run.width)) {
            g[row as usize * run.width..][..run.width].copy_from_slice(values);
        }
        let [p, m, v] = [&mut p, &mut m, &mut v].map(|values| ViewMut::Host(values));
        let part = Part { adamw: run.adamw(update), p, g: View::Host(&g), m, v };
        adamw::update(vec![part], View::Host(&[factor(update)]), &mut Kept::default());
    }
    [bits(&p), bits(&m), bits(&v)]
}

/// Makes the updates deferred. `settles` says before which updates all rows are brought up to date, `resumes` before which
/// weights and moments go through copies; `twist` may change an update's numbers.
fn deferred(run: Run, settles: u64, resumes: u64, twist: impl Fn(AdamW) -> Option<AdamW>) -> (Left, Vec<Vec<u32>>) {
    let mut table = given(run.table(), run.width);
    let mut state = Deferred::new(ROWS, run.width);
    let mut seen = Vec::new();
    for update in 1..=run.updates {
        if update % settles == 0 || update % resumes == 0 {
            state.settle(&mut table);
            // An evaluation reads rows that training does not.
            table.fetch(&[UNREAD]).expect("its rows can be read");
        }
        if update % resumes == 0 {
            table = given(all(&table), run.width);
            let mut copy = Deferred::new(ROWS, run.width);
            let restored = copy.restore(&table, state.rows(), state.moments().map(Box::from));
            assert!(restored.expect("its rows can be read"));
            state = copy;
        }
        // An id may be read more than once.
        let ids = [run.read(update), run.read(update)].concat();
        state.catch_up(&mut table, &ids).expect("its rows can be read");
        seen.push(ids.iter().flat_map(|&row| bits(table.row(row as usize))).collect());
        if let Some(adamw) = twist(run.adamw(update)) {
            state
                .update(&adamw, factor(adamw.update), &mut table, &run.gradients(update))
                .expect("its rows can be read");
        }
    }
    state.settle(&mut table);
    let p = all(&table);
    let (mut m, mut v) = (vec![0u32; p.len()], vec![0u32; p.len()]);
    for (&row, moments) in state.rows().iter().zip(state.moments()) {
        let (first, second) = moments.split_at(run.width);
        m[row as usize * run.width..][..run.width].copy_from_slice(&bits(first));
        v[row as usize * run.width..][..run.width].copy_from_slice(&bits(second));
    }
    ([bits(&p), m, v], seen)
}

const NEVER: u64 = u64::MAX;

#[test]
fn deferred_is_the_dense_update_bit_for_bit() {
    at_every_level(|level| {
        for (width, decay, peak, beta1, beta2) in [
            (1, 0.01, 5e-5, 0.9, 0.999),
            (17, 0.0, 5e-5, 0.9, 0.999),
            (127, 0.1, 1e-3, 0.9, 0.999),
            (129, 0.01, 1e-5, 0.9, 0.98),
            (300, 0.5, 0.1, 0.9, 0.999),
            // Moments that fall to 0, of either sign; second moments that fall faster than first ones.
            (33, 0.1, 1e-3, 0.3, 0.9),
            (64, 0.1, 1e-3, 0.99, 0.9),
        ] {
            // The longest gap is long enough for the first moments to stop at the smallest floats.
            let updates = if width == 17 { 2400 } else { 600 };
            let run = Run { width, updates, warmup: updates / 3, peak, decay, beta1, beta2 };
            let mut want = Vec::new();
            let whole = dense(run, |update, table| {
                let ids = [run.read(update), run.read(update)].concat();
                want.push(ids.iter().flat_map(|&r| bits(&table[r as usize * width..][..width])).collect::<Vec<u32>>());
            });
            for (settles, resumes) in [(NEVER, NEVER), (37, NEVER), (NEVER, 250)] {
                let (left, seen) = deferred(run, settles, resumes, Some);
                assert!(seen == want, "{level:?} width {width}: a row was read that differs");
                assert!(left == whole, "{level:?} width {width}: weights or moments differ");
            }
        }
    });
}

#[test]
fn wrong_twins_are_rejected() {
    let run = Run { width: 16, updates: 400, warmup: 100, peak: 5e-5, decay: 0.01, beta1: 0.9, beta2: 0.999 };
    let whole = dense(run, |_, _| {});
    let reject = |what: &str, twist: &dyn Fn(AdamW) -> Option<AdamW>| {
        let ([p, ..], _) = deferred(run, NEVER, NEVER, twist);
        assert!(p != whole[0], "{what} passes");
        p
    };
    assert!(deferred(run, NEVER, NEVER, Some).0 == whole);
    reject("no decay", &|adamw| Some(AdamW { decay: 0.0, ..adamw }));
    reject("no bias correction", &|adamw| Some(AdamW { update: 1_000_000, ..adamw }));
    reject("the rates of one update before", &|adamw| Some(AdamW { rate: run.adamw(adamw.update - 1).rate, ..adamw }));
    let skipped = run.updates / 2;
    let one_less = reject("one update too few", &|adamw| Some(adamw).filter(|adamw| adamw.update != skipped));
    // The unread rows tell, too, which change by decay alone.
    let unread = UNREAD as usize * run.width;
    assert!(one_less[unread..] != whole[0][unread..]);
}

/// The origin of a large table: row r is full of r.
#[derive(Debug)]
struct Numbers(usize);

impl Origin for Numbers {
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        out.chunks_exact_mut(self.0).enumerate().for_each(|(i, row)| row.fill((first + i) as f32));
        Ok(())
    }
}

#[test]
fn memory_is_that_of_the_rows_read() {
    let (rows, width) = (250_002, 768);
    let (mut state, mut table) = (Deferred::new(rows, width), Table::new(rows, width, Arc::new(Numbers(width))));
    let (few, each) = (170, 4 * width);
    assert!(state.bytes() <= 8 * rows && table.bytes() <= 24 * rows);
    let mut adamw = AdamW { rate: 1e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, update: 0 };
    let touched: Vec<u32> = (0..few as u32).map(|i| i * 1000).collect();
    let gradients = RowGradients { values: random(1, few * width, 1.0), rows: touched };
    for _ in 1..=3 {
        adamw.update += 1;
        state.update(&adamw, 1.0, &mut table, &gradients).expect("its rows can be read");
    }
    // Two moments a touched element and the element itself, four bytes each, and little else.
    assert!((2 * few * each..=2 * few * each + 8 * rows + 10_000).contains(&state.bytes()), "{}", state.bytes());
    assert!((few * each..=few * each + 24 * rows + 10_000).contains(&table.bytes()), "{}", table.bytes());
    assert_eq!(state.rows(), gradients.rows);
    // Reading all rows for a file brings none of them into memory.
    let before = table.bytes();
    let last = table.blocks().last().expect("there are rows").expect("its rows can be read");
    assert_eq!(last[last.len() - 1], (rows - 1) as f32);
    assert_eq!(table.bytes(), before);
}

#[test]
fn moments_of_rows_that_are_not_there_are_refused() {
    let (mut state, table) = (Deferred::new(5, 2), given(vec![0.0; 10], 2));
    let boxes = |count| (0..count).map(|_| Box::from([0f32; 4]));
    assert!(state.restore(&table, &[4, 0], boxes(2)).expect("its rows can be read"));
    assert!(!state.restore(&table, &[4, 5], boxes(2)).expect("its rows can be read"));
    assert!(!state.restore(&table, &[3, 3], boxes(2)).expect("its rows can be read"));
}

/// An origin of which only the first row can be read.
#[derive(Debug)]
struct Damaged;

impl Origin for Damaged {
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        out.fill(1.0);
        if first == 0 && out.len() == 2 { Ok(()) } else { Err(UnreadableRows::new("the file is damaged")) }
    }
}

#[test]
fn rows_that_cannot_be_read_are_an_error_wherever_they_are_needed() {
    let (mut state, mut table) = (Deferred::new(5, 2), Table::new(5, 2, Arc::new(Damaged)));
    let shown = |error: UnreadableRows| assert_eq!(error.to_string(), "the file is damaged");
    table.fetch(&[0, 0]).expect("its rows can be read");
    assert_eq!(table.row(0), [1.0, 1.0]);
    shown(table.fetch(&[0, 3]).expect_err("row 3 is damaged"));
    shown(state.catch_up(&mut table, &[0, 3]).expect_err("row 3 is damaged"));
    let gradients = RowGradients { rows: vec![0, 3], values: vec![1.0; 4] };
    let adamw = AdamW { rate: 1e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, update: 1 };
    shown(state.update(&adamw, 1.0, &mut table, &gradients).expect_err("row 3 is damaged"));
    shown(state.restore(&table, &[3], [Box::from([0f32; 4])].into_iter()).expect_err("row 3 is damaged"));
    shown(table.blocks().collect::<Result<Vec<_>, _>>().expect_err("rows are damaged"));
    // A number outside the table is the forward pass's to refuse.
    table.fetch(&[9]).expect("there is nothing to read");
    assert!(
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| table.row(3).len())).is_err(),
        "a row that was not fetched"
    );
}
