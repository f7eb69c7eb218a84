//! The parts of a tokenizer.json for each class of tokenizers that transformers builds itself.

use crate::tokenizer::error::Error;
use crate::tokenizer::old_files::{Class, Parts, Token, Vocabulary, read};
use crate::tokenizer::sentencepiece::UNIGRAM;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use tagsmith_message::Note;

/// The part of the model, and the table of characters, which belongs to another part.
struct ModelPart {
    json: Value,
    charsmap: Option<Vec<u8>>,
}

impl Parts<'_> {
    /// Returns the whole tokenizer.json.
    pub fn json(&mut self, vocabulary: Vocabulary) -> Result<Value, Error> {
        let (model, ids) = self.model(vocabulary)?;
        let id_of = |content: &str| ids.get(content).copied();
        let mut next = ids.len() as u64;
        let mut added: Vec<(u64, Token)> = Vec::new();
        for token in &self.added {
            if token.content.is_empty() {
                continue;
            }
            if let Some(earlier) = added.iter_mut().find(|(_, it)| it.content == token.content) {
                earlier.1 = token.clone();
                continue;
            }
            let id = id_of(&token.content).unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            added.push((id, token.clone()));
        }
        if let Some(tokens) = self.settings.get("added_tokens_decoder").and_then(Value::as_object) {
            let mut moved = Note::new(
                "{token has|tokens have} another id than `added_tokens_decoder` gives {it|them}, the vocabulary's or the next \
                 free one",
            );
            for (id, token) in &added {
                let said = tokens.iter().find(|(_, it)| it["content"] == token.content.as_str());
                if said.is_some_and(|(said, _)| *said != id.to_string()) {
                    moved.add(|| format!("`{}` {id}", token.content));
                }
            }
            self.notes.extend((moved.count > 0).then_some(moved));
        }
        added.sort_by_key(|(id, _)| *id);
        let of_added = |content: &str| added.iter().find(|(_, token)| token.content == content).map(|(id, _)| *id);
        let post_processor = self.post_processor(|content| id_of(content).or_else(|| of_added(content)))?;
        let added: Vec<Value> = added
            .iter()
            .map(|(id, token)| {
                json!({
                    "id": id, "content": token.content, "single_word": token.single_word, "lstrip": token.lstrip,
                    "rstrip": token.rstrip, "normalized": token.normalized, "special": token.special,
                })
            })
            .collect();
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
            "normalizer": self.normalizer(&model)?, "pre_tokenizer": self.pre_tokenizer()?,
            "post_processor": post_processor, "decoder": self.decoder(model.json["byte_fallback"] == true)?, "model": model.json,
        }))
    }

    fn model(&self, vocabulary: Vocabulary) -> Result<(ModelPart, HashMap<String, u64>), Error> {
        let file = self.file();
        match vocabulary {
            Vocabulary::Ids(vocab) => {
                let id = |(token, id): (&String, &Value)| {
                    let id = id.as_u64().filter(|id| u32::try_from(*id).is_ok());
                    id.map(|id| (token.clone(), id)).ok_or_else(|| self.refuse(file, format!("`{token}` has no id")))
                };
                let ids = vocab.iter().map(id).collect::<Result<_, _>>()?;
                let json = if self.class == Class::Bert {
                    json!({
                        "type": "WordPiece", "unk_token": self.content("unk_token")?, "continuing_subword_prefix": "##",
                        "max_input_chars_per_word": 100, "vocab": vocab,
                    })
                } else {
                    json!({
                        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
                        "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                        "vocab": vocab, "merges": self.merges()?,
                    })
                };
                Ok((ModelPart { json, charsmap: None }, ids))
            }
            Vocabulary::Pieces(model)
                if self.class == Class::Sentencepiece && model.trainer.model_type() != UNIGRAM =>
            {
                // Where pieces are equal, the last one's number counts.
                let ids: HashMap<String, u64> = model.pieces.iter().map(|piece| piece.piece.clone()).zip(0..).collect();
                let json = json!({
                    "type": "BPE", "dropout": null, "unk_token": model.trainer.unk_piece(), "continuing_subword_prefix": null,
                    "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": model.trainer.byte_fallback(),
                    "ignore_merges": false, "vocab": ids, "merges": model.merges(),
                });
                Ok((ModelPart { json, charsmap: model.charsmap().map(<[u8]>::to_vec) }, ids))
            }
            Vocabulary::Pieces(model) => {
                let pieces = model.pieces.iter().map(|piece| (piece.piece.clone(), f64::from(piece.score)));
                let of = |key: &str, score: f64| Ok::<_, Error>((self.content(key)?, score));
                let (vocab, unk_id): (Vec<(String, f64)>, usize) = match self.class {
                    Class::XlmRoberta => {
                        let first = [
                            of("bos_token", 0.0)?,
                            of("pad_token", 0.0)?,
                            of("eos_token", 0.0)?,
                            of("unk_token", 0.0)?,
                        ];
                        (first.into_iter().chain(pieces.skip(3)).chain([of("mask_token", 0.0)?]).collect(), 3)
                    }
                    Class::Camembert => {
                        let not_used = |name: &str, score| (format!("{name}NOTUSED"), score);
                        let first = [
                            not_used("<s>", 0.0),
                            of("pad_token", 0.0)?,
                            not_used("</s>", 0.0),
                            of("unk_token", 0.0)?,
                            not_used("<unk>", -100.0),
                        ];
                        let vocab: Vec<_> =
                            first.into_iter().chain(pieces.skip(1)).chain([of("mask_token", 0.0)?]).collect();
                        let unknown = self.content("unk_token")?;
                        let unk_id = vocab.iter().position(|(piece, _)| *piece == unknown).unwrap_or(0);
                        (vocab, unk_id)
                    }
                    Class::DebertaV2 => {
                        let vocab: Vec<_> = pieces.collect();
                        let unknown = (self.content("unk_token")?, 0.0);
                        let said = usize::try_from(model.trainer.unk_id()).unwrap_or(usize::MAX);
                        let unk_id = vocab.iter().position(|piece| *piece == unknown).unwrap_or(said);
                        (vocab, unk_id)
                    }
                    Class::Sentencepiece => {
                        (pieces.collect(), usize::try_from(model.trainer.unk_id()).unwrap_or(usize::MAX))
                    }
                    _ => (pieces.collect(), 1),
                };
                let byte_fallback = self.class == Class::Sentencepiece && model.trainer.byte_fallback();
                if unk_id >= vocab.len() {
                    return Err(self.refuse(file, format!("has no piece {unk_id}, which stands for what is unknown")));
                }
                // Where pieces are equal, the last one's number counts.
                let ids = vocab.iter().map(|(piece, _)| piece.clone()).zip(0..).collect();
                let charsmap = model.charsmap().map(<[u8]>::to_vec);
                let json =
                    json!({ "type": "Unigram", "unk_id": unk_id, "vocab": vocab, "byte_fallback": byte_fallback });
                Ok((ModelPart { json, charsmap }, ids))
            }
        }
    }

    /// Returns the pairs of merges.txt, in order.
    fn merges(&self) -> Result<Vec<[String; 2]>, Error> {
        let name = "merges.txt";
        let bytes = read(self.folder, name)?
            .ok_or_else(|| self.refuse(name, "is missing beside vocab.json: download the model again, whole"))?;
        let text = String::from_utf8(bytes).map_err(|error| self.refuse(name, error))?;
        let pair = |(line, text): (usize, &str)| match text.split(' ').collect::<Vec<_>>()[..] {
            [a, b] => Ok([a.to_owned(), b.to_owned()]),
            _ => Err(self.refuse(name, format!("line {line}: `{text}` is not a pair"))),
        };
        (1..).zip(text.lines()).filter(|(_, line)| !line.starts_with("#version")).map(pair).collect()
    }

    fn normalizer(&self, model: &ModelPart) -> Result<Value, Error> {
        let precompiled = model
            .charsmap
            .as_ref()
            .map(|table| json!({ "type": "Precompiled", "precompiled_charsmap": STANDARD.encode(table) }));
        let sequence = |steps: Vec<Value>| json!({ "type": "Sequence", "normalizers": steps });
        let replace =
            |pattern: Value, content: &str| json!({ "type": "Replace", "pattern": pattern, "content": content });
        Ok(match self.class {
            Class::Bert => {
                let strip = self.settings.get("strip_accents").cloned().unwrap_or_default();
                json!({
                    "type": "BertNormalizer", "clean_text": true,
                    "handle_chinese_chars": self.flag("tokenize_chinese_chars", true)?,
                    "strip_accents": strip, "lowercase": self.flag("do_lower_case", true)?,
                })
            }
            Class::Roberta | Class::Gpt2 | Class::Deberta => Value::Null,
            Class::XlmRoberta | Class::Camembert => precompiled.unwrap_or_default(),
            // transformers ignores the table of characters since version 5.
            Class::DebertaV2 => {
                let lower = self.flag("do_lower_case", false)?.then(|| json!({ "type": "Lowercase" }));
                let steps = [
                    replace(json!({ "Regex": r"\s{2,}|[\n\r\t]" }), " "),
                    json!({ "type": "NFC" }),
                    json!({ "type": "Strip", "strip_left": false, "strip_right": true }),
                ];
                sequence(lower.into_iter().chain(steps).collect())
            }
            Class::Albert => {
                let mut steps =
                    vec![replace(json!({ "String": "``" }), "\""), replace(json!({ "String": "''" }), "\"")];
                if !self.flag("keep_accents", false)? {
                    steps.extend([json!({ "type": "NFKD" }), json!({ "type": "StripAccents" })]);
                }
                if self.flag("do_lower_case", true)? {
                    steps.push(json!({ "type": "Lowercase" }));
                }
                sequence(steps.into_iter().chain(precompiled).collect())
            }
            Class::Sentencepiece => {
                sequence(precompiled.into_iter().chain([replace(json!({ "String": " " }), "▁")]).collect())
            }
        })
    }

    fn pre_tokenizer(&self) -> Result<Value, Error> {
        let metaspace = |without: &str| -> Result<Value, Error> {
            let scheme = if self.flag("add_prefix_space", true)? { "always" } else { without };
            Ok(json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true }))
        };
        let sequence = |steps: Vec<Value>| json!({ "type": "Sequence", "pretokenizers": steps });
        Ok(match self.class {
            Class::Bert => json!({ "type": "BertPreTokenizer" }),
            Class::Roberta | Class::Gpt2 | Class::Deberta => json!({
                "type": "ByteLevel", "add_prefix_space": self.flag("add_prefix_space", false)?,
                "trim_offsets": true, "use_regex": true,
            }),
            Class::XlmRoberta | Class::Camembert | Class::Albert => {
                sequence(vec![json!({ "type": "WhitespaceSplit" }), metaspace("never")?])
            }
            Class::DebertaV2 => {
                let cut = json!({ "type": "Punctuation", "behavior": "Isolated" });
                let cut = self.flag("split_by_punct", false)?.then_some(cut);
                sequence(cut.into_iter().chain([metaspace("first")?]).collect())
            }
            Class::Sentencepiece => Value::Null,
        })
    }

    fn decoder(&self, byte_fallback: bool) -> Result<Value, Error> {
        Ok(match self.class {
            Class::Sentencepiece => {
                let space = json!({ "type": "Replace", "pattern": { "String": "▁" }, "content": " " });
                let bytes = byte_fallback.then(|| [json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })]);
                let steps: Vec<Value> = [space].into_iter().chain(bytes.into_iter().flatten()).collect();
                json!({ "type": "Sequence", "decoders": steps })
            }
            Class::Bert => json!({ "type": "WordPiece", "prefix": "##", "cleanup": true }),
            Class::Roberta | Class::Gpt2 | Class::Deberta => {
                json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true })
            }
            Class::XlmRoberta | Class::Camembert | Class::DebertaV2 | Class::Albert => {
                let without = if self.class == Class::DebertaV2 { "first" } else { "never" };
                let scheme = if self.flag("add_prefix_space", true)? { "always" } else { without };
                json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true })
            }
        })
    }

    /// Returns the special pieces around a sequence, and around two.
    fn post_processor(&self, id_of: impl Fn(&str) -> Option<u64>) -> Result<Value, Error> {
        let id = |content: &str| id_of(content).ok_or_else(|| self.refuse(self.file(), format!("has no `{content}`")));
        let special = |content: &str, kind: u8| json!({ "SpecialToken": { "id": content, "type_id": kind } });
        let sequence = |name: &str, kind: u8| json!({ "Sequence": { "id": name, "type_id": kind } });
        let (first, last) = match self.class {
            Class::XlmRoberta | Class::Camembert => ("bos_token", "eos_token"),
            _ => ("cls_token", "sep_token"),
        };
        if matches!(self.class, Class::Gpt2 | Class::Sentencepiece) {
            let single = [sequence("A", 0)];
            let pair = [sequence("A", 0), sequence("B", 1)];
            return Ok(json!({ "type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": {} }));
        }
        let (start, end) = (self.content(first)?, self.content(last)?);
        if self.class == Class::Roberta {
            return Ok(json!({
                "type": "RobertaProcessing", "sep": [end, id(&end)?], "cls": [start, id(&start)?],
                "trim_offsets": self.flag("trim_offsets", true)?,
                "add_prefix_space": self.flag("add_prefix_space", false)?,
            }));
        }
        let (start, end) = (start.as_str(), end.as_str());
        let (a, last) = (sequence("A", 0), special(end, 0));
        let single = [special(start, 0), a.clone(), last.clone()];
        let pair = match self.class {
            // The second sequence has a type of its own, or a second separator before it.
            Class::Bert | Class::DebertaV2 | Class::Albert => {
                vec![special(start, 0), a, last, sequence("B", 1), special(end, 1)]
            }
            _ => vec![special(start, 0), a, last.clone(), last.clone(), sequence("B", 0), last],
        };
        let mut tokens = Map::new();
        for content in [start, end] {
            tokens.insert(content.into(), json!({ "id": content, "ids": [id(content)?], "tokens": [content] }));
        }
        Ok(json!({ "type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens }))
    }
}
