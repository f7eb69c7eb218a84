//! A span tagger's updates: texts in their order, each batch with the labels of its entities.

mod language;
pub mod read;

use crate::batch::encode::{Encoded, Encoding, Prompt, plain_labels};
use crate::batch::{Before, collate};
use crate::config::{Architecture, Config};
use crate::error::Error;
use crate::find::label_notes;
use crate::folder::Tokenizers;
use crate::learn::GoldBatch;
use crate::model::loss::Whole;
use std::collections::BTreeMap;
use tagsmith_message::{Note, Wording, counted};
use tagsmith_ranks::World;
use tagsmith_text::example::{Example, labels_of};
use tagsmith_text::tagged::Content;
use tagsmith_train::trainable::{Feed, MicroBatch, Totals, Update, Updates};
use tagsmith_train::trainer::cut::{cut, longer_than_allowed};
use tagsmith_train::trainer::options::Options;
use tagsmith_train::trainer::order::{Order, torch_permutation};
use tagsmith_train::trainer::same_on_all_ranks::fingerprint;

/// The data of a span tagger's run, and how it is read.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// The model's configuration.
    pub config: &'a Config,
    /// The model's tokenizers.
    pub tokenizers: &'a Tokenizers,
    /// How texts are encoded.
    pub encoding: Encoding,
    /// The texts to learn from.
    pub examples: &'a [Example],
    /// How often examples of a language are drawn, against 1; empty where each example comes once an epoch.
    pub language_weights: &'a BTreeMap<String, f64>,
    /// The name of the data in messages.
    pub source: &'a str,
}

/// A span tagger's updates.
pub struct SpanFeed<'a> {
    data: Data<'a>,
    options: &'a Options,
    ranks: usize,
    rank: usize,
    /// The texts without labels: a bi-encoder reads them so.
    encoded: Vec<Encoded>,
    /// Pieces of each text.
    lengths: Vec<u32>,
    /// Labels of the data and how they are read.
    plain: BTreeMap<String, String>,
    /// Weights of the examples; empty where all are alike.
    weights: Vec<f64>,
    notes: Vec<Note>,
}

