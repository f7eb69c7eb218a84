//! Documents are read and cut into pieces on a thread ahead of the model, so that neither waits on the other.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::Error;
use tagsmith_text::parallel;
use tagsmith_text::tagged::Input;
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::tag::{Encoded, TagOptions, encode};

use super::input::Documents;
use super::share::Share;

/// Documents are tagged together up to this many bytes of them a rank: windows of like length then share batches.
const CHUNK_BYTES: usize = 256 << 10;

/// What an empty document counts for, so that there are not too many in a chunk.
pub const DOCUMENT_BYTES_MIN: usize = 64;

/// Chunks that may wait for the model.
const CHUNKS_AHEAD: usize = 1;

/// A rank's documents, in their order.
pub struct Chunk {
    /// How many documents those of all ranks are.
    pub read: usize,
    pub encoded: Vec<Encoded>,
    /// Whether there are more.
    pub end: End,
}

/// Why a chunk ends. With the last one the source comes back, for what it has to say.
pub enum End {
    More,
    Last(Documents),
    Bad(Documents, Error),
}

/// Begins to read. Whoever drops the receiver ends that, when the next chunk is there: a thread that waits for a person
/// to type cannot be woken, so it is not waited for.
pub fn start(
    documents: Documents,
    share: Share,
    tokenizer: Arc<Tokenizer>,
    options: TagOptions,
    threads: usize,
) -> Receiver<Chunk> {
    let (sender, receiver) = sync_channel(CHUNKS_AHEAD);
    thread::spawn(move || {
        let mut source = Some(documents);
        while let Some(documents) = source.take() {
            let chunk;
            (chunk, source) = next_chunk(documents, share, &tokenizer, &options, threads);
            if sender.send(chunk).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A chunk, and the source if there is more. What stands before a bad document is good.
fn next_chunk(
    mut documents: Documents,
    share: Share,
    tokenizer: &Tokenizer,
    options: &TagOptions,
    threads: usize,
) -> (Chunk, Option<Documents>) {
    let (inputs, read) = read_chunk(&mut documents, share);
    let count = inputs.len();
    let cut = parallel::map(&inputs[share.range(count)], threads, |input| encode(tokenizer, options, input));
    let mut encoded = Vec::with_capacity(cut.len());
    for outcome in cut {
        match outcome {
            Ok(document) => encoded.push(document),
            Err(error) => return (Chunk { read: count, encoded, end: End::Bad(documents, error.into()) }, None),
        }
    }
    match read {
        Ok(true) => (Chunk { read: count, encoded, end: End::More }, Some(documents)),
        Ok(false) => (Chunk { read: count, encoded, end: End::Last(documents) }, None),
        Err(error) if share.is_last() => (Chunk { read: count, encoded, end: End::Bad(documents, error) }, None),
        Err(_) => (Chunk { read: count, encoded, end: End::Last(documents) }, None),
    }
}

/// Documents up to [`CHUNK_BYTES`], or as many as are there without waiting for more; and whether there are more.
/// Ranks that share documents wait: all must cut the same chunks.
fn read_chunk(documents: &mut Documents, share: Share) -> (Vec<Input>, Result<bool, Error>) {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    loop {
        match documents.next() {
            Ok(Some((document, size))) => {
                chunk.push(document);
                bytes += size.max(DOCUMENT_BYTES_MIN);
            }
            Ok(None) => return (chunk, Ok(false)),
            Err(error) => return (chunk, Err(error)),
        }
        if bytes >= CHUNK_BYTES * share.ranks || share.ranks == 1 && !documents.has_more_at_hand() {
            return (chunk, Ok(true));
        }
    }
}
