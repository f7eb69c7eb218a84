//! Documents are read and cut into pieces on a thread ahead of the model, so that neither waits on the other.

use super::share::Share;
use crate::predict::tagger::{Encoded, Encoder};
use anyhow::{Context, Error};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use tagsmith_data::Meter;
use tagsmith_data::documents::Documents;
use tagsmith_text::parallel;
use tagsmith_text::tagged::Input;

/// Documents are tagged together up to this many bytes of them a rank: windows of like length then share batches.
const CHUNK_BYTES: usize = 256 << 10;

/// Bytes that an empty document counts for, so that a chunk does not hold too many of them.
const DOCUMENT_BYTES_MIN: usize = 64;

/// Chunks that may wait for the model.
const CHUNKS_AHEAD: usize = 1;

/// A rank's documents, in their order.
pub struct Chunk {
    /// Documents of all ranks in this chunk.
    pub read: usize,
    /// This rank's documents, cut into pieces.
    pub encoded: Vec<Encoded>,
    /// Bytes of the file that were read so far.
    pub position: u64,
    /// Whether there is another chunk.
    pub end: End,
}

/// Why a chunk ends. The last chunk returns the source, for its notes.
pub enum End {
    /// There is another chunk.
    More,
    /// The source has ended.
    Last(Documents),
    /// A document cannot be read.
    Bad(Documents, Error),
}

/// Starts to read. Dropping the receiver ends that as soon as the next chunk is there. A thread that waits for a person
/// to type cannot be woken, so nothing waits for the thread.
///
/// # Errors
/// The system gives no thread.
pub fn start(
    documents: Documents,
    meter: &Meter,
    share: Share,
    encoder: Encoder,
    threads: usize,
) -> Result<Receiver<Chunk>, Error> {
    let (sender, receiver) = sync_channel(CHUNKS_AHEAD);
    let meter = meter.clone();
    let read = move || {
        let mut source = Some(documents);
        while let Some(documents) = source.take() {
            let chunk;
            (chunk, source) = next_chunk(documents, &meter, share, &encoder, threads);
            if sender.send(chunk).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().spawn(read).context("the system gives no thread to read documents ahead")?;
    Ok(receiver)
}

/// Returns a chunk, and the source if there is more. What stands before a bad document is good.
fn next_chunk(
    mut documents: Documents,
    meter: &Meter,
    share: Share,
    encoder: &Encoder,
    threads: usize,
) -> (Chunk, Option<Documents>) {
    let (inputs, outcome) = read_chunk(&mut documents, share);
    let (read, position) = (inputs.len(), meter.bytes());
    let cut = parallel::map(&inputs[share.range(read)], threads, |input| encoder.encode(input));
    let mut encoded = Vec::with_capacity(cut.len());
    for document in cut {
        match document {
            Ok(document) => encoded.push(document),
            Err(error) => return (Chunk { read, encoded, position, end: End::Bad(documents, error) }, None),
        }
    }
    let (end, more) = match outcome {
        Ok(true) => (End::More, Some(documents)),
        Err(error) if share.is_last() => (End::Bad(documents, error), None),
        Ok(false) | Err(_) => (End::Last(documents), None),
    };
    (Chunk { read, encoded, position, end }, more)
}

/// Returns documents of up to [`CHUNK_BYTES`], or as many as are there without waiting, and whether there are more.
/// Ranks that share documents wait, because all must cut the same chunks.
fn read_chunk(documents: &mut Documents, share: Share) -> (Vec<Input>, Result<bool, Error>) {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    loop {
        match documents.read() {
            Ok(Some((document, size))) => {
                chunk.push(document);
                bytes += size.max(DOCUMENT_BYTES_MIN);
            }
            Ok(None) => return (chunk, Ok(false)),
            Err(error) => return (chunk, Err(error.into())),
        }
        if bytes >= CHUNK_BYTES * share.ranks || share.ranks == 1 && !documents.has_more_at_hand() {
            return (chunk, Ok(true));
        }
    }
}