impl<'a> SpanFeed<'a> {
    /// Encodes the texts and their labels; a feed of this rank's share of their updates.
    ///
    /// # Errors
    /// Data without an entity; language weights that do not fit the data; whatever the tokenizers refuse.
    pub fn new(data: Data<'a>, options: &'a Options, world: &World) -> Result<SpanFeed<'a>, Error> {
        if data.examples.iter().all(|example| example.entities.is_empty()) {
            return Err(Error::Setting(format!("{}: no text has an entity: there is nothing to learn", data.source)));
        }
        let weights = language::weights(data.language_weights, data.examples, data.source)?;
        let mut feed = SpanFeed {
            data,
            options,
            ranks: world.size(),
            rank: world.rank(),
            encoded: Vec::new(),
            lengths: Vec::new(),
            plain: BTreeMap::new(),
            weights,
            notes: Vec::new(),
        };
        feed.encode()?;
        Ok(feed)
    }

    /// The texts as they are read without labels.
    pub fn encoded(&self) -> &[Encoded] {
        &self.encoded
    }

    /// The labels of the data as they are read.
    pub fn plain_labels(&self) -> impl Iterator<Item = &String> {
        self.plain.values()
    }

    fn encode(&mut self) -> Result<(), Error> {
        let Data { config, tokenizers, encoding, examples, .. } = self.data;
        let labels = labels_of(examples);
        let (mut lost, mut entities, mut cut, mut spelled) = (0, 0, 0, 0);
        for example in examples {
            let encoded = encoding.encode(&tokenizers.text, None, &example.content)?;
            lost += encoded.gold(example, &labels, config).1;
            entities += example.entities.len();
            cut += usize::from(encoded.cut > 0);
            spelled += encoded.spelled;
            self.lengths.push(encoded.ids.len() as u32);
            self.encoded.push(encoded);
        }
        let reader = tokenizers.labels.as_ref();
        let (plain, of_labels) = plain_labels(reader.unwrap_or(&tokenizers.text), &labels)?;
        let cut_labels = reader.map(|reader| collate::labels(reader, &plain)).transpose()?.map_or(0, |it| it.1);
        self.plain = labels.into_iter().zip(plain).collect();
        self.notes = label_notes(of_labels, cut_labels);
        if spelled > 0 {
            let tokens = counted(spelled, "special token");
            self.notes.push(Note::once(format!("texts spell {tokens} (such as `[SEP]`): read as ordinary letters")));
        }
        if lost > 0 {
            let what = "{} of {} {is not a span|are not spans} of at most {} pieces with ends where they may be, and \
                        {is|are} not learned";
            let said = Wording::new(what, &[&lost, &counted(entities, "entity"), &config.longest_gold()]);
            self.notes.push(Note::once(said.of(lost)).important());
        }
        if cut > 0 {
            let said =
                Wording::new("{} {is|are} cut off after {} pieces", &[&counted(cut, "text"), &encoding.max_length]);
            self.notes.push(Note::once(said.of(cut)).important());
        }
        self.notes.iter_mut().for_each(|note| note.about = Some("train".into()));
        Ok(())
    }

    fn order(&self) -> Order<'_> {
        let Options { sampling, data_seed, batch_size, accumulation, drop_last, .. } = *self.options;
        let (lengths, weights, ranks) = (&self.lengths[..], &self.weights[..], self.ranks);
        Order { sampling, seed: data_seed, lengths, weights, batch_size, accumulation, drop_last, ranks }
    }

    /// The labels of a batch's entities, shuffled; empty if there is no entity. `number` counts the epoch's batches.
    fn labels(&self, batch: &[usize], epoch: u64, number: usize) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        for entity in batch.iter().flat_map(|&at| &self.data.examples[at].entities) {
            if !labels.contains(&entity.label) {
                labels.push(entity.label.clone());
            }
        }
        let order = label_order(self.options.data_seed, epoch, number, labels.len());
        order.into_iter().map(|label| std::mem::take(&mut labels[label])).collect()
    }

    fn plain(&self, labels: &[String]) -> Vec<String> {
        labels.iter().map(|label| self.plain[label].clone()).collect()
    }

    /// Encodes a batch with its labels; an error [`Error::PromptTooLong`] if they leave no room for a text.
    fn encode_batch(&self, batch: &[usize], plain: &[String]) -> Result<Vec<Encoded>, Error> {
        let Data { config, tokenizers, encoding, examples, .. } = self.data;
        match config.architecture {
            Architecture::BiEncoder => Ok(batch.iter().map(|&at| self.encoded[at].clone()).collect()),
            Architecture::CrossEncoder => {
                let prompt = Prompt::new(config, plain);
                let encode = |&at: &usize| encoding.encode(&tokenizers.text, Some(&prompt), &examples[at].content);
                batch.iter().map(encode).collect()
            }
        }
    }

    /// Whether another rank can learn from a batch: as [`SpanFeed::batch`] decides it, without the batch.
    fn has_batch(&self, batch: &[usize], epoch: u64, number: usize) -> Result<bool, Error> {
        let Data { config, tokenizers, encoding, .. } = self.data;
        let labels = self.labels(batch, epoch, number);
        if labels.is_empty() || config.architecture == Architecture::BiEncoder {
            return Ok(!labels.is_empty());
        }
        let plain = self.plain(&labels);
        let nothing = match self.data.examples[batch[0]].content {
            Content::Words(_) => Content::Words(Vec::new()),
            Content::Text(_) => Content::Text(String::new()),
        };
        // A prompt that fills less than half of the sequence leaves room for any text.
        let prompt = encoding.encode(&tokenizers.text, Some(&Prompt::new(config, &plain)), &nothing);
        if prompt.is_ok_and(|prompt| 2 * prompt.ids.len() <= encoding.max_length) {
            return Ok(true);
        }
        match self.encode_batch(batch, &plain) {
            Err(Error::PromptTooLong { .. }) => Ok(false),
            encoded => encoded.map(|_| true),
        }
    }

    /// The micro-batches of a batch with its labels; none if it has no entity, or no room for a text.
    fn batch(
        &self,
        batch: &[usize],
        epoch: u64,
        number: usize,
        notes: &mut Vec<Note>,
    ) -> Result<Vec<GoldBatch>, Error> {
        let Data { config, tokenizers, examples, .. } = self.data;
        let labels = self.labels(batch, epoch, number);
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        let plain = self.plain(&labels);
        let encoded = match self.encode_batch(batch, &plain) {
            Err(error @ Error::PromptTooLong { .. }) => {
                let mut note =
                    Note::new("{batch|batches} whose labels leave no room for text {is|are} left out").important();
                note.add(|| format!("epoch {epoch}, batch {number}: {error}"));
                notes.push(note);
                return Ok(Vec::new());
            }
            encoded => encoded?,
        };
        let encoded: Vec<&Encoded> = encoded.iter().collect();
        let own = tokenizers.labels.as_ref().map(|tokenizer| collate::labels(tokenizer, &plain)).transpose()?;
        let mut entities = Vec::with_capacity(encoded.len());
        let mut lost_to_prompt =
            Note::new("{entity|entities} for which the prompt leaves no room {is|are} not learned").important();
        for (&at, encoded) in batch.iter().zip(&encoded) {
            let (gold, lost) = encoded.gold(&examples[at], &labels, config);
            let without_prompt = self.encoded[at].gold(&examples[at], &labels, config).1;
            for _ in without_prompt..lost {
                lost_to_prompt.add(|| format!("epoch {epoch}, batch {number}"));
            }
            entities.push(gold);
        }
        if lost_to_prompt.count > 0 {
            notes.push(lost_to_prompt);
        }
        let lengths: Vec<usize> = encoded.iter().map(|encoded| encoded.ids.len()).collect();
        let mut parts: Vec<GoldBatch> = Vec::new();
        for part in cut(&lengths, self.options.batch_tokens.unwrap_or(usize::MAX)) {
            let (encoded, entities) = (&encoded[part.clone()], &entities[part]);
            let (mut span_batch, listed) =
                collate::batch(config, encoded, own.as_ref().map(|(labels, _)| labels.clone()));
            span_batch.before = parts.last().map_or(Before::default(), |(part, _)| part.before_next());
            let gold = collate::gold(config, encoded, entities, &listed, &span_batch);
            parts.push((span_batch, gold));
        }
        let whole = Whole::of_parts(parts.iter().map(|(_, gold)| gold.whole), collate::padded(config, &encoded));
        parts.iter_mut().for_each(|(_, gold)| gold.whole = whole);
        Ok(parts)
    }
}

