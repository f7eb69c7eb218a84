//! A sentencepiece model: pieces with their scores, and how text is normalized.
//!
//! # Source
//! `sentencepiece_model.proto` of google/sentencepiece; the fields that transformers reads.

use std::collections::HashSet;

use prost::Message;

/// The largest model in bytes: ten times the size of any that exists.
pub(crate) const MODEL_BYTES_MAX: u64 = 64 << 20;

/// The longest piece in bytes: cutting one at every place takes the square of its length.
const PIECE_BYTES_MAX: usize = 512;

/// The most pieces: ten times as many as any model has.
const PIECES_MAX: usize = 1 << 22;

/// The longest text in bytes that one character may become; U+FDFA takes 33 bytes.
const REPLACEMENT_BYTES_MAX: usize = 256;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Model {
    #[prost(message, repeated, tag = "1")]
    pub pieces: Vec<Piece>,
    #[prost(message, required, tag = "2")]
    pub trainer: Trainer,
    #[prost(message, required, tag = "3")]
    pub normalizer: Normalizer,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Piece {
    #[prost(string, required, tag = "1")]
    pub piece: String,
    #[prost(float, required, tag = "2")]
    pub score: f32,
    #[prost(int32, optional, tag = "3", default = "1")]
    pub kind: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Trainer {
    #[prost(int32, optional, tag = "3", default = "1")]
    pub model_type: Option<i32>,
    #[prost(bool, optional, tag = "35")]
    pub byte_fallback: Option<bool>,
    #[prost(int32, optional, tag = "40", default = "0")]
    pub unk_id: Option<i32>,
    #[prost(int32, optional, tag = "41", default = "1")]
    pub bos_id: Option<i32>,
    #[prost(int32, optional, tag = "42", default = "2")]
    pub eos_id: Option<i32>,
    #[prost(string, optional, tag = "45", default = "<unk>")]
    pub unk_piece: Option<String>,
    #[prost(string, optional, tag = "46", default = "<s>")]
    pub bos_piece: Option<String>,
    #[prost(string, optional, tag = "47", default = "</s>")]
    pub eos_piece: Option<String>,
}

/// The value of `Trainer::model_type` of a unigram model; a model of byte pairs has 2.
pub(crate) const UNIGRAM: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Normalizer {
    #[prost(bytes = "vec", optional, tag = "2")]
    pub precompiled_charsmap: Option<Vec<u8>>,
}

/// The kind of pieces that steer; the next kind is never cut.
pub(crate) const CONTROL: i32 = 3;
pub(crate) const USER_DEFINED: i32 = 4;

impl Model {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// Bytes that are not a sound model, in words.
    pub fn parse(bytes: &[u8]) -> Result<Model, String> {
        let model = Model::decode(bytes).map_err(|error| format!("is not a sentencepiece model ({error})"))?;
        if model.pieces.is_empty() {
            return Err("is not a sentencepiece model (it has no pieces)".into());
        }
        if model.pieces.len() > PIECES_MAX {
            return Err(format!("has {} pieces; {PIECES_MAX} are more than any has", model.pieces.len()));
        }
        if let Some(at) = model.pieces.iter().position(|piece| !piece.score.is_finite()) {
            return Err(format!("piece {at} has the score {}", model.pieces[at].score));
        }
        if let Some(at) = model.pieces.iter().position(|piece| piece.piece.len() > PIECE_BYTES_MAX) {
            return Err(format!(
                "piece {at} has {} bytes; {PIECE_BYTES_MAX} are more than any has",
                model.pieces[at].piece.len()
            ));
        }
        if model.charsmap().is_some_and(|table| !is_sound(table)) {
            return Err("its table of characters (`precompiled_charsmap`) is damaged".into());
        }
        Ok(model)
    }

    /// Returns the pairs that make up each piece, in the order of the pieces, the shortest first halves first. A model
    /// of byte pairs does not list its merges, and transformers takes these pairs for them.
    pub fn merges(&self) -> Vec<[&str; 2]> {
        let known: HashSet<&str> = self.pieces.iter().map(|piece| piece.piece.as_str()).collect();
        let mut seen = HashSet::new();
        let mut merges = Vec::new();
        // Where pieces are equal, the last one's place counts.
        for piece in self.pieces.iter().rev().map(|piece| piece.piece.as_str()).filter(|piece| seen.insert(*piece)) {
            let halves = piece.char_indices().rev().filter(|(at, _)| *at > 0).map(|(at, _)| piece.split_at(at));
            merges.extend(halves.filter(|(a, b)| known.contains(a) && known.contains(b)).map(|(a, b)| [a, b]));
        }
        merges.reverse();
        merges
    }

    /// Returns the table of characters, if there is one.
    pub fn charsmap(&self) -> Option<&[u8]> {
        self.normalizer.precompiled_charsmap.as_deref().filter(|table| !table.is_empty())
    }
}

/// Returns the length in bytes of the longest text that a table's characters become; none for a table that is damaged.
pub(crate) fn longest_replacement(table: &[u8]) -> Option<u64> {
    if !is_sound(table) {
        return None;
    }
    let (size, rest) = table.split_first_chunk::<4>()?;
    let (_, texts) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
    texts.split(|&byte| byte == 0).map(|text| text.len() as u64).max()
}

/// Whether every walk through the table stays inside it: its reader, which is not ours, does not look.
///
/// The table is a double-array trie over UTF-8 (darts-clone), its size in bytes before it, and texts ended by 0 behind it.
/// From a node `i` byte `c` leads to `i ^ offset(i) ^ c`, and `i ^ offset(i)` itself holds where its text begins.
fn is_sound(table: &[u8]) -> bool {
    let Some((size, rest)) = table.split_first_chunk::<4>() else { return false };
    let Some((trie, texts)) = rest.split_at_checked(u32::from_le_bytes(*size) as usize) else { return false };
    let (units, odd) = trie.as_chunks::<4>();
    let Ok(texts) = std::str::from_utf8(texts) else { return false };
    let units: Vec<u32> = units.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
    let text_at = |start: usize| {
        let end = texts
            .as_bytes()
            .get(start..)
            .and_then(|text| text.iter().take(REPLACEMENT_BYTES_MAX).position(|&byte| byte == 0));
        texts.is_char_boundary(start) && end.is_some()
    };
    let is_sound = |(at, &unit): (usize, &u32)| {
        // A leaf leads nowhere; from the root every walk begins, whatever it is.
        if at > 0 && unit >> 31 == 1 {
            return true;
        }
        let next = at ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let has_text = unit >> 8 & 1 == 1;
        (next | 0xff) < units.len() && (!has_text || text_at((units[next] & (u32::MAX >> 1)) as usize))
    };
    odd.is_empty() && !units.is_empty() && units.iter().enumerate().all(is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trie in which `A` becomes `text`, at `start` of the texts.
    fn table(start: u32, texts: &str) -> Vec<u8> {
        let mut units = vec![0u32; 512];
        // The root's offset is 256; `A` (65) is at 256 ^ 65 and has a text, at its own offset 256, which is at 65.
        units[0] = 256 << 10;
        units[256 ^ 65] = 65 | 1 << 8 | 256 << 10;
        units[65] = start | 1 << 31;
        let mut bytes = (4 * units.len() as u32).to_le_bytes().to_vec();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend(texts.as_bytes());
        bytes
    }

    #[test]
    fn a_table_that_leads_outside_is_refused() {
        let good = table(0, "é\0");
        assert!(is_sound(&good));
        // What the check is for: the table's own reader finds the text.
        let reader = tokenizers::normalizers::Precompiled::from(&good).expect("it reads");
        assert_eq!(reader.transform("A"), Some("é"));
        for (start, texts) in [(1, "é\0"), (9, "é\0"), (0, "é"), (0, &*"é".repeat(200))] {
            assert!(!is_sound(&table(start, texts)), "{start} {texts:?}");
        }
        assert!(!is_sound(&good[..good.len() / 2]));
        let mut far = good.clone();
        far[4 + 3] = 0x7f;
        assert!(!is_sound(&far));
        // One unit, a leaf, from which the reader would look for `A` all the same.
        assert!(!is_sound(&[4, 0, 0, 0, 0, 0, 0, 0x80]));
    }

    #[test]
    fn what_is_no_model_is_refused() {
        assert!(Model::parse(b"").is_err());
        assert!(Model::parse(b"not a model at all").is_err());
        assert!(Model::parse(&b"\n\0".repeat(PIECES_MAX + 1)).unwrap_err().contains("4194305 pieces"));
        let piece = Piece { piece: "a".into(), score: f32::NAN, kind: None };
        let model = Model { pieces: vec![piece], ..Model::default() };
        assert_eq!(Model::parse(&model.encode_to_vec()).unwrap_err(), "piece 0 has the score NaN");
    }
}
