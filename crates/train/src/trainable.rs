//! The contract between the engine and what it trains: a model with its loss, and a feed of updates.

use crate::error::Error;
use std::path::Path;
use tagsmith_kernel::device::Error as DeviceError;
use tagsmith_kernel::params::{Params, Slot, SlotId, Stages};
use tagsmith_kernel::random::stream::Stream;
use tagsmith_message::Note;

/// A model together with its loss. The engine does everything that is not in here.
///
/// ```
/// use std::path::Path;
/// use tagsmith_kernel::memory::values::View;
/// use tagsmith_kernel::params::{Params, Slot, SlotId, Stages};
/// use tagsmith_ranks::World;
/// use tagsmith_train::error::Error;
/// use tagsmith_train::learner::{Learner, Rate, StepOptions};
/// use tagsmith_train::trainable::{MicroBatch, Pass, Totals, Trainable, Update};
///
/// /// One weight w, whose loss is (w − 3)².
/// struct Weight(Params);
///
/// impl Trainable for Weight {
///     type Batch = ();
///     type Error = Error;
///
///     fn params(&self) -> &Params {
///         &self.0
///     }
///
///     fn params_mut(&mut self) -> &mut Params {
///         &mut self.0
///     }
///
///     fn rows_read<'b>(&self, _: &'b ()) -> Vec<(SlotId, &'b [u32])> {
///         Vec::new()
///     }
///
///     fn learn(&self, _: &(), _: &Pass, grads: &mut dyn Stages) -> Result<f64, tagsmith_kernel::device::Error> {
///         let distance = self.0.get(SlotId(0)).host()[0] - 3.0;
///         grads.stage(|grads| grads.span(SlotId(0), 1).expect("it is not frozen").put(View::Host(&[2.0 * distance])));
///         Ok(f64::from(distance * distance))
///     }
///
///     fn own_rate(&self, _: &Slot) -> Option<f64> {
///         None
///     }
///
///     fn embedding_parameters(&self) -> usize {
///         0
///     }
///
///     fn reload(&mut self, _: &Path) -> Result<(), Error> {
///         unreachable!("no checkpoint is read here")
///     }
/// }
///
/// let params = Params::zeros(vec![Slot::dense("w", &[1], 0)]);
/// let (mut learner, _) = Learner::new(Weight(params), StepOptions::default(), &[])?;
/// let update = Update {
///     micro_batches: vec![MicroBatch { batch: (), place: 0 }],
///     totals: Totals { batches: 1, counted: 1, weight: 1.0, pieces: 1 },
///     batches_done: 1,
///     padded_pieces: 1,
///     notes: Vec::new(),
/// };
/// for _ in 0..500 {
///     learner.step(&World::alone(), &update, Rate::scheduled(0.05, 1.0))?;
/// }
/// assert!((learner.model().params().get(SlotId(0)).host()[0] - 3.0).abs() < 0.1);
/// # Ok::<(), Error>(())
/// ```
pub trait Trainable {
    /// The rows that one forward pass reads.
    type Batch: Send;
    /// What can go wrong with the model's files and its data.
    type Error: From<Error> + Send;

    /// All parameters.
    fn params(&self) -> &Params;

    /// All parameters, to change.
    fn params_mut(&mut self) -> &mut Params;

    /// Rows of tables that `batch` reads. The optimizer fetches them and brings them up to date before the forward pass.
    fn rows_read<'b>(&self, batch: &'b Self::Batch) -> Vec<(SlotId, &'b [u32])>;

    /// Runs forward, loss and backward over one micro-batch. Adds the gradients to `grads`, and returns the loss times
    /// its weight in the update that `pass` describes.
    ///
    /// # Errors
    /// The first error of the device that the model lies on.
    fn learn(&self, batch: &Self::Batch, pass: &Pass, grads: &mut dyn Stages) -> Result<f64, DeviceError>;

    /// A learning rate that the parameter has instead of the run's. The schedule multiplies it too.
    fn own_rate(&self, slot: &Slot) -> Option<f64>;

    /// Parameters in embedding tables, which the Trainer's estimate of operations leaves out.
    fn embedding_parameters(&self) -> usize;

    /// Takes the weights of a checkpoint of the same model. Frozen parameters stay frozen.
    ///
    /// # Errors
    /// A folder whose files are missing or damaged, or that holds another model.
    fn reload(&mut self, folder: &Path) -> Result<(), Self::Error>;
}

/// Where a micro-batch stands in its update, and how its forward pass runs.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Randomness of the update: dropout is a function of it and of `place`.
    pub stream: Stream,
    /// The micro-batch's place in the whole update: see [`MicroBatch::place`].
    pub place: u64,
    /// The whole update.
    pub totals: Totals,
    /// Whether layers keep their inputs alone, so that backward computes the rest again.
    pub checkpoint_layers: bool,
}

/// Counts over all micro-batches of an update, on all ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Batches: `per_device_train_batch_size` examples each, however they are cut into micro-batches.
    pub batches: usize,
    /// Whatever the loss counts: labels of words, or texts. An update that counts nothing changes nothing.
    pub counted: usize,
    /// The sum of weights of what is counted, where labels have weights; else their number. Each rank adds them in the
    /// order of the data, so all ranks have the same bits.
    pub weight: f64,
    /// Pieces read, special ones included.
    pub pieces: usize,
}

/// A part of an update that is computed at once.
#[derive(Clone, Debug)]
pub struct MicroBatch<B> {
    /// What the forward pass reads.
    pub batch: B,
    /// A number that is the same however ranks share the update: the number of its first row, or its own number. Dropout
    /// is a function of it.
    pub place: u64,
}

/// One rank's share of an update, and what the rank has to know of the whole.
#[derive(Clone, Debug)]
pub struct Update<B> {
    /// The rank's micro-batches, computed one after the other; there may be none.
    pub micro_batches: Vec<MicroBatch<B>>,
    /// Counts over all ranks.
    pub totals: Totals,
    /// Batches of the epoch that each rank is done with after this update, those without anything to learn included.
    pub batches_done: u64,
    /// Pieces on all ranks, with every example padded to its batch's longest, as the Trainer counts them.
    pub padded_pieces: usize,
    /// What happened to the data on the way. The engine says each kind of note once, and its count at the end of the run.
    pub notes: Vec<Note>,
}

/// Where a run's updates come from: the data in its order, epoch by epoch, a function of the seed.
pub trait Feed: Sync {
    /// See [`Trainable::Batch`].
    type Batch: Send;
    /// See [`Trainable::Error`].
    type Error: Send;

    /// Examples in an epoch.
    fn examples(&self) -> usize;

    /// An epoch's updates without the first `done`.
    ///
    /// # Errors
    /// Data that cannot become batches.
    fn updates(&self, epoch: u64, done: u64) -> Updates<'_, Self::Batch, Self::Error>;

    /// A number of everything the updates are a function of, apart from the run's options: all ranks must have the same.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn fingerprint(&self) -> Result<u64, Self::Error>;

    /// Rows of the largest micro-batch, where memory should be kept for it from the first step on.
    fn rows_at_once(&self) -> usize;

    /// What the user should know about the data before the run begins.
    fn notes(&self) -> Vec<Note>;
}

/// An epoch's updates, made as they are asked for.
pub type Updates<'f, B, E> = Box<dyn Iterator<Item = Result<Update<B>, E>> + 'f>;

/// The feed of a model's batches.
pub type FeedOf<'f, M> = dyn Feed<Batch = <M as Trainable>::Batch, Error = <M as Trainable>::Error> + 'f;