impl Feed for SpanFeed<'_> {
    type Batch = GoldBatch;
    type Error = Error;

    fn examples(&self) -> usize {
        self.data.examples.len()
    }

    fn updates(&self, epoch: u64, done: u64) -> Updates<'_, GoldBatch, Error> {
        let batches = self.order().batches(epoch);
        Box::new(Epoch { feed: self, epoch, batches, next: 0, skip: done, is_empty: true })
    }

    fn fingerprint(&self) -> Result<u64, Error> {
        Ok(fingerprint(self.data.examples.iter().map(|example| format!("{example:?}").into_bytes())))
    }

    fn rows_at_once(&self) -> usize {
        0
    }

    fn notes(&self) -> Vec<Note> {
        let longer = |tokens_max| longer_than_allowed(&self.lengths, tokens_max, "text");
        let longer = self.options.batch_tokens.and_then(longer).map(Note::once);
        self.notes.iter().cloned().chain(longer).collect()
    }
}

/// An epoch's updates. Each is of as many rounds as the accumulation says, a round being one batch of each rank. Rounds
/// in which no rank has a batch do not count.
struct Epoch<'f> {
    feed: &'f SpanFeed<'f>,
    epoch: u64,
    batches: Vec<Vec<usize>>,
    /// The first batch of the next round.
    next: usize,
    /// Updates that were made already.
    skip: u64,
    /// Whether no update came so far.
    is_empty: bool,
}

impl Epoch<'_> {
    /// The next update; `None` if no round is left that has a batch. `wanted` is false for an update that was made.
    fn gather(&mut self, wanted: bool) -> Result<Option<Update<GoldBatch>>, Error> {
        let feed = self.feed;
        let (mut micro_batches, mut notes, mut padded_pieces) = (Vec::new(), Vec::new(), 0);
        let (mut totals, mut rounds) = (Totals::default(), 0);
        while rounds < feed.options.accumulation && self.next + feed.ranks <= self.batches.len() {
            let before = totals.batches;
            for rank in 0..feed.ranks {
                let number = self.next + rank;
                let batch = &self.batches[number];
                let has = if rank == feed.rank && wanted {
                    let own = feed.batch(batch, self.epoch, number, &mut notes)?;
                    let place = totals.batches as u64;
                    let has = !own.is_empty();
                    micro_batches.extend(own.into_iter().map(|batch| MicroBatch { batch, place }));
                    has
                } else {
                    feed.has_batch(batch, self.epoch, number)?
                };
                if has {
                    let lengths = || batch.iter().map(|&at| feed.lengths[at] as usize);
                    totals.batches += 1;
                    totals.counted += batch.len();
                    totals.pieces += lengths().sum::<usize>();
                    padded_pieces += lengths().max().unwrap_or(0) * batch.len();
                }
            }
            rounds += usize::from(totals.batches > before);
            self.next += feed.ranks;
        }
        let batches_done = (self.next / feed.ranks) as u64;
        let update = Update { micro_batches, totals, batches_done, padded_pieces, notes };
        Ok((rounds > 0).then_some(update))
    }
}

impl Iterator for Epoch<'_> {
    type Item = Result<Update<GoldBatch>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.skip > 0 {
            self.skip -= 1;
            self.is_empty = false;
            if let Err(error) = self.gather(false) {
                return Some(Err(error));
            }
        }
        let update = self.gather(true).transpose();
        let was_empty = std::mem::replace(&mut self.is_empty, false);
        if update.is_none() && was_empty {
            let problem = "no batch of an epoch has an entity and room for a text beside its labels";
            return Some(Err(Error::Setting(format!("{}: {problem}: raise `max_seq_length`", self.feed.data.source))));
        }
        update
    }
}

/// The order of a batch's labels, the batch counted from its epoch's beginning: PyTorch's generator draws it.
fn label_order(seed: u64, epoch: u64, batch: usize, labels: usize) -> Vec<usize> {
    const PRIME: u64 = 1_000_003;
    let seed = seed.wrapping_mul(PRIME).wrapping_add(epoch).wrapping_mul(PRIME).wrapping_add(batch as u64);
    torch_permutation(seed, labels)
}
